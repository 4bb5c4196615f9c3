"""The brakes: what is paused is received and decided and not done, and goes on when resumed; budgets bound creates."""

import asyncio

import pytest
from at_work import at_work
from conftest import Opened
from redis import Redis
from stage import claimed, eventually, new_row, planned, refusal
from test_jobs import job
from test_queue import keyspace

from reactor.due import DuePoller
from reactor.store.brakes import Scope
from reactor.store.keys import Keys
from reactor.store.ledger import Refused, Row
from reactor.store.plans import NewRow

KEYS = Keys("reactor")
EVERYTHING, DAYTONA, RULE = Scope(), Scope("api", "daytona"), Scope("rule", "a-rule")


async def pause(opened: Opened, scope: Scope = EVERYTHING, seconds: float | None = None) -> None:
    await opened.store.brakes.pause(scope, by="kim", reason="an incident", seconds=seconds)


async def due_at_once(opened: Opened) -> int:
    return await DuePoller(opened.store, opened.queue).sweep()


@pytest.mark.parametrize("scope", [EVERYTHING, DAYTONA, RULE], ids=str)
async def test_a_paused_row_stays_due_and_spends_no_attempt(opened: Opened, scope: Scope) -> None:
    await planned(opened)
    await pause(opened, scope)

    [refused] = await opened.store.ledger.claim(["row1"], "worker")

    assert refused == Refused("paused", str(scope))
    row = (await job(opened)).row
    assert (row.state, row.attempts, row.fence) == ("due", 0, 0)


@pytest.mark.parametrize("scope", [Scope("api", "runloop"), Scope("rule", "another")], ids=str)
async def test_what_is_not_paused_goes_on(opened: Opened, scope: Scope) -> None:
    await planned(opened)
    await pause(opened, scope)

    assert (await claimed(opened)).attempts == 1


async def test_the_moves_of_runs_are_paused_with_their_api(opened: Opened) -> None:
    await planned(opened, NewRow("move", "", "step", "daytona", {"run": "r", "generation": 1}))
    await pause(opened, DAYTONA)

    assert await refusal(opened, "move") == "paused"


@pytest.mark.parametrize("scope", [EVERYTHING, DAYTONA], ids=str)
async def test_a_run_stops_as_a_whole_and_goes_on_where_it_was(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    """Its volume is ready while it is paused; that wakes it, and it calls nothing until it is resumed."""
    async with at_work(opened, monkeypatch, time_scale=0.3) as reactor:
        await reactor.provision()
        await reactor.waiting()
        await pause(opened, scope)
        await eventually(lambda: holds_a_move(opened))
        before = await reactor.emulator.calls()
        sandboxes, run = await reactor.made("sandboxes"), await reactor.stored()

        await opened.store.brakes.resume(scope)
        after = await reactor.ended()

        assert (run.status, sandboxes) == ("running", [])
        assert (before.get("createVolume"), before.get("createSandbox")) == (1, None)
        assert (after.status, after.because) == ("succeeded", "every step is done")
        assert (await reactor.count("createVolume"), await reactor.count("createSandbox")) == (1, 1)


async def test_a_pause_of_a_rule_stops_no_run(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that the rule has started: the moves of a run are of no rule."""
    async with at_work(opened, monkeypatch) as reactor:
        await pause(opened, RULE)
        await reactor.provision()

        assert (await reactor.ended()).status == "succeeded"
        assert {row["rule"] for row in await reactor.rows_of("run-1")} == {""}


async def holds_a_move(opened: Opened) -> bool:
    return [paused.held for paused in await opened.store.brakes.pauses()] == [1]


@pytest.mark.parametrize("scope", [EVERYTHING, DAYTONA, RULE], ids=str)
async def test_what_was_held_is_due_as_soon_as_it_is_resumed(opened: Opened, scope: Scope) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(20)))
    await pause(opened, scope)
    await opened.store.ledger.claim([f"row{number}" for number in range(20)], "worker")
    assert await due_at_once(opened) == 0

    resumed = await opened.store.brakes.resume(scope)

    assert resumed
    assert await due_at_once(opened) == 20
    assert (await claimed(opened, "row7")).attempts == 1


async def test_a_pause_ends_by_itself(opened: Opened) -> None:
    await planned(opened)
    await pause(opened, seconds=0.5)
    assert await refusal(opened) == "paused"

    async def goes_on() -> bool:
        [claim] = await opened.store.ledger.claim(["row1"], "worker")
        return isinstance(claim, Row)

    assert await eventually(goes_on)
    assert await opened.store.brakes.pauses() == []


async def test_a_shorter_pause_in_place_of_a_longer_one_lets_go_in_time(opened: Opened) -> None:
    await planned(opened)
    await pause(opened)
    assert await refusal(opened) == "paused"

    await pause(opened, seconds=0.3)

    async def goes_on() -> bool:
        await due_at_once(opened)
        [claim] = await opened.store.ledger.claim(["row1"], "worker")
        return isinstance(claim, Row)

    assert await eventually(goes_on)


async def test_a_row_that_two_pauses_hold_waits_for_both(opened: Opened) -> None:
    await planned(opened)
    await pause(opened)
    await pause(opened, RULE)
    assert await refusal(opened) == "paused"

    await opened.store.brakes.resume(EVERYTHING)
    await due_at_once(opened)
    still = await refusal(opened)
    await opened.store.brakes.resume(RULE)
    await due_at_once(opened)

    assert still == "paused"
    assert (await claimed(opened)).attempts == 1


async def test_a_row_that_was_cancelled_while_paused_stays_so(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await pause(opened)
    await refusal(opened)
    await opened.store.jobs.cancel((await job(opened)).row, "kim")

    await opened.store.brakes.resume(EVERYTHING)

    assert await opened.store.due.length() == 0
    assert redis.exists(KEYS.held("all")) == 0


async def test_what_is_paused_is_told(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await pause(opened)
    await pause(opened, DAYTONA, seconds=3600)
    await refusal(opened)
    before = keyspace(redis)

    everything, daytona = await opened.store.brakes.pauses()

    assert (everything.scope, everything.by, everything.reason, everything.until) == (
        EVERYTHING,
        "kim",
        "an incident",
        None,
    )
    assert (everything.held, daytona.held) == (1, 0)
    assert daytona.until
    assert 3590_000 < daytona.until - daytona.at <= 3600_000
    assert keyspace(redis) == before


async def test_resuming_what_is_not_paused_says_so(opened: Opened, redis: Redis) -> None:
    assert not await opened.store.brakes.resume(DAYTONA)
    assert redis.keys("reactor:pauses") == redis.keys("reactor:held:*") == []


async def test_many_held_rows_are_let_go_in_pieces(opened: Opened) -> None:
    rows = [f"row{number}" for number in range(1200)]
    await planned(opened, *(new_row(row) for row in rows))
    await pause(opened)
    await opened.store.ledger.claim(rows, "worker")

    await opened.store.brakes.resume(EVERYTHING)

    assert len(await opened.store.due.sweep("nowhere", count=5000)) == 1200


async def test_no_more_creates_than_the_budget_go_within_its_minute(opened: Opened, redis: Redis) -> None:
    waits = await asyncio.gather(*(opened.store.brakes.spend("daytona", 10) for _ in range(25)))

    assert sorted(waits)[:10] == [0] * 10
    assert all(0 < wait <= 60 for wait in sorted(waits)[10:])
    assert await opened.store.brakes.spend("runloop", 10) == 0
    counts = redis.hgetall(KEYS.count)
    assert (counts[b"creates:daytona"], counts[b"creates_refused:daytona"]) == (b"10", b"15")


async def test_the_budget_is_renewed(opened: Opened, redis: Redis) -> None:
    await opened.store.brakes.spend("daytona", 1)
    assert await opened.store.brakes.spend("daytona", 1) > 0
    redis.pexpire(KEYS.budget("daytona"), 1)

    async def may_go() -> bool:
        return await opened.store.brakes.spend("daytona", 1) == 0

    assert await eventually(may_go)
