"""What is due is given out: to one caller, later and later, and never more than the queue can bear."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from conftest import Opened
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from stage import claimed, eventually, new_row, now_ms, planned
from structlog.testing import capture_logs

from reactor.due import DuePoller
from reactor.queue import Ticket
from reactor.store.due import Due, Swept
from reactor.store.keys import Keys
from reactor.store.ledger import Ending

pytestmark = pytest.mark.every_server

KEYS = Keys("reactor")

FULL = 20
"""Entries of a queue that is not short."""


def make_due(redis: Redis) -> None:
    """Let the time of every row have come."""
    rows: Any = redis.zrange(KEYS.due, 0, -1)
    for row in rows:
        redis.zadd(KEYS.due, {row: 1})


async def sweep(opened: Opened) -> list[Swept]:
    return await opened.store.due.sweep(opened.queue.key)


async def test_of_many_sweepers_one_gets_a_row(opened: Opened, redis: Redis) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(10)))
    make_due(redis)

    swept = await asyncio.gather(*(sweep(opened) for _ in range(20)))

    given_out = [one.row for rows in swept for one in rows]
    assert sorted(given_out) == sorted(f"row{number}" for number in range(10))


async def test_what_is_not_due_is_not_given_out(opened: Opened) -> None:
    await planned(opened)

    assert await sweep(opened) == []


async def test_a_row_nobody_takes_is_looked_at_later_and_later(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    pauses = []

    for _ in range(10):
        make_due(redis)
        await sweep(opened)
        pauses.append((int(redis.zscore(KEYS.due, "row1") or 0) - now_ms()) / 1000)

    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.3)


async def test_each_enqueue_of_a_row_has_a_number_of_its_own(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    numbers = []

    for _ in range(3):
        make_due(redis)
        numbers += [row.number for row in await sweep(opened)]

    assert numbers == [1, 2, 3]


async def test_a_row_that_may_stand_in_a_full_queue_gets_no_second_entry(opened: Opened, redis: Redis) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(FULL)))
    await opened.queue.enqueue([Ticket(f"row{number}") for number in range(FULL)])
    make_due(redis)

    assert await sweep(opened) == []


async def test_a_retry_is_given_out_however_full_the_queue_is(opened: Opened, redis: Redis) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(FULL + 1)))
    await opened.queue.enqueue([Ticket(f"row{number}") for number in range(FULL)])
    await opened.store.ledger.finish(await claimed(opened, f"row{FULL}"), Ending("due"))
    make_due(redis)

    assert [row.row for row in await sweep(opened)] == [f"row{FULL}"]


async def test_a_row_whose_worker_is_gone_is_given_out_when_its_lease_has_expired(opened: Opened) -> None:
    await planned(opened)
    await claimed(opened)

    assert await sweep(opened) == []
    [row] = await eventually(lambda: sweep(opened))

    assert row.row == "row1"
    assert (await claimed(opened)).fence == 2


async def test_a_leased_row_is_not_given_out_however_due(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await claimed(opened)
    make_due(redis)

    assert await sweep(opened) == []
    assert int(redis.zscore(KEYS.due, "row1") or 0) > now_ms()


async def test_what_is_finished_or_gone_leaves_the_due_set(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await opened.store.ledger.finish(await claimed(opened), Ending("done"))
    redis.zadd(KEYS.due, {"row1": 1, "forgotten": 1})

    assert await sweep(opened) == []
    assert redis.zcard(KEYS.due) == 0


@given(
    rows=st.integers(1, 30),
    others=st.integers(1, 5),
    lost=st.floats(0, 1),
    running=st.floats(0, 1),
    looks=st.integers(1, 12),
)
@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_recovery_never_makes_a_queue_longer_than_twice_its_rows(
    opened: Opened, redis: Redis, rows: int, others: int, lost: float, running: float, looks: int
) -> None:
    redis.flushall()
    ids = await planned(opened, *(new_row(f"row{number}") for number in range(rows)))
    heavy = [replace(new_row(f"heavy{number}"), queue="heavy") for number in range(others)]
    await planned(opened, *heavy, entry=f"{now_ms()}-1")
    brief = Due(opened.store.redis, KEYS, sweep_after=0.0, lifetime=60.0)
    for row in ids[: int(rows * running)]:
        await claimed(opened, row)
        redis.hset(KEYS.row(row), "lease", 1)  # its worker is gone
    await opened.queue.enqueue([Ticket(row) for row in ids[int(rows * max(lost, running)) :]])
    await opened.queue.enqueue([Ticket(row.id, queue="heavy") for row in heavy[int(others * lost) :]])

    for _ in range(looks):
        make_due(redis)
        swept = await brief.sweep(opened.queue.key)
        await opened.queue.enqueue([Ticket(row.row, row.number, row.queue) for row in swept])

    lengths = {standing.queue: standing.jobs for standing in await opened.queue.standings()}
    assert lengths["main"] <= 2 * rows
    assert others <= lengths["heavy"] <= 2 * others


@pytest.mark.parametrize("field", ["enqueued", "lease", "queued", "state"])
async def test_a_row_that_lost_a_field_does_not_stop_the_sweep(opened: Opened, redis: Redis, field: str) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    redis.hdel(KEYS.row("row1"), field)
    make_due(redis)

    assert "row2" in [swept.row for swept in await sweep(opened)]


async def test_a_running_row_that_lost_its_lease_field_is_given_out(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await claimed(opened)
    redis.hdel(KEYS.row("row1"), "lease")
    make_due(redis)

    assert [swept.row for swept in await sweep(opened)] == ["row1"]


async def test_a_row_whose_entry_was_lost_waits_for_no_full_queue(opened: Opened, redis: Redis) -> None:
    rows = [f"row{number}" for number in range(3 * FULL)]
    await planned(opened, *(new_row(row) for row in [*rows, "lost"]))
    await opened.queue.enqueue([Ticket(row) for row in rows])
    make_due(redis)

    assert await sweep(opened) == [Swept("lost", 1)]

    await opened.queue.enqueue([Ticket("lost", 1)])
    make_due(redis)
    assert await sweep(opened) == []


async def test_a_queue_too_long_to_be_searched_is_searched_row_by_row_over_time(opened: Opened, redis: Redis) -> None:
    due = Due(opened.store.redis, KEYS, sweep_after=5.0, lifetime=60.0, compared=2 * 3 * FULL)
    rows = [f"row{number:02}" for number in range(3 * FULL)]
    await planned(opened, *(new_row(row) for row in [*rows, "z-lost"]))
    await opened.queue.enqueue([Ticket(row) for row in rows])
    make_due(redis)

    looks = [await due.sweep(opened.queue.key, count=1) for _ in range(len(rows) + 1)]

    assert [swept.row for look in looks for swept in look] == ["z-lost"]


async def test_what_nobody_of_us_wrote_is_in_no_row_s_way(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row("row1"))
    make_due(redis)
    redis.set(KEYS.row("another"), "somebody's")
    redis.hset(KEYS.row("torn"), mapping={"state": "waiting", "probe": "p", "enqueued": "x"})
    redis.set(KEYS.timer("another"), "somebody's")
    redis.hset(KEYS.row("a b"), "state", "due")
    junk: Any = (b"\xff\xfe", "a b", "timer/", "", "../x", "nobody")
    redis.zadd(KEYS.due, dict.fromkeys((*junk, "another", "torn", "timer/another"), 0))

    swept = await sweep(opened)

    assert [each.row for each in swept if each.number] == ["row1"]
    assert sorted(each.row for each in swept if not each.number) == ["another", "timer/another", "torn"]
    assert sorted(redis.zrange(KEYS.due, 0, -1)) == [b"another", b"row1", b"timer/another", b"torn"]
    assert await sweep(opened) == []


async def test_a_queue_of_another_type_is_in_no_other_queue_s_way_until_it_is_one_again(
    opened: Opened, redis: Redis
) -> None:
    heavy = [replace(new_row(f"heavy{number}"), queue="heavy") for number in range(3)]
    await planned(opened, new_row("row1"), *heavy)
    redis.set("rq:queue:reactor.heavy", "somebody's")
    make_due(redis)

    with capture_logs() as logs:
        assert await DuePoller(opened.store, opened.queue).sweep() == 1

    faulty = [line["key"] for line in logs if line["event"] == "queue faulty"]
    assert faulty == ["rq:queue:reactor.heavy"]
    assert await opened.queue.length() == 1
    assert await sweep(opened) == []  # not again at once
    assert all(redis.hget(KEYS.row(row.id), "enqueued") == b"0" for row in heavy)

    redis.delete("rq:queue:reactor.heavy")
    make_due(redis)
    assert sorted(swept.row for swept in await sweep(opened)) == ["heavy0", "heavy1", "heavy2"]


async def test_what_is_enqueued_beside_a_queue_of_another_type_is_enqueued(opened: Opened, redis: Redis) -> None:
    redis.set("rq:queue:reactor.heavy", "somebody's")

    with capture_logs() as logs:
        await opened.queue.enqueue([Ticket("row1", queue="heavy"), Ticket("row2")])

    assert await opened.queue.length() == 1
    assert [line["queue"] for line in logs if line["event"] == "queue faulty"] == ["heavy"]


async def test_a_poller_says_what_is_faulty_and_goes_on(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row("row1"))
    make_due(redis)
    redis.set(KEYS.row("another"), "somebody's")
    redis.zadd(KEYS.due, {"another": 0})

    with capture_logs() as logs:
        assert await DuePoller(opened.store, opened.queue).sweep() == 1

    assert [line["entry"] for line in logs if line["event"] == "due entry faulty"] == ["another"]
    assert await opened.queue.length() == 1
