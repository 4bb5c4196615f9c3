"""Jobs as people see and mend them: found by state, made due again once, cancelled for good, and looking changes nothing."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import Opened
from redis import Redis
from stage import claimed, eventually, new_row, now_ms, planned, refusal
from test_queue import keyspace

from reactor.due import DuePoller
from reactor.store.jobs import Job, Wanted
from reactor.store.keys import Keys
from reactor.store.ledger import Ending, State

pytestmark = pytest.mark.every_server

KEYS = Keys("reactor")


async def ended(opened: Opened, row: str, state: State, error: str = "because") -> None:
    await opened.store.ledger.finish(await claimed(opened, row), Ending(state, error=error))


async def job(opened: Opened, id: str = "row1") -> Job:
    found = await opened.store.jobs.get(id)
    assert found
    return found


async def one_dead(opened: Opened, state: State = "dead") -> Job:
    await planned(opened)
    await ended(opened, "row1", state)
    return await job(opened)


async def in_every_state(opened: Opened) -> None:
    states: tuple[State, ...] = ("dead", "unknown", "done")
    await planned(opened, *(new_row(state) for state in (*states, "due", "running", "cancelled")))
    for state in states:
        await ended(opened, state, state)
    await claimed(opened, "running")
    await opened.store.jobs.cancel((await job(opened, "cancelled")).row, "me")


async def ids(opened: Opened, **wanted: Any) -> list[str]:
    return [job.row.id for job in await opened.store.jobs.find(Wanted(**wanted))]


async def test_jobs_are_found_by_state(opened: Opened) -> None:
    await in_every_state(opened)

    assert {state: await ids(opened, states=(state,)) for state in ("dead", "unknown", "due", "running")} == {
        state: [state] for state in ("dead", "unknown", "due", "running")
    }
    assert set(await ids(opened)) == {"dead", "unknown", "due", "running"}


async def test_jobs_are_found_by_rule_api_and_time(opened: Opened) -> None:
    await planned(opened, new_row("one", api="daytona"), new_row("two", api="runloop"))

    assert await ids(opened, api="runloop") == ["two"]
    assert await ids(opened, rule="another") == []
    assert len(await ids(opened, rule="a-rule", since=now_ms() - 60_000)) == 2
    assert await ids(opened, since=now_ms() + 60_000) == []


async def test_more_jobs_than_a_page_are_all_found(opened: Opened) -> None:
    await planned(opened, *(new_row(f"row{number}") for number in range(450)))

    assert len(await opened.store.jobs.find(Wanted(), count=1000)) == 450
    assert len(await opened.store.jobs.find(Wanted(), count=10)) == 10


async def test_a_row_that_nobody_can_read_is_shown_all_the_same(opened: Opened, redis: Redis) -> None:
    dead = await one_dead(opened)
    redis.hset(KEYS.row(dead.row.id), mapping={"what": "{", "attempts": "many"})

    [found] = await opened.store.jobs.find(Wanted(("dead",)))

    assert (found.row.id, found.row.state, found.row.error, found.row.attempts) == ("row1", "dead", "because", 0)


@pytest.mark.parametrize("state", ["dead", "unknown"])
async def test_a_job_that_is_retried_is_due_with_all_its_attempts(opened: Opened, redis: Redis, state: State) -> None:
    before = await one_dead(opened, state)

    answer = await opened.store.jobs.redrive(before.row, "me")

    after = await job(opened)
    assert answer == after.row.state == "due"
    assert after.row.attempts == 0
    assert after.row.fence > before.row.fence
    assert after.row.ended is None
    assert redis.ttl(KEYS.row("row1")) == -1, "a row that is not finished is kept for ever"
    assert redis.zcard(KEYS.finished(state)) == 0
    [note] = after.row.audit
    assert {name: note[name] for name in ("by", "did", "was", "error")} == {
        "by": "me",
        "did": "retry",
        "was": state,
        "error": "because",
    }
    assert abs(note["at"] - now_ms()) < 60_000


async def test_a_job_that_is_retried_is_performed_again(opened: Opened) -> None:
    dead = await one_dead(opened)
    await opened.store.jobs.redrive(dead.row, "me")

    async def swept() -> int:
        return await DuePoller(opened.store, opened.queue).sweep()

    assert await eventually(swept) == 1
    [popped] = await opened.queue.pop("worker", 10)
    assert popped.ticket
    assert (await claimed(opened, popped.ticket.row)).attempts == 1


async def test_of_many_who_retry_one_job_one_does(opened: Opened) -> None:
    dead = await one_dead(opened)

    answers = await asyncio.gather(*(opened.store.jobs.redrive(dead.row, f"{n}") for n in range(20)))

    assert answers == ["due"] * 20  # to the others it says how it is
    assert len((await job(opened)).row.audit) == 1


async def test_a_job_that_died_again_is_not_retried_by_who_saw_it_before(opened: Opened) -> None:
    seen = await one_dead(opened)
    await opened.store.jobs.redrive(seen.row, "me")
    await ended(opened, "row1", "dead", "again")

    answer = await opened.store.jobs.redrive(seen.row, "me")

    assert answer == "dead"
    assert len((await job(opened)).row.audit) == 1


@pytest.mark.parametrize("state", ["done", "due", "running", "cancelled"])
async def test_only_what_waits_for_a_person_is_retried(opened: Opened, redis: Redis, state: str) -> None:
    await in_every_state(opened)
    before = dumped(redis)

    answer = await opened.store.jobs.redrive((await job(opened, state)).row, "me")

    assert answer == state
    assert dumped(redis) == before


@pytest.mark.parametrize("state", ["due", "running", "dead", "unknown"])
async def test_a_job_that_is_cancelled_is_performed_no_more(opened: Opened, redis: Redis, state: str) -> None:
    await in_every_state(opened)

    answer = await opened.store.jobs.cancel((await job(opened, state)).row, "me")

    after = await job(opened, state)
    assert (answer, after.row.state, after.due) == ("cancelled", "cancelled", None)
    assert after.row.ended
    assert redis.zscore(KEYS.finished(state), state) is None
    assert redis.ttl(KEYS.row(state)) > 0
    assert await refusal(opened, state) == "finished"
    assert after.row.audit[-1]["was"] == state


async def test_who_performs_a_cancelled_job_finds_out_before_he_writes(opened: Opened) -> None:
    await planned(opened)
    held = await claimed(opened)

    await opened.store.jobs.cancel(held, "me")

    assert not await opened.store.ledger.renew(held)
    assert not await opened.store.ledger.finish(held, Ending("done"))
    assert (await job(opened)).row.state == "cancelled"


async def test_done_is_final(opened: Opened, redis: Redis) -> None:
    await in_every_state(opened)
    done = await job(opened, "done")
    before = dumped(redis)

    assert await opened.store.jobs.cancel(done.row, "me") == "done"
    assert await opened.store.jobs.redrive(done.row, "me") == "done"
    assert dumped(redis) == before


async def test_a_job_that_is_gone_is_said_to_be(opened: Opened, redis: Redis) -> None:
    dead = await one_dead(opened)
    redis.delete(KEYS.row("row1"))

    assert await opened.store.jobs.redrive(dead.row, "me") == await opened.store.jobs.cancel(dead.row, "me") == ""


async def test_looking_at_jobs_changes_no_key(opened: Opened, redis: Redis) -> None:
    await in_every_state(opened)
    before = keyspace(redis)

    await opened.store.jobs.find(Wanted())
    await opened.store.brakes.closed_gates("daytona", "createSandbox")

    assert keyspace(redis) == before


def dumped(redis: Redis) -> Mapping[bytes, Any]:
    """Every key with its value, without the times they live."""
    return {key: redis.dump(key) for key in redis.scan_iter("*")}
