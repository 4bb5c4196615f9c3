"""The shipped webhook document takes what servers of any version send, and knows its fields and states."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from reactor.apis.openapi import OpenApi

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "config" / "apis" / "daytona-webhooks.openapi.json").read_text("utf-8"))
WEBHOOKS = OpenApi.parse(DOCUMENT)


def problems(payload: dict[str, Any], type: str) -> list[str]:
    schema = {**WEBHOOKS.webhooks[type], "components": DOCUMENT["components"]}
    return [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(payload)]


def sent() -> Iterator[dict[str, Any]]:
    sequences = json.loads((ROOT / "tests" / "data" / "event_sequences.json").read_text("utf-8"))
    yield from (event for name, events in sequences.items() if name != "_about" for event in events if "event" in event)


def test_every_event_that_servers_send_fits_and_has_known_fields() -> None:
    for event in sent():
        assert problems(event, event["event"]) == []
        assert event.keys() <= WEBHOOKS.event_fields([event["event"]]).keys()


@pytest.mark.parametrize("size", [{"class": "small"}, {"sandboxClass": "linux-vm"}, {"sandboxClass": "android"}, {}])
def test_the_class_of_a_sandbox_is_known_by_its_old_and_its_new_name(size: dict[str, str]) -> None:
    created = {"event": "sandbox.created", "id": "s", "state": "unknown", **size}

    assert problems(created, "sandbox.created") == []


def test_only_what_is_needed_is_required() -> None:
    required = {type: set(WEBHOOKS.resolve(schema).get("required", ())) for type, schema in WEBHOOKS.webhooks.items()}

    assert required == {
        "sandbox.created": {"id", "state"},
        "sandbox.state.updated": {"id", "newState"},
        "snapshot.created": {"id", "name", "state"},
        "snapshot.state.updated": {"id", "name", "newState"},
        "snapshot.removed": {"name"},
        "volume.created": {"id", "name", "state"},
        "volume.state.updated": {"id", "name", "newState"},
    }


@pytest.mark.parametrize(
    ("type", "field", "states"),
    [
        ("sandbox.state.updated", "newState", {"started", "forking", "pausing", "paused", "resuming"}),
        ("snapshot.state.updated", "newState", {"active", "snapshotting"}),
        ("volume.state.updated", "newState", {"ready", "deleted"}),
    ],
)
def test_the_states_of_all_versions_are_known(type: str, field: str, states: set[str]) -> None:
    assert states <= set(WEBHOOKS.event_fields([type])[field]["enum"])
