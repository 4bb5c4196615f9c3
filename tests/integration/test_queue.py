"""The queue as RQ's own tools see it, and what happens to jobs that somebody else put there."""

import asyncio
import pickle
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import LOOPBACK, Opened
from redis import Redis
from rq import Queue, Worker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from stage import append, claimed, context_of, eventually, planned, volume

from reactor.apis.client import ApiClient
from reactor.metrics import render_metrics
from reactor.queue import PERFORM, Popped, Ticket, read_ticket
from reactor.worker import Worker as OurWorker

pytestmark = pytest.mark.every_server

RQ = str(Path(sys.executable).parent / "rq")


def rq_queue(redis: Redis) -> Queue:
    return Queue("reactor", connection=redis, serializer=JSONSerializer)


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def keyspace(redis: Redis) -> dict[bytes, tuple[bytes | None, bool]]:
    """Every key's content, and whether it expires."""
    keys: Any = redis.keys("*")
    return {key: (redis.dump(key), redis.pttl(key) >= 0) for key in keys}


async def test_rq_reads_the_jobs_that_we_enqueue(opened: Opened, redis: Redis) -> None:
    await opened.queue.enqueue([Ticket("row1"), Ticket("row2", 3)])

    jobs = rq_queue(redis).jobs

    assert [(job.id, job.func_name, job.args, job.get_status()) for job in jobs] == [
        ("row1-0", PERFORM, ["row1", 0], JobStatus.QUEUED),
        ("row2-3", PERFORM, ["row2", 3], JobStatus.QUEUED),
    ]
    assert jobs[0].description == "row row1"
    assert await opened.queue.length() == 2


async def test_a_job_that_rq_enqueues_is_one_of_ours(opened: Opened, redis: Redis) -> None:
    rq_queue(redis).enqueue(PERFORM, "row1", 0, job_id="row1-0")

    assert await opened.queue.pop("worker", 10) == [Popped("row1-0", Ticket("row1", 0))]


async def test_a_job_that_was_popped_is_started_for_rq_and_no_reader_takes_it_for_abandoned(
    opened: Opened, redis: Redis
) -> None:
    await opened.queue.enqueue([Ticket("row1")])

    await opened.queue.pop("worker", 10)

    registry = StartedJobRegistry(queue=rq_queue(redis))
    assert registry.get_job_ids() == ["row1-0"]
    job = Job.fetch("row1-0", connection=redis, serializer=JSONSerializer)
    assert (job.get_status(), job.worker_name) == (JobStatus.STARTED, "worker")
    assert (registry.count, rq_queue(redis).count) == (1, 0)


async def test_a_removed_job_leaves_nothing_behind(opened: Opened, redis: Redis) -> None:
    await opened.queue.enqueue([Ticket("row1")])
    await opened.queue.pop("worker", 10)

    await opened.queue.remove(["row1-0"])

    assert redis.keys("rq:*") == [b"rq:queues"]


async def test_an_enqueue_replaces_what_is_left_of_the_last_one(opened: Opened, redis: Redis) -> None:
    await opened.queue.enqueue([Ticket("row1", 0)])
    await opened.queue.enqueue([Ticket("row1", 1)])

    assert await opened.queue.pop("worker", 10) == [Popped("row1-1", Ticket("row1", 1))]


async def test_each_job_is_popped_by_one_of_many(opened: Opened) -> None:
    await opened.queue.enqueue([Ticket(f"row{number}") for number in range(100)])

    popped = await asyncio.gather(*(opened.queue.pop(f"worker-{number}", 7) for number in range(20)))

    ids = [job.job_id for jobs in popped for job in jobs]
    assert sorted(ids) == sorted(f"row{number}-0" for number in range(100))


async def test_waiting_for_a_job_takes_none(opened: Opened) -> None:
    assert not await opened.queue.wait(1)
    waiting = asyncio.create_task(opened.queue.wait(5))

    await opened.queue.enqueue([Ticket("row1"), Ticket("row2")])

    assert await waiting
    assert [job.job_id for job in await opened.queue.pop("worker", 10)] == ["row1-0", "row2-0"]


async def test_rq_lists_a_worker_while_it_lives_and_what_it_does(opened: Opened, redis: Redis) -> None:
    presence = opened.queue.presence(ttl=20)

    await presence.beat(busy=True, done=3, failed=1)

    [worker] = Worker.all(connection=redis, serializer=JSONSerializer)
    assert (worker.name, worker.get_state()) == (presence.name, "busy")
    assert (worker.successful_job_count, worker.failed_job_count) == (3, 1)
    assert worker.queue_names() == ["reactor"]
    await presence.leave()
    assert Worker.all(connection=redis, serializer=JSONSerializer) == []


async def test_a_worker_that_vanished_is_soon_not_listed(opened: Opened, redis: Redis) -> None:
    presence = opened.queue.presence(ttl=20)

    await presence.beat(busy=False, done=0, failed=0)

    assert 0 < redis.ttl(f"rq:worker:{presence.name}") <= 20


async def test_rq_info_shows_the_queue_before_its_first_job(opened: Opened) -> None:
    presence = opened.queue.presence(ttl=60)

    await presence.beat(busy=False, done=0, failed=0)

    shown = await run(RQ, "info", "-u", opened.settings.redis_url, "-S", "json", "-R")
    assert "1 workers, 1 queues" in shown


async def test_rq_info_shows_queue_worker_and_running_job_and_reading_changes_no_key(
    opened: Opened, redis: Redis
) -> None:
    presence = opened.queue.presence(ttl=60)
    await presence.beat(busy=True, done=0, failed=0)
    await planned(opened)
    await opened.queue.enqueue([Ticket("row1"), Ticket("row2"), Ticket("row3")])
    await opened.queue.pop(presence.name, 1)
    await append(opened, volume("ready"))
    before = keyspace(redis)

    shown = await run(RQ, "info", "-u", opened.settings.redis_url, "-S", "json", "-R")
    figures = await render_metrics(opened.store, opened.queue)

    assert f"{presence.name} (busy)" in shown
    assert "1 workers, 1 queues" in shown
    assert "2, 1 executing, 0 finished, 0 failed" in shown
    assert b"reactor_queue_jobs 2.0" in figures
    assert keyspace(redis) == before


def put_job(redis: Redis, id: str, **fields: bytes | str) -> None:
    """Put a job into the queue as somebody with access to Redis might."""
    defaults: dict[str, bytes | str] = {"status": "queued", "created_at": "2026-11-22T00:00:00Z", "origin": "reactor"}
    redis.hset(f"rq:job:{id}", mapping=defaults | fields)  # type: ignore[arg-type]
    redis.sadd("rq:queues", "rq:queue:reactor")
    redis.rpush("rq:queue:reactor", id)


def call_of(function: str, *args: object) -> bytes:
    return zlib.compress(JSONSerializer.dumps((function, None, args, {})))


class Explosive:
    """Unpickled, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


HOSTILE: dict[str, Callable[[Path], dict[str, bytes | str]]] = {
    "os-system": lambda canary: {"data": call_of("os.system", f"touch {canary}")},
    "builtins-eval": lambda canary: {"data": call_of("builtins.open", str(canary), "w")},
    "pickle": lambda canary: {"data": zlib.compress(pickle.dumps(Explosive(canary)))},
    "pickle-in-meta": lambda canary: {"meta": pickle.dumps(Explosive(canary)), "data": call_of("os.getcwd")},
    "raw-pickle": lambda canary: {"data": pickle.dumps(Explosive(canary))},
    "no-data": lambda canary: {},
    "empty-data": lambda canary: {"data": b""},
    "zlib-bomb": lambda canary: {"data": zlib.compress(b" " * 200_000_000)},
    "nested": lambda canary: {"data": zlib.compress(b"[" * 4000)},
    "a-number": lambda canary: {"data": zlib.compress(b"5")},
    "bad-date": lambda canary: {"created_at": "yesterday", "data": call_of("os.getcwd")},
    "callbacks": lambda canary: {
        "success_callback_name": "os.getcwd",
        "data": call_of("os.system", f"touch {canary}"),
    },
    "method": lambda canary: {"data": zlib.compress(JSONSerializer.dumps((PERFORM, "os", ["row1", 0], {})))},
    "keywords": lambda canary: {"data": zlib.compress(JSONSerializer.dumps((PERFORM, None, ["row1", 0], {"a": 1})))},
    "wrong-arguments": lambda canary: {"data": call_of(PERFORM, {"row": 1}, "0")},
}


async def test_hostile_jobs_never_run_are_shown_as_failed_and_stop_nobody(
    opened: Opened, redis: Redis, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    for name, build in HOSTILE.items():
        put_job(redis, name, **build(canary))
    redis.rpush("rq:queue:reactor", "no-job-at-all", b"\xff\xfe", "", "a:b*{}")
    redis.set("rq:job:a-text", "not a hash")
    redis.hset(b"rq:job:\xff\xfe", "data", call_of("os.system", f"touch {canary}"))
    redis.rpush("rq:queue:reactor", "a-text")
    put_job(redis, "for-no-row", data=call_of(PERFORM, "nobody", 0))
    client = ApiClient(connections=1, private=LOOPBACK)
    worker = OurWorker(opened.store, opened.queue, context_of(opened, client))
    stopping = asyncio.Event()

    working = asyncio.create_task(worker.run(stopping))
    registry = FailedJobRegistry(queue=rq_queue(redis))

    async def all_refused() -> bool:
        return sorted(registry.get_job_ids()) == sorted(HOSTILE) and not await opened.queue.length()

    await eventually(all_refused)
    await opened.queue.enqueue([Ticket("nobody")])
    await eventually(lambda: _empty(opened))
    stopping.set()
    await working
    await client.close()

    assert not canary.exists()
    assert redis.hget("rq:job:os-system", "status") == b"failed"
    assert redis.hget("rq:job:os-system", "exc_info") == f"only {PERFORM} may run here".encode()
    assert StartedJobRegistry(queue=rq_queue(redis)).get_job_ids() == []


async def _empty(opened: Opened) -> bool:
    return not await opened.queue.length()


def test_reading_a_bomb_takes_no_time() -> None:
    bomb = zlib.compress(b" " * 200_000_000)
    began = time.process_time()

    assert read_ticket(bomb) is None
    assert time.process_time() - began < 0.5


async def test_rq_info_shows_refused_jobs_among_the_failed_ones(opened: Opened, redis: Redis) -> None:
    put_job(redis, "os-system", data=call_of("os.system", "true"))
    [job] = await opened.queue.pop("worker", 1)
    await opened.queue.refuse(job.job_id)

    shown = await run(RQ, "info", "-u", opened.settings.redis_url, "-S", "json")

    assert "1 failed" in shown
    assert redis.ttl("rq:job:os-system") > 0


@pytest.mark.parametrize("copies", [1, 2])
async def test_a_job_that_stands_twice_in_the_queue_is_claimed_once(opened: Opened, redis: Redis, copies: int) -> None:
    await planned(opened)
    await opened.queue.enqueue([Ticket("row1")])
    redis.rpush("rq:queue:reactor", *["row1-0"] * copies)

    popped = await opened.queue.pop("worker", 10)
    rows = [job.ticket.row for job in popped if job.ticket]

    assert rows == ["row1"] * (copies + 1)
    assert (await claimed(opened)).attempts == 1
    assert len(await opened.store.ledger.claim(rows, "worker")) == copies + 1
