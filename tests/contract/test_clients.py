"""The shipped documents against what the official clients of the same versions send, and where the newest differ."""

from pathlib import Path

import pytest
from clients import call_of, client, document, places, shape, table

DOCS = Path(__file__).parents[2] / "docs" / "apis.md"
TOOLBOX = "/toolbox/{sandboxId}"
RUNLOOP = ("/v1/devboxes", "/v1/blueprints", "/v1/objects")

NOT_JSON = {"POST /v1/devboxes/{id}/upload_file", f"POST {TOOLBOX}/init"}
"""A form, and whatever the caller likes: fields of such bodies are not checked."""

LEFT_OUT = {"POST /v1/devboxes/create_and_await_running", "GET /v1/devboxes/evictions/watch"}
"""One holds the request until the devbox runs, the other streams: neither is a call with an answer."""


@pytest.mark.parametrize(
    ("name", "official", "under"),
    [
        ("daytona", "daytona_api_client-0.205.1", ""),
        ("daytona-toolbox", "daytona_toolbox_api_client-0.190.0", TOOLBOX),
        ("runloop", "runloop_api_client-3.0.0", ""),
    ],
)
def test_an_operation_is_called_as_the_official_client_calls_it(name: str, official: str, under: str) -> None:
    openapi = document(name)
    calls = client(official, under=under)

    described = {place: o for place, o in places(openapi).items() if not o.deprecated or place in calls}

    assert described.keys() <= calls.keys()
    for place, operation in described.items():
        ours, theirs = call_of(openapi, operation), calls[place]
        assert ours.needs == theirs.needs, place
        assert ours.body == theirs.body or place in NOT_JSON, place


def test_the_documents_have_every_operation_of_the_clients() -> None:
    daytona, toolbox, runloop = (places(document(name)) for name in ("daytona", "daytona-toolbox", "runloop"))
    of_runloop = {p for p in client("runloop_api_client-3.0.0") if p.split()[1].startswith(RUNLOOP)}

    assert client("daytona_api_client-0.205.1").keys() <= daytona.keys()
    assert client("daytona_toolbox_api_client-0.190.0", under=TOOLBOX).keys() == toolbox.keys()
    assert of_runloop - runloop.keys() == LEFT_OUT


def test_what_older_servers_had_is_still_there_and_called_deprecated() -> None:
    daytona = {shape(place): operation for place, operation in places(document("daytona")).items()}
    newer = {shape(place) for place in client("daytona_api_client-0.205.1")}
    older = {shape(place) for place in client("daytona_api_client-0.108.1")}

    assert daytona.keys() == newer | older
    assert all(daytona[place].deprecated for place in older - newer)


def test_the_documentation_shows_where_the_newest_clients_differ() -> None:
    assert table() in DOCS.read_text("utf-8"), "run `python tests/contract/clients.py` and put its table into the page"
