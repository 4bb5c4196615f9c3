"""The shipped API files: what they say is in the documents they speak of."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reactor.apis.openapi import OpenApi, Operation, build_request
from reactor.apis.provider import Provider, Resource
from reactor.catalog import Catalog
from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.workflows.document import Source
from reactor.yaml12 import load, validate

CONFIG = Path(__file__).parents[2] / "config"
FILES = {path.name.split(".")[0]: path for path in (CONFIG / "apis").glob("*.yaml")}
APIS = sorted(FILES)
PAGE = (CONFIG.parent / "docs" / "apis.md").read_text("utf-8")


def provider(name: str) -> Provider:
    return validate(load(FILES[name].read_bytes(), str(FILES[name])), Provider)


def document(file: str) -> OpenApi:
    return OpenApi.parse(json.loads((CONFIG / "apis" / file).read_text("utf-8")))


def resources() -> list[Any]:
    kinds = [(name, kind, resource) for name in APIS for kind, resource in provider(name).resources.items()]
    return [pytest.param(name, resource, id=f"{name}-{kind}") for name, kind, resource in kinds]


def named_operations(file: Provider) -> Iterator[str]:
    yield from (*file.timeouts, *file.creates, *file.repeatable, *file.long_poll, *file.arazzo.operations.values())
    for resource in file.resources.values():
        yield from (resource.read, *resource.find, *resource.moves)
        if resource.listing:
            yield resource.listing.operation


def inside(openapi: OpenApi, schema: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """The schema at a path; None where there is nothing."""
    for step in path.removeprefix("$").split(".")[1:]:
        alternatives = [openapi.resolve(member) for member in schema.get("anyOf", (schema,))]
        found = [member["properties"][step] for member in alternatives if step in member.get("properties", {})]
        if not found:
            return None
        schema = openapi.resolve(found[0])
    return schema


def answer(openapi: OpenApi, operation: str) -> Mapping[str, Any]:
    schema = openapi.operations[operation].responses["200"]
    assert schema is not None
    return openapi.resolve(schema)


def fields_of_request(openapi: OpenApi, operation: Operation) -> Mapping[str, Any]:
    assert operation.body is not None
    assert operation.body.schema is not None
    return openapi.resolve(operation.body.schema)


@pytest.mark.parametrize("name", APIS)
def test_every_operation_that_a_file_names_is_in_its_document(name: str) -> None:
    file = provider(name)

    known = document(file.openapi).operations

    assert [operation for operation in named_operations(file) if operation not in known] == []
    assert [alias for alias in file.arazzo.operations if alias in known] == []


@pytest.mark.parametrize(("name", "resource"), resources())
def test_what_a_resource_has_is_in_what_a_read_answers(name: str, resource: Resource) -> None:
    openapi = document(provider(name).openapi)
    read = answer(openapi, resource.read)

    for path in (resource.id, resource.name, resource.state, resource.labels, resource.created, resource.error):
        assert path is None or inside(openapi, read, path) is not None, path


@pytest.mark.parametrize(("name", "resource"), resources())
def test_one_parameter_says_which_resource_is_read_or_moved(name: str, resource: Resource) -> None:
    file = provider(name)
    operations = document(file.openapi).operations
    polls = [
        each for each, poll in file.long_poll.items() if poll.resource and file.resources[poll.resource] is resource
    ]

    for operation in (resource.read, *resource.moves, *polls):
        in_path = [parameter.name for parameter in operations[operation].parameters if parameter.where == "path"]
        assert resource.by in in_path if len(in_path) > 1 else len(in_path) == 1


@pytest.mark.parametrize(("name", "resource"), resources())
def test_every_state_is_one_that_a_read_or_an_event_can_show(name: str, resource: Resource) -> None:
    file = provider(name)
    openapi = document(file.openapi)
    shown = set((inside(openapi, answer(openapi, resource.read), resource.state) or {})["enum"])
    constant = {event.state for event in resource.events.values() if not event.state.startswith("$")}
    derived = {*resource.derived, *(state for states in resource.derived.values() for state in states)}

    assert {*resource.settled, *resource.terminal, *derived} <= shown | constant
    assert set(resource.failed) <= set(resource.settled)
    assert not set(resource.settled) & set(resource.terminal)


@pytest.mark.parametrize(("name", "resource"), resources())
def test_lists_and_finds_use_parameters_and_fields_that_exist(name: str, resource: Resource) -> None:
    openapi = document(provider(name).openapi)

    for operation, parameters in resource.find.items():
        assert {p.name for p in openapi.operations[operation].parameters if p.required} == set(parameters)
    if (listing := resource.listing) is not None:
        reply = answer(openapi, listing.operation)
        items = inside(openapi, reply, listing.items) if listing.items else reply
        asked = {*listing.parameters} | ({listing.next.parameter} if listing.next else set())
        assert asked <= {parameter.name for parameter in openapi.operations[listing.operation].parameters}
        assert items is not None
        assert items["type"] == "array"
        if listing.next and (path := listing.next.reply or listing.next.pages):
            assert inside(openapi, reply, path) is not None
        if listing.next and listing.next.item:
            assert inside(openapi, openapi.resolve(items["items"]), listing.next.item) is not None


@pytest.mark.parametrize("name", APIS)
def test_a_create_asks_for_a_name_and_labels_where_its_operation_takes_them(name: str) -> None:
    file = provider(name)
    openapi = document(file.openapi)

    for operation, create in file.creates.items():
        request = fields_of_request(openapi, openapi.operations[operation])
        assert inside(openapi, request, create.name) is not None
        assert create.labels is None or inside(openapi, request, create.labels) is not None
        assert create.resource in file.resources


@pytest.mark.parametrize("name", APIS)
def test_a_long_poll_is_answered_before_the_client_gives_up(name: str) -> None:
    file = provider(name)
    openapi = document(file.openapi)

    for operation, poll in file.long_poll.items():
        request = fields_of_request(openapi, openapi.operations[operation])
        assert inside(openapi, request, poll.states) is not None
        assert inside(openapi, request, poll.seconds) is not None
        assert {str(status) for status in poll.still_waiting} < openapi.operations[operation].responses.keys()
        assert poll.hold < file.timeouts[operation]
        assert operation in file.repeatable
        assert not poll.resource or poll.resource in file.resources


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("../openapi/daytona-volumes-api-openapi.yml", "daytona"),
        ("../openapi/daytona-sandbox-api-openapi.yml", "daytona"),
        ("../openapi/daytona-io-snapshots-api-openapi.yml", "daytona"),
        ("https://www.daytona.io/docs/openapi.json", "daytona"),
        ("../openapi/daytona-io-toolbox-api-openapi.yml", "daytona-toolbox"),
        ("../openapi/daytona-io-filesystem-api-openapi.yml", "daytona-toolbox"),
        ("https://proxy.app.daytona.io/toolbox/openapi.json", "daytona-toolbox"),
        ("../openapi/Daytona-Process-API.yaml", "daytona-toolbox"),
        ("https://raw.githubusercontent.com/daytonaio/daytona/main/apps/api/openapi.json", "daytona"),
        ("./daytona.yaml", "daytona"),
        ("https://docs.runloop.ai/openapi.json", "runloop"),
        ("../openapi/runloop-devbox-api-openapi.yml", "runloop"),
        ("../openapi/runloop-ai-objects-api-openapi.yml", "runloop"),
    ],
)
def test_a_url_in_the_wild_means_one_api(url: str, meant: str) -> None:
    found = Catalog(load_config(CONFIG).apis).meant(Source("described", url, "openapi"))

    assert [api.name for api in found] == [meant]


def test_the_sandbox_is_a_parameter_of_what_its_toolbox_is_asked() -> None:
    file = provider("daytona-toolbox")
    operation = document(file.openapi).operations["ExecuteCommand"]

    request = build_request(operation, {"sandboxId": "a/b"}, {"command": "ls"}, file.server.url)

    assert request.url == "https://proxy.app.daytona.io/toolbox/a%2Fb/process/execute"


def test_events_are_announced_as_the_webhook_document_describes_them() -> None:
    file = provider("daytona")
    webhooks = document(file.webhooks)
    announced = {type: event for resource in file.resources.values() for type, event in resource.events.items()}

    assert announced.keys() == webhooks.webhooks.keys()
    for type, event in announced.items():
        fields = webhooks.event_fields([type])
        assert event.id.removeprefix("$.") in fields
        for path in filter(None, (event.state, event.before)):
            assert not path.startswith("$") or path.removeprefix("$.") in fields


def test_every_shipped_api_loads() -> None:
    assert sorted(load_config(CONFIG).apis) == APIS


@pytest.mark.parametrize("next_page", ["{parameter: page}", "{parameter: page, reply: $.a, pages: $.b}"])
def test_a_next_page_has_one_source(next_page: str) -> None:
    text = f"openapi: x\nserver: https://x\nresources: {{r: {{read: r, list: {{operation: l, next: {next_page}}}}}}}\n"

    with pytest.raises(ConfigError, match="expected exactly one of `reply`, `item` and `pages`"):
        validate(load(text.encode(), "x.yaml"), Provider)


def test_a_long_poll_shows_a_declared_resource() -> None:
    text = """
openapi: x
server: https://x
resources: {thing: {read: r}}
long_poll: {wait: {resource: thin, states: $.a, seconds: $.b, hold: 1, still_waiting: [408]}}
"""

    with pytest.raises(ConfigError, match=r"long_poll.wait.resource: found 'thin', .*did you mean 'thing'"):
        validate(load(text.encode(), "x.yaml"), Provider)
