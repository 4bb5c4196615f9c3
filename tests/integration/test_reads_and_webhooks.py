"""A read and the webhook of what it showed: whichever comes first, the table ends alike and rules fire once."""

import itertools
from typing import Any

import pytest
from conftest import CONFIG, ORGANIZATION, Opened
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from stage import iso, now_ms, volume

from reactor.apis.sightings import Read, events_of
from reactor.config import load_config
from reactor.config.telling import teller_of
from reactor.dispatch import Dispatcher
from reactor.events import Event, Known, Sighting
from reactor.reload import Live

CONFIGURED = load_config(CONFIG)
DAYTONA = teller_of(CONFIGURED, CONFIGURED.apis["daytona"], "reconcile")
RUNLOOP = teller_of(CONFIGURED, CONFIGURED.apis["runloop"], "watch")
PATIENT = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Table:
    """A state table that webhooks and reads come to, one after the other."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._dispatcher = Dispatcher(opened.store, opened.queue, Live(CONFIGURED), takeover=1.0)
        self._count = itertools.count()
        self.fired: list[tuple[str, Any]] = []

    async def webhook(self, payload: dict[str, Any]) -> str:
        event = Event(f"msg_{next(self._count)}", "daytona", "", ORGANIZATION, payload, None, None)
        return await self.log(event)

    async def log(self, event: Event) -> str:
        """Append and observe an event; returns its verdict, or nothing for one that the log has already."""
        appended = await self._opened.store.log.append(event, event.body)
        if appended.duplicate:
            return ""
        [entry] = [each for each in await self._opened.store.log.entries() if each.entry == appended.entry]
        [occasion] = await self._dispatcher.observe([CONFIGURED.arrival(entry)])
        if occasion.verdict.verdict == "fresh":
            self.fired.append((occasion.event.type, occasion.event.data.get("newState")))
        return occasion.verdict.verdict

    async def known(self, id: str = "vol-1", kind: str = "volume") -> Known:
        [known] = await self._opened.store.resources.known("daytona", kind, [id])
        return known

    async def seen(self, state: str, *, ago: int, known: Known | None = None, creation: bool = False) -> list[str]:
        """A read shows the volume in a state; what the reader knew of it may be of before."""
        data = {"id": "vol-1", "name": "build-1", "state": state}
        read = Read("volume", "vol-1", now_ms() - ago, data)
        events = events_of(DAYTONA, read, known or await self.known(), creation=creation)
        return [await self.log(event) for event in events]

    async def gone(self, kind: str, id: str, *, ago: int) -> list[str]:
        events = events_of(DAYTONA, Read(kind, id, now_ms() - ago, None), await self.known(id, kind))
        return [await self.log(event) for event in events]


@pytest.fixture
def table(opened: Opened) -> Table:
    return Table(opened)


async def test_a_webhook_after_the_read_of_its_state_is_stale_or_repeats(table: Table) -> None:
    await table.webhook(volume("creating", ago=30_000))

    assert await table.seen("ready", ago=10_000) == ["fresh"]
    assert await table.webhook(volume("ready", ago=20_000)) == "stale"
    assert await table.webhook(volume("ready", ago=8_000, updatedAt="x")) == "repeat"
    assert table.fired == [("volume.state.updated", "creating"), ("volume.state.updated", "ready")]


async def test_a_read_after_the_webhook_of_its_state_is_no_event(table: Table) -> None:
    await table.webhook(volume("ready", ago=20_000))

    assert await table.seen("ready", ago=10_000) == []


async def test_a_read_by_one_who_does_not_know_the_webhook_yet_repeats_it(table: Table) -> None:
    before = await table.known()
    await table.webhook(volume("ready", ago=20_000))

    assert await table.seen("ready", ago=10_000, known=before) == ["repeat"]


async def test_the_same_read_by_two_is_one_event(table: Table) -> None:
    before = await table.known()

    assert [await table.seen("ready", ago=ago, known=before) for ago in (10_000, 9_000)] == [["fresh"], [""]]


async def test_a_state_that_is_reached_again_is_told_again(table: Table) -> None:
    for ago, state in ((50_000, "ready"), (40_000, "error"), (30_000, "ready"), (20_000, "error")):
        assert await table.seen(state, ago=ago) == ["fresh"]


async def test_a_webhook_of_a_later_arrival_in_the_same_state_is_fresh(table: Table) -> None:
    await table.seen("ready", ago=60_000)

    assert await table.webhook(volume("ready", ago=10_000)) == "fresh"


async def test_a_creation_is_told_once_by_a_read_or_by_a_webhook(table: Table) -> None:
    created = {**volume("", ago=20_000), "event": "volume.created", "state": "pending_create"}

    assert await table.seen("ready", ago=10_000, creation=True) == ["fresh", "fresh"]
    assert await table.webhook(created) == "repeat"
    assert table.fired == [("volume.created", None), ("volume.state.updated", "ready")]


async def test_a_read_tells_no_creation_that_a_webhook_told(table: Table) -> None:
    await table.webhook({**volume("", ago=20_000), "event": "volume.created", "state": "pending_create"})

    assert await table.seen("ready", ago=10_000, creation=True) == ["fresh"]


async def test_the_webhook_of_an_end_that_a_read_showed_repeats_it_also_by_name_alone(table: Table) -> None:
    await table.webhook(
        {**volume("removing", ago=30_000), "event": "snapshot.state.updated", "id": "s-1", "name": "base"}
    )
    removed = {"event": "snapshot.removed", "timestamp": iso(now_ms() - 20_000), "name": "base"}

    assert await table.gone("snapshot", "s-1", ago=10_000) == ["fresh"]
    assert await table.webhook(removed) == "repeat"


async def test_what_was_filled_in_is_told_by_the_first_webhook(opened: Opened, table: Table) -> None:
    shown = Sighting("volume", "vol-1", "build-1", "ready", now_ms() - 10_000, guarded=True, terminal=0, settled=1)
    assert [await opened.store.resources.fill("daytona", [shown]) for _ in range(2)] == [1, 0]

    assert await table.webhook(volume("creating", ago=25_000)) == "stale"
    assert await table.webhook(volume("ready", ago=20_000)) == "fresh"
    assert await table.webhook(volume("ready", ago=19_000, updatedAt="x")) == "stale"
    assert await opened.store.resources.live("daytona", "volume") == {"vol-1"}


async def test_an_ended_resource_lives_no_longer(opened: Opened, table: Table) -> None:
    await table.webhook(volume("ready", ago=20_000))
    assert await opened.store.resources.live("daytona", "volume") == {"vol-1"}

    await table.webhook(volume("deleted", ago=10_000))

    assert await opened.store.resources.live("daytona", "volume") == set()


async def test_what_is_read_of_an_api_without_webhooks_is_of_its_own_source(opened: Opened, table: Table) -> None:
    data = {"id": "d-1", "name": "box", "status": "running"}
    [event] = events_of(RUNLOOP, Read("devbox", "d-1", now_ms(), data), Known())

    assert await table.log(event) == "fresh"
    assert await opened.store.resources.state("runloop", "devbox", "d-1") == "running"
    assert "runloop" not in CONFIGURED.source_entries


STORY = [("pending_create", 60_000), ("creating", 50_000), ("ready", 40_000), ("error", 30_000)]
"""A volume's life: each state and how many milliseconds ago it began."""


@given(data=st.data())
@PATIENT
async def test_reads_among_webhooks_in_any_order_end_alike_and_the_last_state_is_told_once(
    opened: Opened, redis: Redis, data: st.DataObject
) -> None:
    """Some webhooks are lost, the others come in any order; a reader looks at the end, with what it knew at any time."""
    redis.flushall()
    table = Table(opened)
    await opened.store.log.join()
    lost = data.draw(st.sets(st.sampled_from(range(len(STORY)))))
    webhooks = data.draw(st.permutations([each for number, each in enumerate(STORY) if number not in lost]))
    looks = sorted(data.draw(st.lists(st.integers(0, len(webhooks)), min_size=1, max_size=3)))
    learned = data.draw(st.integers(0, looks[0]))

    early = Known()
    for number in range(len(webhooks) + 1):
        early = await table.known() if number == learned else early
        for _ in range(looks.count(number)):
            await table.seen("error", ago=data.draw(st.integers(100, 29_000)), known=early)
        if number < len(webhooks):
            state, ago = webhooks[number]
            await table.webhook(volume(state, ago=ago))

    assert (await table.known()).state == "error"
    assert table.fired.count(("volume.state.updated", "error")) == 1
    assert len(table.fired) == len(set(table.fired))
