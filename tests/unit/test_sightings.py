"""What a read shows becomes the event that would have told it, or nothing."""

from typing import Any

import pytest
from conftest import CONFIG, ORGANIZATION

from reactor.apis.sightings import Read, Teller, events_of, is_news, made_at
from reactor.config import load_config
from reactor.events import Event, Known

APIS = load_config(CONFIG).apis
NOW = 1_780_000_000_000
DAYTONA = Teller(APIS["daytona"], "daytona", ORGANIZATION, "reconcile")
RUNLOOP = Teller(APIS["runloop"], "runloop", "", "watch")


def read(kind: str, state: str, at: int = NOW, **others: Any) -> Read:
    data = {"id": "x-1", "name": "build-1", "state": state, "status": state, "createdAt": "2026-06-01T00:00:00Z"}
    return Read(kind, "x-1", at, {**data, **others})


def told(known: Known, shown: Read, teller: Teller = DAYTONA, *, creation: bool = False) -> list[tuple[str, Any]]:
    events = events_of(teller, shown, known, creation=creation)
    return [(event.type, event.data.get("newState", event.data.get("state"))) for event in events]


def test_a_newer_state_becomes_the_event_that_announces_it() -> None:
    [event] = events_of(DAYTONA, read("volume", "ready", updatedAt="2026-06-01T00:00:01Z"), Known("creating", NOW - 1))

    assert event == Event.from_payload(
        id=event.id, source="daytona", organization=ORGANIZATION, body=event.body, origin="reconcile"
    )
    assert event.data == {
        "event": "volume.state.updated",
        "timestamp": "2026-05-28T20:26:40.000Z",
        "id": "x-1",
        "name": "build-1",
        "oldState": "creating",
        "newState": "ready",
        "updatedAt": "2026-06-01T00:00:01Z",
    }
    assert (event.time, event.organization) == (NOW, ORGANIZATION)


@pytest.mark.parametrize(
    ("known", "shown", "news"),
    [
        (Known("creating", NOW - 1), read("volume", "ready"), True),
        (Known("ready", NOW - 1), read("volume", "ready"), False),
        (Known("creating", NOW), read("volume", "ready"), False),
        (Known("creating", NOW - 9_999), read("sandbox", "started"), False),
        (Known("creating", NOW - 10_001), read("sandbox", "started"), True),
        (Known("unknown", 1), read("sandbox", "creating"), False),
        (Known("started", 1), read("sandbox", "destroying"), False),
        (Known("stopping", 1), read("sandbox", "starting"), True),
        (Known(), read("volume", "ready"), True),
        (Known(), read("volume", ""), False),
        (Known("creating", 1), Read("volume", "x-1", NOW, None), True),
    ],
)
def test_a_read_is_news_if_it_shows_more_than_the_table_knows(known: Known, shown: Read, news: bool) -> None:
    assert is_news(APIS["daytona"].provider.resources[shown.kind], shown, known) is news
    assert bool(events_of(DAYTONA, shown, known)) is news


def test_a_resource_that_is_gone_is_in_its_terminal_state() -> None:
    gone = [Read(kind, "x-1", NOW, None) for kind in ("volume", "sandbox", "snapshot")]

    assert [told(Known("error", 1), each) for each in gone] == [
        [("volume.state.updated", "deleted")],
        [("sandbox.state.updated", "destroyed")],
        [("snapshot.removed", None)],
    ]


@pytest.mark.parametrize(
    ("known", "state", "types"),
    [
        (Known(), "ready", [("volume.created", "ready"), ("volume.state.updated", "ready")]),
        (Known(), "pending_create", [("volume.created", "pending_create")]),
        (Known("ready", 1, 3), "ready", [("volume.created", "ready")]),
        (Known("creating", 1, 3), "ready", [("volume.created", "ready"), ("volume.state.updated", "ready")]),
        (Known("ready", 1, 3, announced=True), "ready", []),
    ],
)
def test_a_resource_whose_creation_nobody_told_is_announced(
    known: Known, state: str, types: list[tuple[str, str]]
) -> None:
    assert told(known, read("volume", state), creation=True) == types


def test_two_who_see_the_same_make_one_event_and_later_sightings_others() -> None:
    def id_of(known: Known, state: str = "ready", at: int = NOW) -> str:
        [event] = events_of(DAYTONA, read("volume", state, at), known)
        return event.id

    assert id_of(Known("creating", 1, 4)) == id_of(Known("creating", 1, 4), at=NOW + 5)
    assert len({id_of(Known("creating", 1, 4)), id_of(Known("creating", 1, 5)), id_of(Known("x", 1, 4), "error")}) == 3


def test_an_api_without_webhooks_tells_what_its_resources_are_called_marked_with_and_broken_by() -> None:
    shown = read("devbox", "failure", metadata={"team": "a"}, failure_reason="out_of_memory", launch_parameters={})

    [event] = events_of(RUNLOOP, shown, Known("provisioning", 1))

    assert event.data == {
        "event": "devbox.state.updated",
        "timestamp": "2026-05-28T20:26:40.000Z",
        "name": "build-1",
        "metadata": {"team": "a"},
        "failure_reason": "out_of_memory",
        "id": "x-1",
        "oldState": "provisioning",
        "newState": "failure",
    }
    assert (event.source, event.organization, event.origin) == ("runloop", "", "watch")


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-05-28T20:26:40Z", NOW),
        ("2026-05-28T20:26:40", None),
        ("soon", None),
        (None, None),
        (NOW, NOW),
        (True, None),
    ],
)
def test_a_resource_says_when_it_was_made_by_a_time_or_by_milliseconds(value: Any, at: int | None) -> None:
    assert made_at(APIS["daytona"].provider.resources["volume"], {"createdAt": value}) == at
