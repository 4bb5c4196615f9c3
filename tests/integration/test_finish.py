"""How an attempt ends: once, by the holder of the fence, also when the reply was lost."""

from typing import Any

import pytest
from conftest import Opened
from redis import Redis
from stage import claimed, eventually, expired, new_row, now_ms, planned

from reactor.store.keys import Keys
from reactor.store.ledger import Ending, Row

pytestmark = pytest.mark.every_server

KEYS = Keys("reactor")


async def stored(opened: Opened, row: str = "row1") -> Row:
    found = await opened.store.ledger.get(row)
    assert found is not None
    return found


async def test_a_done_row_has_its_result_and_is_due_no_more(opened: Opened) -> None:
    await planned(opened)

    finished = await opened.store.ledger.finish(await claimed(opened), Ending("done", result={"how": "created"}))

    row = await stored(opened)
    assert finished
    assert (row.state, row.result, row.error) == ("done", {"how": "created"}, None)
    assert row.ended is not None
    assert await opened.store.due.length() == 0


@pytest.mark.parametrize("state", ["dead", "unknown"])
async def test_a_row_that_needs_a_person_is_listed_with_its_reason(opened: Opened, redis: Redis, state: str) -> None:
    await planned(opened)

    await opened.store.ledger.finish(await claimed(opened), Ending(state, error="because"))  # type: ignore[arg-type]

    assert redis.zrange(KEYS.finished(state), 0, -1) == [b"row1"]
    assert (await stored(opened)).error == "because"


async def test_a_finished_row_is_kept_for_twice_the_dedup_window(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    assert redis.ttl(KEYS.row("row1")) == -1, "a row that is not finished is kept for ever"

    await opened.store.ledger.finish(await claimed(opened), Ending("done"))

    assert 27.9 * 86400 < redis.ttl(KEYS.row("row1")) <= 28 * 86400


async def test_the_end_of_an_old_fence_counts_for_nothing(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    old = await claimed(opened)
    new = await expired(opened)

    assert not await opened.store.ledger.finish(old, Ending("dead", error="too late"))
    assert (await stored(opened)).state == "running"
    assert await opened.store.ledger.finish(new, Ending("done"))
    assert not await opened.store.ledger.finish(old, Ending("dead", error="too late"))
    assert (await stored(opened)).state == "done"
    assert redis.hgetall(KEYS.count)[b"attempts_done"] == b"1"
    assert b"attempts_dead" not in redis.hgetall(KEYS.count)


async def test_an_end_whose_reply_was_lost_can_be_told_again(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    row = await claimed(opened)
    await opened.store.ledger.finish(row, Ending("done"))

    assert await opened.store.ledger.finish(row, Ending("done"))
    assert redis.hgetall(KEYS.count)[b"attempts_done"] == b"1"


async def test_a_finished_row_takes_no_other_end(opened: Opened) -> None:
    await planned(opened)
    row = await claimed(opened)
    await opened.store.ledger.finish(row, Ending("done"))

    assert not await opened.store.ledger.finish(row, Ending("dead"))
    assert not await opened.store.ledger.finish(row, Ending("due"))
    assert (await stored(opened)).state == "done"


async def test_who_was_slow_may_still_end_a_row_that_nobody_else_took(opened: Opened) -> None:
    await planned(opened)
    row = await claimed(opened)
    await eventually(lambda: _swept(opened))

    assert await opened.store.ledger.finish(row, Ending("done"))


async def _swept(opened: Opened) -> Any:
    return await opened.store.due.sweep(opened.queue.key)


@pytest.mark.parametrize(("spent", "attempts"), [(True, 2), (False, 1)])
async def test_a_retry_keeps_its_attempts_or_gives_one_back(opened: Opened, spent: bool, attempts: int) -> None:
    await planned(opened)

    await opened.store.ledger.finish(await claimed(opened), Ending("due", error="busy", spent=spent))

    assert (await stored(opened)).error == "busy"
    assert (await claimed(opened)).attempts == attempts


async def test_a_retry_is_due_after_its_delay(opened: Opened) -> None:
    await planned(opened)

    await opened.store.ledger.finish(await claimed(opened), Ending("due", delay=60))

    due = await opened.store.due.next()
    assert due is not None
    assert 58_000 < due - now_ms() < 62_000


async def test_the_time_from_an_event_to_its_end_is_counted(opened: Opened, redis: Redis) -> None:
    await planned(opened, new_row(), entry=f"{now_ms() - 2000}-0")

    await opened.store.ledger.finish(await claimed(opened), Ending("done"))

    counts = redis.hgetall(KEYS.count)
    assert counts[b"event_done_2500"] == b"1"
    assert 2000 <= int(counts[b"event_done_sum"]) < 2500
