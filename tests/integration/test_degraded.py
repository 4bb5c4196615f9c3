"""Servers that are not as they were left: keys of another type, and data restored from an old backup."""

from typing import Any

import pytest
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, eventually, new_row, planned, volume

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.errors import StoreUnavailable
from reactor.reload import Live
from reactor.store.figures import read_figures

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
