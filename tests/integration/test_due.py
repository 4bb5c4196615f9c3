"""The due poller gives rows to the queue whose time has come."""

import asyncio
from typing import Any

import pytest
from conftest import Opened
from redis import Redis
from stage import claimed, eventually, expired, new_row, planned, said
from structlog.testing import capture_logs

from reactor.due import DuePoller
from reactor.queue import Ticket
from reactor.store.ledger import Ending

pytestmark = pytest.mark.every_server


async def jobs(opened: Opened) -> int:
    return await opened.queue.length()


async def test_a_row_whose_job_was_lost_gets_another(opened: Opened) -> None:
    await planned(opened)
    stopping = asyncio.Event()

    polling = asyncio.create_task(DuePoller(opened.store, opened.queue).run(stopping))

    await eventually(lambda: jobs(opened))
    stopping.set()
    await polling
    [job] = await opened.queue.pop("worker", 10)
    assert job.ticket is not None
    assert (job.ticket.row, job.ticket.number) == ("row1", 1)


async def test_a_retry_comes_back_when_its_time_has_come(opened: Opened) -> None:
    await planned(opened)
    await opened.store.ledger.finish(await claimed(opened), Ending("due", delay=0.1))
    poller = DuePoller(opened.store, opened.queue)

    assert await poller.sweep() == 0
    assert await eventually(poller.sweep) == 1
    assert (await expired(opened)).attempts == 2


async def test_of_two_pollers_one_enqueues_a_row(opened: Opened, redis: Redis) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(10)))
    for number in range(10):
        redis.zadd(opened.store.keys.due, {f"row{number}": 1})

    swept = await asyncio.gather(*(DuePoller(opened.store, opened.queue).sweep() for _ in range(2)))

    assert sum(swept) == 10
    assert await jobs(opened) == 10


async def test_a_poller_waits_for_a_server_that_can_not_write(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    stopping = asyncio.Event()
    redis.config_set("min-replicas-to-write", 1)
    try:
        polling = asyncio.create_task(DuePoller(opened.store, opened.queue).run(stopping))
        with capture_logs() as logs:
            await eventually(lambda: said(logs, "sweep paused"))
    finally:
        redis.config_set("min-replicas-to-write", 0)

    await eventually(lambda: jobs(opened))
    stopping.set()
    await polling


async def test_consumers_that_are_gone_are_forgotten_unless_they_hold_an_event(opened: Opened, redis: Redis) -> None:
    for name in ("idle", "holder"):
        redis.xgroup_createconsumer(opened.store.keys.log, "dispatch", name)
    redis.xadd(opened.store.keys.log, {"source": "x"})
    redis.xreadgroup("dispatch", "holder", {opened.store.keys.log: ">"})

    async def forgotten() -> bool:
        await opened.store.log.forget_idle_consumers(idle=0.01)
        return [consumer["name"] for consumer in redis.xinfo_consumers(opened.store.keys.log, "dispatch")] == [
            b"holder"
        ]

    await eventually(forgotten)


async def test_a_job_whose_worker_died_after_the_end_of_its_row_is_forgotten(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row("ended"), new_row("running"))
    await opened.queue.enqueue([Ticket("ended"), Ticket("running")])
    await opened.queue.pop("worker", 2)
    await opened.store.ledger.finish(await claimed(opened, "ended"), Ending("done"))
    await claimed(opened, "running")

    await DuePoller(opened.store, opened.queue).forget_ended_jobs()

    assert await opened.queue.taken() == ["running-0"]
    assert redis.keys("rq:job:*") == [b"rq:job:running-0"]


async def test_such_a_job_is_forgotten_behind_however_many_that_are_performed(opened: Opened, redis: Redis) -> None:
    with redis.pipeline() as pipeline:
        for number in range(2100):
            ends = number % 700 == 0
            row = f"{'gone' if ends else 'row'}-{number:04}"
            pipeline.hset(opened.store.keys.row(row), "state", "done" if ends else "running")
            pipeline.zadd("rq:wip:reactor", {f"{row}-0:reactor": "+inf"})
        for number in range(3):
            pipeline.zadd("rq:wip:reactor", {f"z-gone-{number}-0:reactor": "+inf"})
        pipeline.execute()

    await DuePoller(opened.store, opened.queue).forget_ended_jobs()

    left: Any = redis.zrange("rq:wip:reactor", 0, -1)
    assert len(left) == 2097
    assert not [each for each in left if b"gone" in each]
