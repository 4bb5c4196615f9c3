"""Servers that are not as they were left: keys of another type, and data restored from an old backup."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, eventually, new_row, planned, volume
from structlog.testing import capture_logs

from reactor.config import load_config
from reactor.dispatch import READS, Dispatcher
from reactor.due import DuePoller
from reactor.errors import StoreUnavailable
from reactor.reload import Live
from reactor.store.figures import read_figures
from reactor.store.keys import Keys
from reactor.store.ledger import Refused, Row

pytestmark = pytest.mark.every_server


def dispatcher_of(opened: Opened) -> Dispatcher:
    return Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=0.3)


@pytest.mark.parametrize("kind", ["log", "due", "count"])
async def test_143_a_key_of_another_type_is_unable_not_faulty_and_is_over_when_it_is_gone(
    opened: Opened, redis: Redis, kind: str
) -> None:
    key = getattr(opened.store.keys, kind)
    redis.delete(key)
    redis.set(key, "somebody's")
    refused = 0

    for act in (
        opened.store.log.join(),
        append(opened, volume("ready")),
        planned(opened, new_row("row1")),
        opened.store.due.sweep(opened.queue.key),
        opened.store.retention.trim(),
        read_figures(opened.store),
    ):
        try:
            await act
        except StoreUnavailable:
            refused += 1

    assert refused
    redis.delete(key)
    await opened.store.log.join()
    await append(opened, volume("ready"), "msg_2")
    await planned(opened, new_row("row2"))


@asynccontextmanager
async def dispatching(opened: Opened) -> AsyncIterator[None]:
    """A dispatcher that goes on until the context ends."""
    stopping = asyncio.Event()
    task = asyncio.create_task(dispatcher_of(opened).run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def rows_of(opened: Opened, entry: str) -> int:
    return len(await opened.store.plans.rows_of(entry))


OWN: Mapping[str, Callable[[Keys, str], str]] = {
    "event": lambda keys, entry: keys.event(entry),
    "resource": lambda keys, _: keys.resource("daytona", "volume", "vol-1"),
    "alias": lambda keys, _: keys.alias("daytona", "volume", "build-1"),
    "live": lambda keys, _: keys.live("daytona", "volume"),
    "waits": lambda keys, _: keys.waits("daytona", "volume", "vol-1"),
    "hears": lambda keys, _: keys.hears("daytona", "volume.state.updated", "vol-1"),
}


@pytest.mark.parametrize("kind", OWN)
async def test_a_foreign_key_that_one_event_needs_holds_up_no_other_and_loses_nothing(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    sandbox = volume("started", id="sb-1", event="sandbox.state.updated")
    poisoned = (await append(opened, volume("ready"), "msg_1")).entry
    other = (await append(opened, sandbox, "msg_2")).entry
    key = OWN[kind](opened.store.keys, poisoned)
    redis.set(key, "somebody's")

    async def is_decided() -> bool:
        return await opened.store.plans.get(other) is not None

    async def is_aside() -> bool:
        return redis.zscore(opened.store.keys.aside, poisoned) is not None

    with capture_logs() as logs:
        async with dispatching(opened):
            await eventually(is_decided)
            assert not await is_aside()
            await eventually(is_aside)
            redis.delete(key)
            assert await opened.store.logged.retake(poisoned) == "retaken"
            await eventually(lambda: rows_of(opened, poisoned))

    faults = [line["error"] for line in logs if line["event"] == "event faulty"]
    assert faults
    assert all("WRONGTYPE" in fault for fault in faults)
    assert not [line for line in logs if line["event"] == "dispatch paused"]


@pytest.mark.parametrize("kind", ["due", "count"])
async def test_a_foreign_key_that_all_events_need_is_named_and_puts_the_blame_on_none(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    monkeypatch.setattr("reactor.dispatch.PAUSE", 0.35)
    key = getattr(opened.store.keys, kind)
    redis.set(key, "somebody's")
    entry = (await append(opened, volume("ready"))).entry

    with capture_logs() as logs:
        async with dispatching(opened):

            async def has_paused_often() -> bool:
                return len([line for line in logs if line["event"] == "dispatch paused"]) > READS + 1

            await eventually(has_paused_often)
            redis.delete(key)
            await eventually(lambda: rows_of(opened, entry))

    paused = {line["error"] for line in logs if line["event"] == "dispatch paused"}
    assert len(paused) == 1
    assert f"key {key} holds a string, and must hold a" in paused.pop()
    assert redis.zcard(opened.store.keys.aside) == 0


async def test_a_row_whose_key_is_foreign_is_in_no_other_row_s_way(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    redis.set(opened.store.keys.row("row1"), "somebody's")

    refused, row = await opened.store.ledger.claim(["row1", "row2"], "worker")

    assert isinstance(refused, Refused)
    assert refused.reason == "foreign"
    assert isinstance(row, Row)


async def test_what_can_not_be_tidied_keeps_nothing_else_from_it_and_is_said(opened: Opened, redis: Redis) -> None:
    keys = opened.store.keys
    for key in (keys.log, keys.pauses, "rq:queue:reactor"):
        redis.delete(key)
        redis.set(key, "somebody's")
    redis.zadd("rq:wip:reactor", {"gone-0:reactor": "+inf"})

    with capture_logs() as logs:
        await DuePoller(opened.store, opened.queue).tidy()

    assert redis.zcard("rq:wip:reactor") == 0
    assert [line["error"] for line in logs if line["event"] == "key faulty"] == [
        f"key {keys.log} holds a string, and must hold a stream: delete it",
        f"key {keys.pauses} holds a string, and must hold a hash: delete it",
    ]
    [warning] = [line["warning"] for line in logs if line["event"] == "queue not served"]
    assert "queue main can't be read" in warning


async def test_a_delivery_that_can_not_be_counted_is_known_all_the_same(opened: Opened, redis: Redis) -> None:
    first = await append(opened, volume("ready"))
    redis.lpush(opened.store.keys.copies("daytona", "msg_1"), "somebody's")

    again = await append(opened, volume("ready"))

    assert (again.entry, again.duplicate) == (first.entry, True)


async def test_after_an_old_backup_what_it_has_is_done_and_nothing_stops(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row("row1"))
    await append(opened, volume("ready", name="data-1"), "msg_1")
    keys: Any = redis.keys("*")
    backup = {key: (redis.dump(key), max(0, int(redis.pttl(key)))) for key in keys}  # the queue had nothing yet
    await append(opened, volume("error", name="data-1"), "msg_2")
    dispatcher = dispatcher_of(opened)
    await dispatcher.react(await opened.store.log.read("dispatcher", block=0.1))

    redis.flushall()
    for key, (dumped, lives) in backup.items():
        assert dumped is not None
        redis.restore(key, lives, dumped)
    redis.zadd(opened.store.keys.due, {"row1": 1})

    again = await opened.store.log.read("dispatcher", block=0.1)
    await dispatcher.react(again)
    assert [entry.id for entry in again] == ["msg_1"]
    assert await DuePoller(opened.store, opened.queue).sweep() == 1
    assert (await append(opened, volume("error", name="data-1"), "msg_2")).duplicate is False

    async def quiet() -> bool:
        await dispatcher.react(await opened.store.log.read("dispatcher", block=0.1))
        return await opened.store.log.oldest_unacknowledged() is None

    assert await eventually(quiet)
