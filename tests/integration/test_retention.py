"""What is old is forgotten, and nothing before it is done with."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Opened
from desk import desk
from redis import Redis
from stage import append, claimed, context_of, new_row, now_ms, planned, volume

from reactor.apis.client import ApiClient
from reactor.due import DuePoller
from reactor.metrics import render_metrics
from reactor.settings import Settings
from reactor.store.ledger import Ending
from reactor.store.retention import Forgotten
from reactor.store.store import Store
from reactor.worker import attempt

LATER = """rules:
  - name: r
    on: volume.state.updated
    match: {newState: error}
    debounce: {wait: 1ms, at_most: 1ms}
    do:
      - emit: fleet.first
        as: first
      - emit: fleet.second
        data: {how: "${event.id} was ${first.how}"}
"""

pytestmark = pytest.mark.every_server

RETENTION = 100.0
WINDOW = 1000.0


@pytest.fixture
async def store(opened: Opened, settings: Settings) -> AsyncIterator[Store]:
    """A store that forgets events after 100 s, and what has ended after 2,000 s."""
    store = Store(settings.model_copy(update={"retention": RETENTION, "dedup_window": WINDOW}))
    yield store
    await store.close()


def logged(redis: Redis, store: Store, *ages: int) -> list[str]:
    """Enter events that are so many seconds old, the oldest first."""
    entries: list[Any] = [redis.xadd(store.keys.log, {"id": age}, id=f"{now_ms() - age * 1000}-0") for age in ages]
    return [entry.decode() for entry in entries]


def held(redis: Redis, store: Store) -> list[str]:
    entries: Any = redis.xrange(store.keys.log)
    return [entry.decode() for entry, _ in entries]


async def test_an_event_that_is_old_and_acknowledged_leaves_the_log(store: Store, redis: Redis) -> None:
    young = logged(redis, store, 300, 200, 50)[-1]
    entries = await store.log.read("dispatcher", block=0.1)
    await store.log.acknowledge([entry.entry for entry in entries])

    assert await store.retention.trim() == 2
    assert held(redis, store) == [young]


async def test_an_event_that_nobody_has_read_stays_however_old(store: Store, redis: Redis) -> None:
    entries = logged(redis, store, 300, 200, 50)

    assert await store.retention.trim() == 0
    assert held(redis, store) == entries


async def test_an_event_that_is_not_acknowledged_stays_with_all_after_it(store: Store, redis: Redis) -> None:
    first, second, third, young = logged(redis, store, 400, 300, 200, 50)
    await store.log.read("dispatcher", block=0.1)
    await store.log.acknowledge([first, third, young])

    assert await store.retention.trim() == 1
    assert held(redis, store) == [second, third, young]


async def test_every_group_of_readers_is_waited_for(store: Store, redis: Redis) -> None:
    entries = logged(redis, store, 300, 200)
    await store.log.join("another")
    await store.log.acknowledge([entry.entry for entry in await store.log.read("dispatcher", block=0.1)])

    assert await store.retention.trim() == 0
    assert held(redis, store) == entries


async def test_a_log_that_nobody_reads_yet_is_left_alone(store: Store, redis: Redis) -> None:
    redis.flushall()
    assert await store.retention.trim() == 0

    entries = logged(redis, store, 300)
    assert await store.retention.trim() == 0
    assert held(redis, store) == entries


async def set_aside(store: Store, *numbers: int) -> None:
    """Read all events of the log, set some aside, and acknowledge the others."""
    for number, entry in enumerate(await store.log.read("dispatcher", block=0.1)):
        await (store.log.set_aside(entry) if number in numbers else store.log.acknowledge([entry.entry]))


async def test_events_set_aside_stay_in_the_log_and_hold_no_other(store: Store, redis: Redis) -> None:
    entries = logged(redis, store, 800, 700, 600, 500, 400, 50)
    await set_aside(store, 1, 3)

    assert await store.retention.trim() == 3
    assert held(redis, store) == [entries[1], entries[3], entries[5]]
    assert await store.retention.trim() == 0
    assert [await store.logged.retake(entry) for entry in (entries[1], entries[3])] == ["retaken", "retaken"]


async def test_events_set_aside_in_one_millisecond_are_kept_in_the_order_of_the_log(store: Store, redis: Redis) -> None:
    at = now_ms() - 500_000
    places: list[Any] = [redis.xadd(store.keys.log, {"id": number}, id=f"{at}-{number}") for number in range(8, 13)]
    await set_aside(store, 1, 2, 4)

    assert await store.retention.trim() == 2
    assert held(redis, store) == [places[number].decode() for number in (1, 2, 4)]


async def test_many_events_between_two_set_aside_leave_the_log(store: Store, redis: Redis) -> None:
    at = now_ms() - 500_000
    with redis.pipeline(transaction=False) as pipeline:
        for number in range(1, 6200):
            pipeline.xadd(store.keys.log, {"id": number}, id=f"{at}-{number}")
        pipeline.execute()
    redis.xgroup_setid(store.keys.log, "dispatch", "$")
    redis.zadd(store.keys.aside, {f"{at}-3": at, f"{at}-6100": at})

    trimmed = [await store.retention.trim() for _ in range(3)]

    assert trimmed == [5002, 1195, 0]
    assert held(redis, store) == [f"{at}-3", f"{at}-6100"]


async def test_an_event_that_is_read_and_not_acknowledged_holds_what_follows_also_between_those_set_aside(
    store: Store, redis: Redis
) -> None:
    entries = logged(redis, store, 700, 600, 500, 400, 300)
    first, second, _, fourth, fifth = await store.log.read("dispatcher", block=0.1)
    await store.log.acknowledge([first.entry, fourth.entry])
    for entry in (second, fifth):
        await store.log.set_aside(entry)

    assert await store.retention.trim() == 1
    assert held(redis, store) == entries[1:]


async def test_an_event_set_aside_is_listed_as_long_as_it_is_in_the_log(store: Store, redis: Redis) -> None:
    kept = logged(redis, store, 2 * int(WINDOW) + 300, 2 * int(WINDOW) - 300)[-1]
    await set_aside(store, 0, 1)

    assert await store.retention.trim() == 1

    aside: Any = redis.zrange(store.keys.aside, 0, -1)
    assert [entry.decode() for entry in aside] == held(redis, store) == [kept]


async def test_jobs_and_timers_need_nothing_of_the_log(opened: Opened, tmp_path: Path, redis: Redis) -> None:
    """What waits carries what it will need: the event that asked for it may have left the log long before."""
    at = desk(opened, tmp_path, rule=LATER)
    told = await at.error()
    redis.xtrim(opened.store.keys.log, maxlen=0, approximate=False)

    timer = await at.ripe(told)
    first, second = sorted(await at.rows(), key=lambda row: row.state)
    await opened.store.ledger.finish(await claimed(opened, first.id), Ending("done", result={"how": "emitted"}))
    context = context_of(opened, client := ApiClient(connections=1, private=()), config=at.config)
    ending = await attempt(await claimed(opened, second.id), context)
    await client.close()

    assert timer.outcome == "planned"
    assert ending.state == "done", ending.error
    [last] = await opened.store.log.entries()
    assert orjson.loads(last.body)["how"] == "vol-1 was emitted"


@pytest.mark.parametrize("state", ["dead", "unknown"])
async def test_a_list_of_ended_rows_names_none_that_has_expired(store: Store, redis: Redis, state: str) -> None:
    listed = store.keys.finished(state)
    redis.zadd(listed, {"gone": now_ms() - int(2 * WINDOW * 1000) - 1, "kept": now_ms() - int(WINDOW * 1000)})

    await store.retention.trim()

    assert redis.zrange(listed, 0, -1) == [b"kept"]


async def test_the_list_of_runs_names_none_that_has_expired(store: Store, redis: Redis) -> None:
    redis.zadd(store.keys.runs, {"gone": 1, "long": 2, "young": now_ms()})
    redis.hset(store.keys.run("long"), "status", "running")

    await store.retention.trim()

    assert redis.zrange(store.keys.runs, 0, -1) == [b"long", b"young"]


async def test_a_row_nobody_can_read_expires_too(store: Store, opened: Opened, redis: Redis) -> None:
    await planned(opened)
    redis.hset(store.keys.row("row1"), "what", "no JSON")

    await store.ledger.claim(["row1"], "worker")

    assert 0 < redis.pttl(store.keys.row("row1")) <= 2 * WINDOW * 1000


async def test_what_a_repeat_is_known_by_outlives_the_window(store: Store, opened: Opened, redis: Redis) -> None:
    """The row and the plan of an event stay longer than anybody may deliver it again as news."""
    await append(opened, volume("ready"))
    await planned(opened)
    await opened.store.ledger.finish(await claimed(opened), Ending("done"))
    window = opened.settings.dedup_window * 1000

    assert redis.pttl(store.keys.seen("daytona", "msg_1")) > 0.9 * window
    assert redis.pttl(store.keys.row("row1")) > 1.9 * window


async def test_the_due_poller_trims(store: Store, opened: Opened, redis: Redis) -> None:
    logged(redis, store, 300)
    await store.log.acknowledge([entry.entry for entry in await store.log.read("dispatcher", block=0.1)])

    await DuePoller(store, opened.queue).tidy()

    assert held(redis, store) == []


async def test_a_full_server_can_still_forget(store: Store, redis: Redis) -> None:
    logged(redis, store, 300)
    await store.log.acknowledge([entry.entry for entry in await store.log.read("dispatcher", block=0.1)])
    redis.config_set("maxmemory", 1)
    try:
        assert await store.retention.trim() == 1
    finally:
        redis.config_set("maxmemory", 0)


async def test_of_what_failed_the_oldest_is_forgotten_beyond_a_number_and_that_is_counted(
    opened: Opened, settings: Settings, redis: Redis
) -> None:
    store = Store(settings.model_copy(update={"keep_failed": 2}))
    await planned(opened, *(new_row(f"row{number}") for number in range(5)))
    for number in range(4):
        await opened.store.ledger.finish(await claimed(opened, f"row{number}"), Ending("dead", error="because"))
    await opened.store.ledger.finish(await claimed(opened, "row4"), Ending("unknown", error="lost"))
    aside = logged(redis, store, 300, 200, 100)
    redis.zadd(store.keys.aside, {entry: entry.partition("-")[0] for entry in aside})

    forgotten = [await store.retention.bound() for _ in range(2)]

    assert forgotten == [Forgotten(dead=2, unknown=0, aside=1), Forgotten(0, 0, 0)]
    assert [bool(await store.ledger.get(f"row{number}")) for number in range(5)] == [False, False, True, True, True]
    assert redis.zrange(store.keys.finished("dead"), 0, -1) == [b"row2", b"row3"]
    assert redis.zrange(store.keys.aside, 0, -1) == [entry.encode() for entry in aside[1:]]
    figures = (await render_metrics(store, opened.queue)).decode()
    assert 'reactor_failed_forgotten_total{what="dead"} 2.0' in figures
    assert 'reactor_failed_forgotten_total{what="aside"} 1.0' in figures
    await store.close()


async def test_of_a_storm_of_what_failed_all_that_is_too_much_goes_in_one_round(
    opened: Opened, settings: Settings, redis: Redis
) -> None:
    store = Store(settings.model_copy(update={"keep_failed": 2}))
    pipeline = redis.pipeline()
    for number in range(2500):
        pipeline.hset(store.keys.row(f"row{number}"), "state", "dead")
        pipeline.zadd(store.keys.finished("dead"), {f"row{number}": number})
    pipeline.execute()

    forgotten = await store.retention.bound()

    assert forgotten == Forgotten(dead=2498, unknown=0, aside=0)
    assert redis.zrange(store.keys.finished("dead"), 0, -1) == [b"row2498", b"row2499"]
    await store.close()


async def test_a_failed_row_that_lives_again_is_not_forgotten(opened: Opened, settings: Settings, redis: Redis) -> None:
    store = Store(settings.model_copy(update={"keep_failed": 1}))
    await planned(opened, new_row("row1"))
    redis.zadd(store.keys.finished("dead"), {"row1": 1, "gone": 2, "another": 3})  # as after an old backup

    assert await store.retention.bound() == Forgotten(0, 0, 0)

    assert await store.ledger.get("row1")
    assert redis.zcard(store.keys.finished("dead")) == 1
    await store.close()
