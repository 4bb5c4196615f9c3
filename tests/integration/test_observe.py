"""Verdicts, and the state of a resource, whatever the order in which its events are delivered."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, ORGANIZATION, Opened
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from stage import event, iso, logged, now_ms, volume

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.planning import Occasion
from reactor.reload import Live
from reactor.rules.match import Decision
from reactor.store.keys import Keys
from reactor.store.log import Entry
from reactor.store.resources import Verdict

pytestmark = pytest.mark.every_server

SEQUENCES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "data" / "event_sequences.json").read_text()
)
del SEQUENCES["_about"]

WEEK = 7 * 86_400_000


class Deciding:
    """A dispatcher that is asked for verdicts one event at a time."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._config = load_config(CONFIG)
        self._dispatcher = Dispatcher(opened.store, opened.queue, Live(self._config), takeover=1.0)

    async def verdict(self, entry: Entry) -> Verdict:
        return (await self._observed(entry)).verdict

    async def fired(self, entry: Entry) -> list[Decision]:
        return self._dispatcher.match(await self._observed(entry), self._config)

    async def _observed(self, entry: Entry) -> Occasion:
        [occasion] = await self._dispatcher.observe([self._config.arrival(entry)])
        return occasion


async def verdicts(opened: Opened, *payloads: dict[str, Any]) -> list[Verdict]:
    deciding = Deciding(opened)
    return [await deciding.verdict(entry) for entry in await logged(opened, *payloads)]


def snapshot(state: str, ago: int, **others: Any) -> dict[str, Any]:
    return volume(state, id="snap-1", name="base", ago=ago, event="snapshot.state.updated", **others)


def removed(ago: int) -> dict[str, Any]:
    payload = {"event": "snapshot.removed", "timestamp": iso(now_ms() - ago), "name": "base"}
    return {**payload, "organizationId": ORGANIZATION}


async def test_a_change_of_state_is_fresh_and_says_what_it_changed(opened: Opened) -> None:
    seen = await verdicts(opened, volume("creating", ago=20), volume("ready", ago=10))

    assert seen == [
        Verdict("fresh", "volume", "vol-1", None, "creating", 1, 1),
        Verdict("fresh", "volume", "vol-1", "creating", "ready", 2, 2),
    ]


async def test_a_change_of_state_that_comes_after_a_newer_one_is_stale(opened: Opened) -> None:
    _, late = await verdicts(opened, volume("ready", ago=10), volume("creating", ago=20))

    assert late == Verdict("stale", "volume", "vol-1", "ready", "ready", 1, 1)


async def test_a_created_event_is_never_stale(opened: Opened) -> None:
    created = {**volume("", ago=30), "event": "volume.created", "state": "pending_create"}

    _, verdict = await verdicts(opened, volume("ready", ago=10), created)

    assert verdict == Verdict("fresh", "volume", "vol-1", "ready", "ready", 1, 1)


async def test_the_same_said_again_under_another_id_is_a_repeat(opened: Opened) -> None:
    _, again = await verdicts(opened, volume("ready", ago=20), volume("ready", ago=10))

    assert (again.verdict, await opened.store.resources.state("daytona", "volume", "vol-1")) == ("repeat", "ready")


async def test_an_event_older_than_the_dedup_window_is_late_and_changes_nothing(opened: Opened) -> None:
    [late] = await verdicts(opened, volume("ready", ago=3 * WEEK))

    assert late.verdict == "late"
    assert await opened.store.resources.state("daytona", "volume", "vol-1") is None


async def test_nothing_follows_a_terminal_state_whatever_the_times_say(opened: Opened) -> None:
    _, after = await verdicts(opened, volume("deleted", ago=20), volume("ready", ago=10))

    assert (after.verdict, after.after) == ("stale", "deleted")


@pytest.mark.parametrize("states", list(itertools.permutations(["creating", "ready", "error"])))
async def test_of_states_at_one_moment_the_same_one_stands_in_every_order(
    opened: Opened, states: tuple[str, ...]
) -> None:
    at = iso(now_ms())

    await verdicts(opened, *(volume(state, timestamp=at) for state in states))

    assert await opened.store.resources.state("daytona", "volume", "vol-1") == "ready"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_snapshot_removed_by_name_is_removed_in_every_order(opened: Opened, order: tuple[int, ...]) -> None:
    events = [snapshot("active", 30), snapshot("removing", 20), removed(10)]

    await verdicts(opened, *(events[number] for number in order))

    assert await opened.store.resources.state("daytona", "snapshot", "snap-1") == "removed"


async def test_a_removal_by_name_is_not_of_a_resource_that_got_the_name_later(opened: Opened) -> None:
    newcomer = {**snapshot("active", 5), "id": "snap-2"}

    *_, removal = await verdicts(opened, snapshot("removing", 20), newcomer, removed(10))

    assert removal.id is None
    assert await opened.store.resources.state("daytona", "snapshot", "snap-2") == "active"


async def test_a_removal_seen_before_its_name_is_not_of_a_resource_made_later(opened: Opened) -> None:
    await verdicts(opened, removed(10), {**snapshot("active", 5), "id": "snap-2"})

    assert await opened.store.resources.state("daytona", "snapshot", "snap-2") == "active"


async def test_a_verdict_asked_for_again_is_the_first_one(opened: Opened) -> None:
    deciding = Deciding(opened)
    first, second = await logged(opened, volume("creating", ago=20), volume("ready", ago=10))

    before = await deciding.verdict(first)
    await deciding.verdict(second)

    assert await deciding.verdict(first) == before


async def test_events_about_no_resource_are_fresh_once(opened: Opened) -> None:
    unknown = {"event": "moon.phase", "timestamp": iso(now_ms()), "phase": "full"}

    seen = await verdicts(opened, unknown, {**unknown, "timestamp": iso(now_ms() + 1)})

    assert seen == [Verdict("fresh"), Verdict("repeat")]


@pytest.mark.parametrize("state", [None, 5, "", {}, []])
async def test_a_state_that_is_no_text_says_nothing_of_the_resource(opened: Opened, state: Any) -> None:
    [verdict] = await verdicts(opened, volume("x") | {"newState": state})

    assert (verdict.verdict, verdict.seq) == ("fresh", None)


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES.keys())
async def test_every_sequence_in_emission_order_is_fresh_and_ends_in_its_last_state(
    opened: Opened, sequence: list[dict[str, Any]]
) -> None:
    seen = await verdicts(opened, *recent(sequence))

    assert {verdict.verdict for verdict in seen} == {"fresh"}


@given(name=st.sampled_from(sorted(SEQUENCES)), data=st.data())
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_delivery_order_ends_in_the_same_state(
    opened: Opened, redis: Redis, name: str, data: st.DataObject
) -> None:
    emitted = recent(SEQUENCES[name])
    delivered = data.draw(st.permutations(emitted))

    in_order, _ = await states_after(opened, redis, emitted)
    shuffled, seen = await states_after(opened, redis, delivered)

    assert shuffled == in_order
    last = next(verdict for payload, verdict in zip(delivered, seen, strict=True) if payload is emitted[-1])
    assert last.verdict == "fresh"


async def states_after(
    opened: Opened, redis: Redis, payloads: list[dict[str, Any]]
) -> tuple[dict[bytes, Any], list[Verdict]]:
    redis.flushall()
    seen = await verdicts(opened, *payloads)
    keys: Any = redis.keys(Keys("reactor").resource("daytona", "*", "*"))
    return {key: redis.hget(key, "state") for key in keys}, seen


def recent(sequence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sequence as if it had just been emitted: same distances, no date in the past."""
    times = [event(payload)[0].time for payload in sequence]
    last = max((time for time in times if time is not None), default=0)
    shift = now_ms() - last
    return [
        payload if time is None else {**payload, "timestamp": iso(time + shift)}
        for payload, time in zip(sequence, times, strict=True)
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_rules_on_the_final_state_fire_once_in_every_order(opened: Opened, order: tuple[int, ...]) -> None:
    deciding = Deciding(opened)
    states = [("pending_create", 30), ("creating", 20), ("ready", 10)]
    entries = await logged(opened, *(volume(states[number][0], ago=states[number][1]) for number in order))

    fired = [decision.rule.name for entry in entries for decision in await deciding.fired(entry)]

    assert fired == ["sandbox-for-ready-volume"]
