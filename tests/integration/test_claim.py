"""Leases, fences, notes and the lock on a name: at most one holder at a time."""

import asyncio

import pytest
from conftest import Opened
from redis import Redis
from stage import claimed, expired, new_row, now_ms, planned, refusal

from reactor.store.keys import Keys
from reactor.store.ledger import Ending, Ledger, Refused, Row

pytestmark = pytest.mark.every_server

KEYS = Keys("reactor")


async def test_of_many_who_claim_a_row_at_once_one_gets_it(opened: Opened) -> None:
    await planned(opened)

    claims = await asyncio.gather(*(opened.store.ledger.claim(["row1"], f"worker-{n}") for n in range(20)))

    assert sum(isinstance(claim, Row) for [claim] in claims) == 1
    assert {claim.reason for [claim] in claims if not isinstance(claim, Row)} == {"leased"}


async def test_fences_and_attempts_rise_with_every_claim(opened: Opened) -> None:
    await planned(opened)

    first = await claimed(opened)
    second = await expired(opened)

    assert [(row.fence, row.attempts) for row in (first, second)] == [(1, 1), (2, 2)]


async def test_a_row_that_does_not_exist_can_not_be_claimed(opened: Opened) -> None:
    assert await refusal(opened, "nobody") == "missing"


@pytest.mark.parametrize("state", ["done", "dead", "unknown"])
async def test_a_finished_row_can_not_be_claimed(opened: Opened, state: str) -> None:
    await planned(opened)
    await opened.store.ledger.finish(await claimed(opened), Ending(state))  # type: ignore[arg-type]

    assert await refusal(opened) == "finished"


async def test_a_retried_row_can_not_be_claimed_before_its_time(opened: Opened) -> None:
    await planned(opened)
    await opened.store.ledger.finish(await claimed(opened), Ending("due", delay=0.2))

    assert await refusal(opened) == "early"
    assert (await expired(opened)).fence == 2


async def test_the_gate_of_an_operation_holds_up_its_rows_only(opened: Opened) -> None:
    await planned(opened, new_row("row1", operation="createSandbox"), new_row("row2", operation="getSandbox"))
    await opened.store.brakes.close_gate("daytona", "429", 5.0, operation="createSandbox")

    assert await refusal(opened, "row1") == "gated"
    await claimed(opened, "row2")


async def test_rows_of_a_closed_gate_wait_until_it_opens(opened: Opened) -> None:
    await planned(opened, new_row("row1", api="daytona"), new_row("row2", api="runloop"))
    await opened.store.brakes.close_gate("daytona", "429", 0.2)

    assert await refusal(opened, "row1") == "gated"
    assert await refusal(opened, "row2") == ""
    assert (await expired(opened)).attempts == 1


async def test_a_renewed_lease_lasts_as_long_as_it_is_renewed(opened: Opened) -> None:
    await planned(opened)
    row = await claimed(opened)
    end = now_ms() + 1500

    while now_ms() < end:
        assert await opened.store.ledger.renew(row)
        assert await refusal(opened) == "leased"
        await asyncio.sleep(0.1)


async def test_who_lost_a_lease_can_neither_renew_nor_note_nor_lock(opened: Opened) -> None:
    await planned(opened)
    old = await claimed(opened)
    new = await expired(opened)

    assert not await opened.store.ledger.renew(old, absent_at="2026-11-22T00:00:00+00:00")
    assert await opened.store.ledger.lock(old, "create:x") == (-1, "")
    assert await opened.store.ledger.lock(new, "create:x") == (1, "")


async def test_a_lock_has_one_holder(opened: Opened) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    first, second = await claimed(opened, "row1"), await claimed(opened, "row2")

    assert await opened.store.ledger.lock(first, "create:x") == (1, "")
    assert await opened.store.ledger.lock(second, "create:x") == (0, "row1")
    assert await opened.store.ledger.lock(first, "create:x") == (1, "")


async def test_a_lock_is_kept_over_retries_with_what_was_noted_under_it(opened: Opened) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    first = await claimed(opened, "row1")
    await opened.store.ledger.lock(first, "create:x")
    await opened.store.ledger.renew(first, absent_at="2026-11-22T00:00:00+00:00")

    await opened.store.ledger.finish(first, Ending("due"))

    assert await opened.store.ledger.lock(await claimed(opened, "row2"), "create:x") == (0, "row1")
    assert await opened.store.ledger.lock(await claimed(opened, "row1"), "create:x") == (1, "2026-11-22T00:00:00+00:00")


@pytest.mark.parametrize("state", ["done", "dead", "unknown"])
async def test_a_lock_is_free_once_its_holder_has_ended(opened: Opened, state: str) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    first = await claimed(opened, "row1")
    await opened.store.ledger.lock(first, "create:x")

    await opened.store.ledger.finish(first, Ending(state))  # type: ignore[arg-type]

    assert await opened.store.ledger.lock(await claimed(opened, "row2"), "create:x") == (1, "")


async def test_what_was_seen_absent_does_not_count_once_the_lock_has_lapsed(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    row = await claimed(opened)
    await opened.store.ledger.lock(row, "create:x")
    await opened.store.ledger.renew(row, absent_at="2026-11-22T00:00:00+00:00")

    redis.delete(KEYS.lock("create:x"))

    assert await opened.store.ledger.lock(row, "create:x") == (1, "")


async def test_a_lock_outlives_the_lease_by_a_margin_and_is_renewed_with_it(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    row = await claimed(opened)
    await opened.store.ledger.lock(row, "create:x")
    redis.pexpire(KEYS.lock("create:x"), 5000)

    await opened.store.ledger.renew(row)

    assert 600_000 < redis.pttl(KEYS.lock("create:x")) <= 601_000


async def test_a_lock_that_lapsed_and_went_to_another_is_not_freed_by_its_old_holder(opened: Opened) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    first, second = await claimed(opened, "row1"), await claimed(opened, "row2")
    await opened.store.ledger.lock(first, "create:x")
    await opened.store.redis.delete(KEYS.lock("create:x"))
    await opened.store.ledger.lock(second, "create:x")

    await opened.store.ledger.finish(first, Ending("done"))

    assert await opened.store.redis.get(KEYS.lock("create:x")) == b"row2"


async def test_many_rows_are_claimed_in_one_round_trip_each_with_its_own_answer(opened: Opened) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    await claimed(opened, "row2")

    one, two, three = await opened.store.ledger.claim(["row1", "row2", "row3"], "worker")

    assert isinstance(one, Row)
    assert [claim.reason for claim in (two, three) if not isinstance(claim, Row)] == ["leased", "missing"]


async def test_another_instance_has_other_rows(opened: Opened) -> None:
    await planned(opened)
    elsewhere = Ledger(opened.store.redis, Keys("other"), lease=1, dedup_window=60, sweep_after=1)

    [claim] = await elsewhere.claim(["row1"], "worker")

    assert not isinstance(claim, Row)
    assert claim.reason == "missing"


@pytest.mark.parametrize("field", ["entry", "what", "fence", "api", "operation", "enqueued", "lease"])
async def test_a_row_that_lost_a_field_stops_nobody(opened: Opened, redis: Redis, field: str) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))
    redis.hdel(opened.store.keys.row("row1"), field)

    broken, sound = await opened.store.ledger.claim(["row1", "row2"], "worker")

    assert isinstance(sound, Row)
    if isinstance(broken, Refused):
        assert broken.reason == "malformed"
        assert redis.hget(opened.store.keys.row("row1"), "state") == b"dead"
        assert redis.zscore(opened.store.keys.finished("dead"), "row1") is not None
