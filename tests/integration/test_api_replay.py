"""Replays over HTTP: shown first, done when it is confirmed, and by whom is kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asked import Api, listening
from commands import Commands
from conftest import Opened
from redis import Redis
from stage import append, volume
from test_jobs import dumped

from reactor.dispatch import Dispatcher


@pytest.fixture
async def api(opened: Opened, tmp_path: Path) -> AsyncIterator[Api]:
    async with listening(opened, tmp_path) as api:
        yield api


async def decided(opened: Opened, api: Api, *payloads: dict[str, Any]) -> None:
    """Put events into the log and decide on all that nobody has."""
    for number, payload in enumerate(payloads):
        await append(opened, payload, f"msg_{number}")
    dispatcher = Dispatcher(opened.store, opened.queue, api.parts.live, takeover=5.0)
    while entries := await opened.store.log.read("reader", block=0.05):
        await dispatcher.react(entries)


async def test_what_is_not_confirmed_is_shown_as_the_command_line_shows_it_and_changes_nothing(
    api: Api, opened: Opened, redis: Redis
) -> None:
    await decided(opened, api, volume("ready", name="build-1"), volume("ready", id="vol-2", name="other"))
    before = dumped(redis)

    named = await api.ask("POST", "/replay", json={"events": ["msg_0"]})
    spanned = await api.ask("POST", "/replay", json={"since": 0, "type": "volume.*", "confirm": False})
    none = await api.ask("POST", "/replay", json={"since": 0, "until": 1})

    cli = Commands(opened)
    assert named.json() == await asyncio.to_thread(cli.json, "replay", "msg_0", "--dry-run")
    assert spanned.json() == await asyncio.to_thread(
        cli.json, "replay", "--since", "1d", "--type", "volume.*", "--dry-run"
    )
    assert [len(each["jobs"]) for each in spanned.json()] == [1, 0]
    assert none.json() == []
    assert dumped(redis) == before


async def test_a_confirmed_replay_is_decided_again_with_a_job_of_its_own_and_names_who_asked(
    api: Api, opened: Opened
) -> None:
    await decided(opened, api, volume("ready", name="build-1"))

    answer = await api.ask("POST", "/replay", json={"events": ["msg_0", "msg_0"], "confirm": True})
    await decided(opened, api)

    [replayed] = answer.json()
    assert (answer.status_code, replayed["id"], replayed["generation"]) == (200, "msg_0", 1)
    told = (await api.ask("GET", "/events/msg_0/explain", "read")).json()
    assert told["replays"] == [{"entry": replayed["entry"], "by": "token operater"}]
    again = (await api.ask("GET", f"/events/{replayed['entry']}/explain", "read")).json()
    [first], [second] = ([job["id"] for rule in each["rules"] for job in rule["jobs"]] for each in (told, again))
    assert first != second


async def test_an_event_named_by_its_place_and_by_its_id_is_one_event(api: Api, opened: Opened) -> None:
    await decided(opened, api, volume("ready", name="build-1"))
    [entry] = [each.entry for each in await opened.store.log.entries()]

    answer = await api.ask("POST", "/replay", json={"events": ["msg_0", entry], "confirm": True})

    assert [each["generation"] for each in answer.json()] == [1]


async def test_for_all_events_that_are_named_the_log_is_looked_through_once(
    api: Api, opened: Opened, redis: Redis
) -> None:
    await decided(opened, api, *(volume("ready", id=f"vol-{number}") for number in range(20)))
    redis.config_resetstat()

    answer = await api.ask("POST", "/replay", json={"events": [f"msg_{number}" for number in range(20)]})

    assert [each["id"] for each in answer.json()] == [f"msg_{number}" for number in range(20)]
    looks: Any = redis.info("commandstats")
    assert looks["cmdstat_xrevrange"]["calls"] == 1


async def test_a_replay_is_not_replayed_and_an_event_that_is_set_aside_neither(api: Api, opened: Opened) -> None:
    await decided(opened, api, volume("ready", name="build-1"), volume("ready", id="vol-2", name="build-2"))
    [replayed] = (await api.ask("POST", "/replay", json={"events": ["msg_0"], "confirm": True})).json()
    event = (await opened.store.logged.get_each(["msg_1"]))["msg_1"]
    await opened.store.log.set_aside(event.entry)

    again = await api.ask("POST", "/replay", json={"events": [replayed["entry"]], "confirm": True})
    aside = await api.ask("POST", "/replay", json={"events": ["msg_1"], "confirm": True})

    assert [(each.status_code, each.json()["reason"]) for each in (again, aside)] == [(409, "not_possible")] * 2
    assert "replay msg_0" in again.json()["detail"]
    assert "events retry" in aside.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "one of the two"),
        ({"events": ["msg_0"], "since": 0}, 400, "one of the two"),
        ({"events": []}, 400, "events: expected a list"),
        ({"events": "msg_0"}, 400, "events: expected a list"),
        ({"events": ["x"] * 1001}, 400, "events: expected a list"),
        ({"since": "1h"}, 400, "since: expected milliseconds"),
        ({"since": True}, 400, "since: expected milliseconds"),
        ({"since": 0, "until": -1}, 400, "until: expected milliseconds"),
        ({"since": 0, "type": 7}, 400, "type: expected a text"),
        ({"since": 0, "confirm": "yes"}, 400, "confirm: expected true or false"),
        ({"events": ["msg_0", "gone"], "confirm": True}, 404, "no event 'gone'"),
    ],
    ids=str,
)
async def test_a_slip_replays_nothing(
    api: Api, opened: Opened, redis: Redis, body: dict[str, Any], status: int, said: str
) -> None:
    await decided(opened, api, volume("ready", name="build-1"))
    before = dumped(redis)

    answer = await api.ask("POST", "/replay", json=body)

    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert dumped(redis) == before


async def test_more_events_than_one_answer_lists_are_refused(
    api: Api, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.http_api.replay.MOST", 2)
    await decided(opened, api, *(volume("ready", id=f"vol-{n}", name=f"build-{n}") for n in range(3)))

    answer = await api.ask("POST", "/replay", json={"since": 0, "confirm": True})

    assert answer.status_code == 400
    assert "more than 2 events" in answer.json()["detail"]
    assert (await opened.store.log.length()) == 3
