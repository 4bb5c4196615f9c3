"""Scripts survive a server that forgot them, and data that is gone."""

import asyncio

import pytest
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, claimed, event, eventually, new_row, planned, volume

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.reload import Live

pytestmark = pytest.mark.every_server


async def test_a_flushed_script_is_loaded_again(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    redis.script_flush()

    assert (await claimed(opened)).fence == 1


async def test_each_script_of_a_group_runs_once_though_the_server_forgot_it(opened: Opened, redis: Redis) -> None:
    redis.script_flush()

    appended = await asyncio.gather(*(append(opened, volume("ready"), f"msg_{number}") for number in range(20)))

    assert not any(one.duplicate for one in appended)
    assert await opened.store.log.length() == 20


async def test_a_script_refused_for_one_event_fails_no_other(opened: Opened, redis: Redis) -> None:
    redis.hset(opened.store.keys.seen("daytona", "msg_2"), "not", "a text")

    results = await asyncio.gather(
        *(opened.store.log.append(*event(volume("ready"), f"msg_{number}")) for number in range(1, 4)),
        return_exceptions=True,
    )

    assert [type(result).__name__ for result in results] == ["Appended", "StoreRefused", "Appended"]


async def test_a_dispatcher_goes_on_after_a_flush_of_everything(opened: Opened, redis: Redis) -> None:
    dispatcher = Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=0.3)
    poller = DuePoller(opened.store, opened.queue)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dispatcher.run(stopping))
        tasks.create_task(poller.run(stopping))
        first = await append(opened, volume("ready"), "msg_1")
        await eventually(lambda: opened.store.plans.get(first.entry))

        redis.flushall()
        redis.script_flush()
        second = await append(opened, volume("ready"), "msg_2")

        assert await eventually(lambda: opened.store.plans.get(second.entry))
        stopping.set()


async def test_tidying_a_flushed_server_ends_nobody(opened: Opened, redis: Redis) -> None:
    redis.flushall()

    await opened.store.log.forget_idle_consumers(idle=0)


async def test_a_row_flushed_under_its_worker_ends_without_a_trace(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row())
    row = await claimed(opened)
    redis.flushall()

    assert not await opened.store.ledger.renew(row)
    assert redis.keys("*") == []


async def test_a_worker_is_seen_again_after_a_flush_of_everything(opened: Opened, redis: Redis) -> None:
    presence = opened.queue.presence(ttl=20)
    await presence.beat(busy=False, done=0, failed=0)
    redis.flushall()

    await presence.beat(busy=False, done=1, failed=0)

    assert redis.smembers("rq:workers") == {f"rq:worker:{presence.name}".encode()}
