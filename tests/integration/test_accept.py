"""A delivery enters the event log once, whoever repeats it, and many share one round trip."""

import asyncio
from typing import Any

import pytest
from conftest import Opened
from redis import Redis
from stage import append, event, eventually, now_ms, volume

from reactor.store.keys import Keys
from reactor.store.log import EventLog

pytestmark = pytest.mark.every_server


async def test_a_hundred_concurrent_copies_of_a_delivery_make_one_entry(opened: Opened) -> None:
    payload = volume("ready")

    appended = await asyncio.gather(*(append(opened, payload) for _ in range(100)))

    assert await opened.store.log.length() == 1
    assert {one.entry for one in appended} == {(await opened.store.log.entries())[0].entry}
    assert sorted(one.duplicate for one in appended) == [False] + [True] * 99


async def test_the_same_id_from_another_source_is_another_event(opened: Opened) -> None:
    first = await append(opened, volume("ready"), "msg_1", "daytona")
    second = await append(opened, volume("ready"), "msg_1", "elsewhere")

    assert (first.duplicate, second.duplicate) == (False, False)
    assert [entry.source for entry in await opened.store.log.entries()] == ["daytona", "elsewhere"]


async def test_what_is_logged_is_what_was_delivered_byte_by_byte(opened: Opened) -> None:
    payload = volume("ready", name="zürich \x1b[31m <script>\u202e")

    await append(opened, payload)

    [entry] = await opened.store.log.entries()
    told, body = event(payload)
    assert (entry.source, entry.id, entry.organization, entry.body) == ("daytona", "msg_1", told.organization, body)
    assert abs(entry.accepted - now_ms()) < 60_000


async def test_an_id_is_forgotten_after_the_dedup_window(opened: Opened) -> None:
    log = EventLog(opened.store.redis, Keys("short"), dedup_window=0.05)
    first = await log.append(*event(volume("ready")))

    async def is_new() -> bool:
        return not (await log.append(*event(volume("ready")))).duplicate

    assert not first.duplicate
    await eventually(is_new)
    assert await log.length() == 2


async def test_concurrent_deliveries_share_round_trips(opened: Opened, redis: Redis) -> None:
    await append(opened, volume("ready"), "first")
    before = _reads(redis)

    await asyncio.gather(*(append(opened, volume("ready"), f"msg_{number}") for number in range(200)))

    assert await opened.store.log.length() == 201
    assert _reads(redis) - before < 60, "a client's commands in one pipeline come in a few reads of its socket"


def _reads(redis: Redis) -> int:
    statistics: Any = redis.info("stats")
    return int(statistics["total_reads_processed"])


async def test_a_delivery_whose_sender_went_away_is_stored_and_holds_up_no_other(opened: Opened) -> None:
    gone = asyncio.create_task(append(opened, volume("ready"), "gone"))
    stays = asyncio.create_task(append(opened, volume("ready"), "stays"))
    await asyncio.sleep(0)

    gone.cancel()

    assert not (await stays).duplicate
    assert [entry.id for entry in await opened.store.log.entries()] == ["gone", "stays"]
