"""Queues beside the main one: whatever gives a job to RQ gives it to the queue of its row, and only that is taken from it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from conftest import Opened
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from stage import append, claimed, eventually, new_row, now_ms, planned, said, volume, working
from structlog.testing import capture_logs
from test_actions import configured, handlers
from test_metrics import figures
from test_queue import RQ, run

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.errors import SchemaError
from reactor.queue import PERFORM, JobQueue, Ticket
from reactor.reload import Live
from reactor.stock import RowJob, perform
from reactor.store.jobs import Wanted
from reactor.store.ledger import Ending, Row
from reactor.store.plans import NewRow

__all__ = ["configured", "handlers"]

ON_HEAVY = """
  - name: {name}
    on: volume.state.updated
    {controls}
    do:
      - {{perform: write-note, queue: heavy, as: note, arguments: {{text: "{text}"}}}}
      - {{perform: write-note, arguments: {{text: "after ${{note.data.text}}"}}}}
"""


def on_heavy(name: str = "r", controls: str = "max_age: 1h", text: str = "x") -> str:
    return "rules:" + ON_HEAVY.format(name=name, controls=controls, text=text)


@pytest.fixture
async def heavy(opened: Opened) -> AsyncIterator[Opened]:
    """The same store, and the queue `heavy`."""
    queue = JobQueue(opened.settings.redis_url, opened.settings.instance, opened.store.redis, "heavy")
    yield Opened(opened.settings, opened.store, queue)
    queue.close()


async def lengths(opened: Opened) -> dict[str, int]:
    return {standing.queue: standing.jobs for standing in await opened.queue.standings()}


def heavy_row(id: str) -> NewRow:
    return NewRow(id, "a-rule", "perform", "", {"handler": "h", "queue": "heavy"}, queue="heavy")


async def decided(opened: Opened, directory: Path) -> None:
    """Have one event decided on by these rules."""
    config = load_config(directory)
    await append(opened, volume("ready"))
    stopping = asyncio.Event()
    dispatcher = Dispatcher(opened.store, opened.queue, Live(config), takeover=1.0)
    dispatching = asyncio.create_task(dispatcher.run(stopping))

    async def all_is_decided() -> bool:
        return await opened.store.log.oldest_unacknowledged() is None

    await eventually(all_is_decided)
    stopping.set()
    await dispatching


async def rows(opened: Opened) -> list[Row]:
    entries = await opened.store.log.entries()
    return [row for entry in entries for row in await opened.store.plans.rows_of(entry.entry)]


@pytest.mark.usefixtures("handlers")
async def test_a_dispatcher_gives_a_row_to_its_queue(opened: Opened, configured: Callable[[str], Path]) -> None:
    await decided(opened, configured(on_heavy()))

    assert await lengths(opened) == {"main": 0, "heavy": 1}
    assert [row.queue for row in await rows(opened)] == ["heavy", "main"]


@pytest.mark.usefixtures("handlers")
async def test_a_timer_that_ripens_gives_its_rows_to_their_queue(
    opened: Opened, configured: Callable[[str], Path]
) -> None:
    await decided(opened, configured(on_heavy(controls="debounce: {wait: 200ms, at_most: 1s}")))
    poller = DuePoller(opened.store, opened.queue)

    async def ripe() -> bool:
        await poller.sweep()
        return await lengths(opened) == {"main": 0, "heavy": 1}

    await eventually(ripe)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("text", ["x", "at once"])
async def test_a_row_is_tried_again_on_its_queue_and_the_one_that_follows_it_is_performed_on_its_own(
    opened: Opened, heavy: Opened, configured: Callable[[str], Path], text: str
) -> None:
    directory = configured(on_heavy(text=text))
    config = load_config(directory)
    await decided(opened, directory)

    async def first_is_done() -> bool:
        return [row.state for row in await rows(opened)] == ["done", "due"]

    async with working(heavy, config=config):
        await eventually(first_is_done)
    [first, second] = await rows(opened)
    assert (first.attempts, await lengths(opened)) == (2 if text == "at once" else 1, {"main": 1, "heavy": 0})

    async def all_is_done() -> bool:
        return [row.state for row in await rows(opened)] == ["done", "done"]

    async with working(opened, config=config):
        await eventually(all_is_done)
    [_, second] = await rows(opened)
    assert second.result["data"] == {"text": f"after {text}"}


async def test_a_row_that_a_person_retries_is_given_to_its_queue(opened: Opened) -> None:
    await planned(opened, heavy_row("row1"))
    dead = await claimed(opened)
    await opened.store.ledger.finish(dead, Ending("dead", error="x"))
    [job] = await opened.store.jobs.find(Wanted(("dead",), queue="heavy"))
    await opened.store.jobs.redrive(job.row, "kim")

    async def swept() -> int:
        return await DuePoller(opened.store, opened.queue).sweep()

    await eventually(swept)
    assert await lengths(opened) == {"main": 0, "heavy": 1}


async def test_a_worker_takes_from_its_own_queue_only(opened: Opened, heavy: Opened) -> None:
    await opened.queue.enqueue([Ticket("row1"), Ticket("row2", queue="heavy")])

    popped = [[job.job_id for job in await each.queue.pop("worker", 10)] for each in (opened, heavy)]

    assert popped == [["row1-0"], ["row2-0"]]
    assert [await opened.queue.taken(queue) for queue in ("main", "heavy")] == [["row1-0"], ["row2-0"]]


async def test_what_a_dead_worker_of_any_queue_left_at_rq_is_forgotten(
    opened: Opened, heavy: Opened, redis: Redis
) -> None:
    await planned(opened, heavy_row("row1"))
    await heavy.queue.enqueue([Ticket("row1", queue="heavy")])
    await heavy.queue.pop("worker", 1)
    await opened.store.ledger.finish(await claimed(opened), Ending("done"))

    await DuePoller(opened.store, opened.queue).forget_ended_jobs()

    assert await heavy.queue.taken() == []
    assert redis.keys("rq:job:*") == []


async def test_a_queue_that_has_jobs_and_no_worker_is_told(opened: Opened, heavy: Opened) -> None:
    await planned(opened, new_row("row1"), heavy_row("row2"))
    await opened.queue.enqueue([Ticket("row2", queue="heavy")])
    gone, there = heavy.queue.presence(ttl=1.0), heavy.queue.presence(ttl=60.0)

    with capture_logs() as logs:
        await DuePoller(opened.store, opened.queue).tidy()
    unserved = await figures(opened)
    await gone.beat(busy=False, done=0, failed=0)

    async def nobody_is_left() -> bool:
        return [standing.workers for standing in await opened.queue.standings()] == [0, 0]

    await eventually(nobody_is_left)  # a killed worker stands in RQ's list for ever, and its key for its time
    await there.beat(busy=False, done=0, failed=0)
    served = await figures(opened)
    await there.leave()

    assert await said(logs, "queue not served", queue="heavy", jobs=1)
    assert not await said(logs, "queue not served", queue="main")
    assert unserved['reactor_queue_length{queue="heavy"}'] == served['reactor_queue_length{queue="heavy"}'] == 1
    assert unserved['reactor_queue_workers{queue="heavy"}'] == 0
    assert served['reactor_queue_workers{queue="heavy"}'] == 1
    assert served["reactor_queue_jobs"] == 1


async def test_a_stock_worker_with_our_kind_of_job_runs_nothing_but_rows(
    opened: Opened, redis: Redis, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    queue = Queue("reactor.heavy", connection=redis, serializer=JSONSerializer)
    queue.enqueue("os.system", f"touch {mark}", job_id="hostile")
    command = [RQ, "worker", "--burst", "--url", opened.settings.redis_url, "--serializer", "json"]

    output = await run(*command, "--job-class", "reactor.stock.RowJob", "reactor.heavy")

    assert not mark.exists()
    assert await opened.queue.taken("heavy") == []
    assert "only reactor.stock.perform may run here" in output


async def test_what_else_an_rq_job_may_have_done_is_not_read(opened: Opened, redis: Redis) -> None:
    await opened.queue.enqueue([Ticket("row1", queue="heavy")])
    names = ("success_callback_name", "failure_callback_name", "stopped_callback_name")
    for name in names:
        redis.hset("rq:job:row1-0", name, "os.getcwd")
    for name in ("retries_left", "repeats_left"):
        redis.hset("rq:job:row1-0", name, 3)
    redis.hset("rq:job:row1-0", "webhooks", '[{"url": "http://127.0.0.1:1/", "events": ["finished"]}]')

    job = RowJob.fetch("row1-0", redis, JSONSerializer)

    assert (job.func_name, job.args) == (PERFORM, ["row1", 0])
    assert [job.success_callback, job.failure_callback, job.stopped_callback] == [None, None, None]
    assert (job.retries_left, job.repeats_left, job.webhooks) == (None, None, [])


@pytest.fixture
async def by_stock(
    opened: Opened, handlers: None, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Row, Path]:
    """A row that a stock worker is about to perform in a process like this one, and the configuration that it will read."""
    directory = configured(on_heavy())
    await decided(opened, directory)
    monkeypatch.setenv("REACTOR_REDIS_URL", opened.settings.redis_url)
    monkeypatch.setenv("REACTOR_CONFIG", str(directory))
    [row, _] = await rows(opened)
    return row, directory


async def test_a_stock_worker_puts_off_what_no_configuration_says_how_to_do_and_does_it_when_that_is_mended(
    opened: Opened, redis: Redis, by_stock: tuple[Row, Path]
) -> None:
    row, directory = by_stock
    queues = directory / "queues.yaml"
    sound = queues.read_text("utf-8")
    queues.write_text("queues: {heavy: {}", "utf-8")

    await asyncio.to_thread(perform, row.id, 0)

    [put_off, after] = await rows(opened)
    assert (put_off.state, put_off.attempts, after.state) == ("due", 0, "waiting")
    assert "the configuration is refused" in str(put_off.error)
    assert "queues.yaml:2" in str(put_off.error)
    assert int(redis.zscore(opened.store.keys.due, row.id) or 0) > (now_ms() + 20_000)

    queues.write_text(sound, "utf-8")
    redis.zadd(opened.store.keys.due, {row.id: 1})
    await asyncio.to_thread(perform, row.id, 1)

    [done, _] = await rows(opened)
    assert (done.state, done.attempts, done.error) == ("done", 1, None)


async def test_a_stock_worker_that_can_not_read_its_configuration_forgets_no_call_that_went_out(
    opened: Opened, redis: Redis, by_stock: tuple[Row, Path]
) -> None:
    row, directory = by_stock
    killed = await claimed(opened, row.id)
    await opened.store.ledger.note_asked(killed)
    redis.hset(opened.store.keys.row(row.id), "lease", 1)
    (directory / "queues.yaml").write_text("queues: [", "utf-8")

    await asyncio.to_thread(perform, row.id, 0)

    [put_off, _] = await rows(opened)
    assert (put_off.state, put_off.attempts) == ("due", 1)
    assert put_off.asked_at


async def test_a_stock_worker_leaves_alone_what_a_newer_reactor_has_taken_over(
    opened: Opened, redis: Redis, by_stock: tuple[Row, Path]
) -> None:
    row, _ = by_stock
    redis.set(opened.store.keys.schema, 1000)
    before = {key: redis.dump(key) for key in redis.scan_iter("reactor:*")}

    with pytest.raises(SchemaError, match="has layout 1000"):
        await asyncio.to_thread(perform, row.id, 0)

    assert {key: redis.dump(key) for key in redis.scan_iter("reactor:*")} == before


async def test_what_rq_holds_for_failed_of_a_row_goes_when_the_row_is_given_out_again(
    opened: Opened, redis: Redis
) -> None:
    await planned(opened, heavy_row("row1"))
    redis.zadd("rq:failed:reactor.heavy", {"row1-0": now_ms() / 1000 + 1000, "another-0": now_ms() / 1000 + 1000})

    await opened.queue.enqueue([Ticket("row1", 1, "heavy")])

    assert redis.zrange("rq:failed:reactor.heavy", 0, -1) == [b"another-0"]


FORKED = """
import os, reactor.handlers.perform, reactor.stock, sample_handlers
reactor.handlers.perform.PATIENCE = 0.2
reactor.stock.perform(os.environ["ROW"], 0)
os._exit(0 if sample_handlers.lasting else 1)
"""


@pytest.mark.usefixtures("handlers")
async def test_a_forked_process_does_not_wait_for_a_handler_that_never_ends(
    opened: Opened, configured: Callable[[str], Path]
) -> None:
    directory = configured(on_heavy(text="for ever"))
    await decided(opened, directory)
    [row, _] = await rows(opened)
    environment = {"REACTOR_REDIS_URL": opened.settings.redis_url, "REACTOR_CONFIG": str(directory), "ROW": row.id}
    paths = os.pathsep.join(sys.path)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKED, env={**os.environ, **environment, "PYTHONPATH": paths}
    )
    status = await asyncio.wait_for(process.wait(), 30)

    [row, _] = await rows(opened)
    assert status == 0
    assert (row.state, row.attempts, row.error) == ("due", 1, "write-note did not end within 0.2 s")
