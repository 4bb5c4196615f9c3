"""A worker takes rows from the queue to their end, whatever happens on the way."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from conftest import LOOPBACK, Opened
from redis import Redis
from stage import claimed, context_of, ended, eventually, new_row, now_ms, planned, said, working
from structlog.testing import capture_logs
from structlog.typing import EventDict

from reactor.apis.client import ApiClient
from reactor.errors import StoreUnavailable
from reactor.handlers.context import Context, LeaseLost
from reactor.handlers.table import HANDLERS
from reactor.queue import JobQueue, Ticket
from reactor.settings import Settings
from reactor.store.ledger import Ending, Row
from reactor.store.store import Store
from reactor.worker import Worker, attempt


class Acts:
    """Handlers for tests, by what they do; they count their calls and wait until they are let go."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.go = asyncio.Event()

    async def succeed(self, row: Row, _: Context) -> Ending:
        self.calls.append(row.id)
        return Ending("done", result={"how": "tested"})

    async def hold(self, row: Row, _: Context) -> Ending:
        self.calls.append(row.id)
        await self.go.wait()
        return Ending("done")

    async def stumble(self, row: Row, _: Context) -> Ending:
        self.calls.append(row.id)
        return Ending("due", error="not yet") if row.attempts < 3 else Ending("done")

    async def break_down(self, row: Row, _: Context) -> Ending:
        self.calls.append(row.id)
        raise ZeroDivisionError("a bug")

    async def be_cut_off(self, row: Row, _: Context) -> Ending:
        raise StoreUnavailable("gone")

    async def lose(self, row: Row, _: Context) -> Ending:
        self.calls.append(row.id)
        raise LeaseLost("gone")


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    acts = Acts()
    for name in ("succeed", "hold", "stumble", "break_down", "be_cut_off", "lose"):
        monkeypatch.setitem(HANDLERS, name, getattr(acts, name))
    return acts


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


async def enqueued(opened: Opened, action: str, *ids: str) -> None:
    ids = ids or ("row1",)
    await planned(opened, *(new_row(id, action=action) for id in ids))
    await opened.queue.enqueue([Ticket(id) for id in ids])


async def has_called(acts: Acts, times: int = 1) -> bool:
    return len(acts.calls) >= times


async def test_a_job_is_performed_once_and_leaves_no_trace_in_rq(opened: Opened, redis: Redis, acts: Acts) -> None:
    async with working(opened):
        await enqueued(opened, "succeed")
        row = await ended(opened)

    assert (row.state, row.result, row.attempts) == ("done", {"how": "tested"}, 1)
    assert acts.calls == ["row1"]
    assert redis.keys("rq:job:*") == []
    assert redis.keys("rq:wip:*") == []


async def test_a_hundred_jobs_are_performed_at_once(opened: Opened, acts: Acts) -> None:
    settings = opened.settings.model_copy(update={"lease": 30.0})  # no lease runs out where the machine is slow
    patient = Opened(settings, Store(settings, blocking=2.0), opened.queue)
    async with working(patient):
        await enqueued(patient, "hold", *(f"row{number}" for number in range(100)))
        await eventually(lambda: has_called(acts, 100))
        acts.go.set()
        for number in range(100):
            assert (await ended(patient, f"row{number}")).attempts == 1
    await patient.store.close()


class Slow(JobQueue):
    """A queue whose server takes its time to forget a job."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings.redis_url, settings.instance, store.redis)
        self.go = asyncio.Event()

    async def remove(self, job_ids: Sequence[str], queue: str = "") -> None:
        if job_ids:
            await self.go.wait()
        await super().remove(job_ids, queue)


async def test_a_job_whose_end_is_written_down_has_no_lease_to_lose(
    opened: Opened, redis: Redis, acts: Acts, logs: list[EventDict]
) -> None:
    """It was stopped once before its row's successor was enqueued and RQ's job of it forgotten."""
    queue, leases = Slow(opened.settings, opened.store), set()

    async def renewed_thrice() -> bool:
        leases.add(redis.hget(opened.store.keys.row("row2"), "lease"))
        return len(leases) > 4

    async with working(Opened(opened.settings, opened.store, queue)) as worker:
        await enqueued(opened, "succeed", "row1")
        await enqueued(opened, "hold", "row2")
        await ended(opened, "row1")
        await eventually(renewed_thrice)
        queue.go.set()
        acts.go.set()
        await ended(opened, "row2")

    assert worker.tally.done == 2
    assert not await said(logs, "job stopped")
    assert await queue.taken() == []
    queue.close()


async def test_no_more_jobs_than_allowed_are_performed_at_once(opened: Opened, acts: Acts) -> None:
    settings = opened.settings.model_copy(update={"concurrency": 3})
    async with working(opened, settings) as worker:
        await enqueued(opened, "hold", *(f"row{number}" for number in range(8)))
        await eventually(lambda: has_called(acts, 3))
        assert (len(worker.running), await opened.queue.length()) == (3, 5)
        acts.go.set()
        for number in range(8):
            await ended(opened, f"row{number}")


async def test_a_job_that_stumbles_is_tried_again(opened: Opened, acts: Acts) -> None:
    async with working(opened):
        await enqueued(opened, "stumble")
        row = await ended(opened)

    assert (row.state, row.attempts, row.fence) == ("done", 3, 3)


async def test_a_bug_in_a_handler_ends_its_job_with_the_reason_and_no_other(
    opened: Opened, acts: Acts, logs: list[EventDict]
) -> None:
    async with working(opened):
        await enqueued(opened, "break_down", "row1")
        await enqueued(opened, "succeed", "row2")
        broken, good = await ended(opened, "row1"), await ended(opened, "row2")

    assert (broken.state, broken.error) == ("dead", "a fault in the reactor: ZeroDivisionError: a bug")
    assert good.state == "done"
    assert await said(logs, "job faulty", job="row1")


async def test_an_action_nobody_can_perform_is_dead_with_the_reason(opened: Opened) -> None:
    async with working(opened):
        await enqueued(opened, "teleport")
        row = await ended(opened)

    assert row.state == "dead"
    assert row.error is not None
    assert "no handler for action 'teleport'" in row.error


async def test_a_job_that_ended_all_its_workers_is_dead(opened: Opened, redis: Redis, acts: Acts) -> None:
    await enqueued(opened, "succeed")
    redis.hset(opened.store.keys.row("row1"), "attempts", opened.settings.attempts)

    async with working(opened):
        row = await ended(opened)

    assert (row.state, acts.calls) == ("dead", [])
    assert row.error == "8 attempts ended with their worker; see the workers' logs"


async def test_a_lease_is_renewed_while_its_job_is_performed(opened: Opened, acts: Acts) -> None:
    async with working(opened):
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))
        end = time.monotonic() + 2.5 * opened.settings.lease
        while time.monotonic() < end:
            [claim] = await opened.store.ledger.claim(["row1"], "rival")
            assert not isinstance(claim, Row)
            await asyncio.sleep(0.05)
        acts.go.set()
        row = await ended(opened)

    assert (row.fence, acts.calls) == (1, ["row1"])


async def test_a_job_whose_lease_is_lost_is_stopped(
    opened: Opened, redis: Redis, acts: Acts, logs: list[EventDict]
) -> None:
    async with working(opened) as worker:
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))
        redis.hincrby(opened.store.keys.row("row1"), "fence", 1)

        await eventually(lambda: said(logs, "job stopped", job="row1"))
        await eventually(lambda: idle(worker))

    found = await opened.store.ledger.get("row1")
    assert found is not None
    assert found.state == "running"


async def test_a_job_whose_lease_ran_out_while_redis_did_not_answer_is_stopped(
    opened: Opened, redis: Redis, acts: Acts, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    renew_each = opened.store.ledger.renew_each

    async def hang(_: Sequence[Row]) -> list[bool]:
        monkeypatch.setattr(opened.store.ledger, "renew_each", renew_each)  # once
        redis.hset(opened.store.keys.row("row1"), "lease", now_ms() + 60_000)  # nobody else takes the row
        await asyncio.sleep(1.2 * opened.settings.lease)
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(opened.store.ledger, "renew_each", hang)
    async with working(opened):
        await enqueued(opened, "hold")
        await eventually(lambda: said(logs, "job stopped", job="row1"))


async def idle(worker: Worker) -> bool:
    return not worker.running


async def test_a_handler_that_finds_its_lease_lost_ends_nothing(
    opened: Opened, acts: Acts, logs: list[EventDict]
) -> None:
    async with working(opened):
        await enqueued(opened, "lose")
        await eventually(lambda: said(logs, "job lost", job="row1"))

    found = await opened.store.ledger.get("row1")
    assert found is not None
    assert found.state == "running"


async def test_a_row_claimed_again_by_the_same_worker_is_renewed_though_its_old_task_ends(
    opened: Opened, redis: Redis, acts: Acts
) -> None:
    async with working(opened) as worker:
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))
        [old] = worker.running
        redis.hset(opened.store.keys.row("row1"), "lease", 1)
        await opened.queue.enqueue([Ticket("row1", 7)])
        await eventually(lambda: has_called(acts, 2))
        assert old.task is not None
        old.task.cancel()

        await eventually(lambda: has_one(worker))
        acts.go.set()
        assert (await ended(opened)).fence == 2


async def has_one(worker: Worker) -> bool:
    return len(worker.running) == 1


async def test_a_stopped_worker_finishes_what_it_has_in_hand(opened: Opened, acts: Acts, logs: list[EventDict]) -> None:
    async with working(opened):
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))
        letting_go = asyncio.create_task(let_go_when(logs, acts))
    await letting_go

    found = await opened.store.ledger.get("row1")
    assert found is not None
    assert found.state == "done"


async def let_go_when(logs: list[EventDict], acts: Acts) -> None:
    await eventually(lambda: said(logs, "worker draining"))
    acts.go.set()


async def test_a_stopped_worker_leaves_what_it_can_not_finish_in_time_to_others(opened: Opened, acts: Acts) -> None:
    async with working(opened, opened.settings.model_copy(update={"drain": 0.1})):
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))

    async with working(opened):
        await eventually(lambda: has_called(acts, 2))
        acts.go.set()
        row = await ended(opened)

    assert (row.state, row.attempts) == ("done", 2)


async def test_an_end_is_recorded_though_redis_could_not_write_for_a_moment(
    opened: Opened, redis: Redis, acts: Acts
) -> None:
    async def was_refused() -> bool:
        refused: Any = redis.info("errorstats")
        return "errorstat_NOREPLICAS" in refused

    async with working(opened):
        await enqueued(opened, "hold")
        await eventually(lambda: has_called(acts))
        redis.config_resetstat()
        redis.config_set("min-replicas-to-write", 1)
        try:
            acts.go.set()
            await eventually(was_refused)
        finally:
            redis.config_set("min-replicas-to-write", 0)
        row = await ended(opened)

    assert (row.state, row.attempts, acts.calls) == ("done", 1, ["row1"])


async def test_store_trouble_within_a_handler_is_not_the_fault_of_its_job(opened: Opened, acts: Acts) -> None:
    await planned(opened, new_row(action="be_cut_off"))
    client = ApiClient(connections=1, private=LOOPBACK)
    context = context_of(opened, client)

    with pytest.raises(StoreUnavailable):
        await attempt(await claimed(opened), context)

    await client.close()
