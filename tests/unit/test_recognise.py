"""Payloads that do not say their type are known by their shape, or not at all."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from reactor.apis.openapi import OpenApi
from reactor.apis.recognise import recognise
from reactor.events import Event

DAYTONA = Path(__file__).parents[2] / "config" / "apis" / "daytona-webhooks.openapi.json"
COMMON = {"id": "x", "organizationId": "org"}
CREATED = {**COMMON, "createdAt": "2025-11-01T00:00:00Z"}
UPDATED = {**COMMON, "updatedAt": "2025-11-01T00:00:00Z"}


@pytest.fixture(scope="module")
def daytona() -> OpenApi:
    return OpenApi.parse(orjson.loads(DAYTONA.read_bytes()))


def event(data: dict[str, Any], type: str = "") -> Event:
    return Event("msg_1", "daytona", type, "org", data, time=None, received=None)


@pytest.mark.parametrize(
    ("data", "type"),
    [
        ({**CREATED, "state": "creating", "sandboxClass": "container"}, "sandbox.created"),
        ({**UPDATED, "oldState": "creating", "newState": "started"}, "sandbox.state.updated"),
        ({**CREATED, "name": "n", "state": "pending_create"}, "volume.created"),
        ({**UPDATED, "name": "n", "oldState": "creating", "newState": "ready"}, "volume.state.updated"),
        ({**CREATED, "name": "n", "state": "building"}, "snapshot.created"),
        ({**UPDATED, "name": "n", "oldState": "building", "newState": "active"}, "snapshot.state.updated"),
        ({**COMMON, "name": "n", "removedAt": "2025-11-01T00:00:00Z"}, "snapshot.removed"),
    ],
)
def test_a_payload_without_type_is_known_by_its_fields_and_states(
    daytona: OpenApi, data: dict[str, Any], type: str
) -> None:
    assert recognise(event(data), [daytona]).type == type


@pytest.mark.parametrize(
    "data",
    [
        {},
        {**CREATED, "name": "n", "state": "error"},  # of a volume or of a snapshot
        {**CREATED, "name": "n", "state": "melted"},
        {**CREATED, "name": "n", "state": ["building"]},
        {**CREATED, "name": "n", "state": "building", "more": 1},
        {**CREATED, "state": "building"},
    ],
)
def test_what_fits_none_or_two_stays_without_type(daytona: OpenApi, data: dict[str, Any]) -> None:
    assert recognise(event(data), [daytona]).type == ""


def test_what_fits_in_two_documents_stays_without_type(daytona: OpenApi) -> None:
    unsaid = event({**CREATED, "name": "n", "state": "building"})

    assert recognise(unsaid, [daytona, daytona]).type == ""
    assert recognise(unsaid, []).type == ""


def test_a_type_that_is_said_is_believed(daytona: OpenApi) -> None:
    said = event({**CREATED, "name": "n", "state": "building"}, type="volume.created")

    assert recognise(said, [daytona]) is said
