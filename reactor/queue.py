"""The RQ queue: the only module that enqueues, takes and removes RQ jobs, and shows a worker to RQ's tools.

An RQ job says "go and do row X, attempt N" and nothing else: RQ's retries, callbacks, dependencies, scheduler and meta are
not used, so that losing, repeating or stranding a job costs time and never an effect. What RQ keeps in Redis is touched
here only; a contract test holds it against RQ's own readers. Does not know what a row asks for.
"""

import asyncio
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import orjson
from redis import Redis
from redis import asyncio as aioredis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from reactor.store.client import available
from reactor.store.grouping import Grouped
from reactor.store.keys import MAIN
from reactor.store.scripts import Scripts

T = TypeVar("T")

PERFORM = "reactor.stock.perform"
"""The one function that may stand in a job. A name, so that enqueueing imports no handler."""

EXECUTION = "reactor"
"""RQ's registries list `job:execution`; a job of ours is executed once, so every execution has this name."""

LARGEST_JOB = 4096
"""Bytes of a job's data once unpacked; ours has fewer than a hundred."""

LOOK = 0.5
"""Seconds between two looks at the queue of a server that has no memory to wait on it."""

FAILED_TTL = 7 * 86400
"""Seconds a refused job stays visible among RQ's failed ones."""

POP = """#!lua flags=allow-oom
-- Guarantees: a job leaves the queue and enters RQ's running registry in one step. Its score is +inf, so that no reader of
-- RQ's registries takes it for abandoned and queues it again: the ledger alone decides that.
-- KEYS RQ queue, running registry   ARGV job key prefix, execution, worker, now (ISO), how many
-- Returns job id, data, job id, data, ...; an id without a job, or that RQ would not give one, is dropped.
local out = {}
for _, id in ipairs(redis.call('LPOP', KEYS[1], ARGV[5]) or {}) do
  local key = ARGV[1] .. id
  if not string.find(id, '[^%w_-]') and redis.call('TYPE', key).ok == 'hash' then
    redis.call('HSET', key, 'status', 'started', 'started_at', ARGV[4], 'last_heartbeat', ARGV[4], 'worker_name', ARGV[3])
    redis.call('ZADD', KEYS[2], '+inf', id .. ':' .. ARGV[2])
    out[#out + 1] = id
    out[#out + 1] = redis.call('HGET', key, 'data') or ''
  end
end
return out
"""


REGISTRIES = ("workers", "queue", "wip", "failed", "finished", "deferred", "scheduled", "canceled")
"""What RQ keeps for each queue."""


def queue_keys(instance: str) -> tuple[str, ...]:
    """Patterns of the keys that RQ keeps for an instance's queues, their jobs and our workers. All jobs share a prefix."""
    return (
        "rq:queues",
        "rq:workers",
        f"rq:queue:{instance}:*",
        f"rq:queue:{instance}.*",
        *(f"rq:{registry}:{instance}" for registry in REGISTRIES),
        *(f"rq:{registry}:{instance}.*" for registry in REGISTRIES if registry != "queue"),
        "rq:worker:reactor-*",
        "rq:job:*",
    )


def rq_name(instance: str, queue: str) -> str:
    """What RQ calls a queue: the main one as the instance; no instance has a dot in its name."""
    return instance if queue == MAIN else f"{instance}.{queue}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A queue as it stands: the jobs in it, and the workers that RQ knows of and that gave a sign of life."""

    queue: str
    jobs: int
    workers: int

    @property
    def warning(self) -> str:
        """What is to be done about it; empty for nothing."""
        if not self.jobs or self.workers:
            return ""
        return f"queue {self.queue} has jobs and no worker: start `{self.command}`"

    @property
    def command(self) -> str:
        """What serves it."""
        return "reactor work" if self.queue == MAIN else f"reactor work --queue {self.queue}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an RQ job carries: the row to perform, and the number of this enqueue, which makes the job's id new.

    `queue` is where it goes; the job itself does not say it.
    """

    row: str
    number: int = 0
    queue: str = MAIN

    @property
    def job_id(self) -> str:
        """RQ's id of the job; RQ allows letters, digits, `_` and `-`."""
        return f"{self.row}-{self.number}"


@dataclass(frozen=True, slots=True)
class Popped:
    """A job taken from the queue; `ticket` is None when it is not one of ours and must not run."""

    job_id: str
    ticket: Ticket | None


async def standings(redis: "aioredis.Redis", instance: str) -> list[Standing]:
    """How many jobs and workers each queue of an instance has, the main one first. Raises StoreUnavailable."""
    queues = await _known(redis, instance)
    async with available():
        pipeline = redis.pipeline(transaction=False)
        for queue in queues:
            pipeline.llen(_key("queue", instance, queue))
            pipeline.smembers(_key("workers", instance, queue))
        replies: list[Any] = await pipeline.execute()
        named = sorted({worker for workers in replies[1::2] for worker in workers})
        for worker in named:
            pipeline.exists(worker)
        living = {worker for worker, lives in zip(named, await pipeline.execute(), strict=True) if lives}
    return [
        Standing(queue, int(jobs), len(workers & living))
        for queue, jobs, workers in zip(queues, replies[::2], map(set, replies[1::2]), strict=True)
    ]


async def _known(redis: "aioredis.Redis", instance: str) -> list[str]:
    """The queues that RQ knows of an instance, also those that are declared no longer."""
    prefix = _key("queue", instance, MAIN) + "."
    async with available():
        keys: Any = await redis.smembers(Queue.redis_queues_keys)
    named = (key.decode().removeprefix(prefix) for key in keys if key.decode().startswith(prefix))
    return list(dict.fromkeys([MAIN, *sorted(named)]))


def _key(registry: str, instance: str, queue: str) -> str:
    """RQ's key of one thing that it keeps for a queue."""
    return f"rq:{registry}:{rq_name(instance, queue)}"


class JobQueue:
    """The RQ queues of one instance: gives jobs to any, and takes them from the one that it `serves`.

    RQ's own API is synchronous, so it runs in one thread of its own, in batches.
    """

    def __init__(self, url: str, instance: str, redis: "aioredis.Redis", serves: str = MAIN) -> None:
        self._sync = Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=5.0, socket_connect_timeout=3.0)
        self._instance = instance
        self.serves = serves
        self._rq = self._queue(serves)
        self._running = StartedJobRegistry(queue=self._rq)
        self._failed = FailedJobRegistry(queue=self._rq)
        self._redis = redis
        self._scripts = Scripts(redis, {"pop": POP})
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rq")
        self._enqueued: Grouped[Ticket, None] = Grouped(self._enqueue_each)
        self._removed: Grouped[tuple[str, str], None] = Grouped(self._remove_each)

    def _queue(self, name: str) -> Queue:
        return Queue(rq_name(self._instance, name), connection=self._sync, serializer=JSONSerializer)

    @property
    def key(self) -> str:
        """The Redis list that is the queue it serves."""
        return str(self._rq.key)

    @property
    def main_key(self) -> str:
        """The Redis list that is the main queue; the key of another is this one, a dot, and its name."""
        return str(self._queue(MAIN).key)

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        """Add a job for each ticket; what is left of the row's job before it goes. Raises StoreUnavailable."""
        await self._enqueued.ask(tickets)

    async def _enqueue_each(self, tickets: Sequence[Ticket]) -> list[None]:
        await self._in_thread(lambda: self._enqueue(tickets))
        return [None] * len(tickets)

    def _enqueue(self, tickets: Sequence[Ticket]) -> None:
        with self._sync.pipeline() as pipeline:
            for ticket in tickets:
                if ticket.number:
                    self._remove(pipeline, Ticket(ticket.row, ticket.number - 1).job_id, ticket.queue)
            for queue in dict.fromkeys(ticket.queue for ticket in tickets):
                jobs = [_job(ticket) for ticket in tickets if ticket.queue == queue]
                self._queue(queue).enqueue_many(jobs, pipeline=pipeline)
            pipeline.execute()

    async def wait(self, seconds: int) -> bool:
        """Wait until the queue holds a job; moving its head onto itself blocks without taking anything.

        A server without memory refuses that move, though taking jobs is what frees it: then we look now and then.
        """
        async with available():
            try:
                return await self._redis.blmove(self.key, self.key, seconds, "LEFT", "LEFT") is not None
            except OutOfMemoryError:
                await asyncio.sleep(LOOK)
                return bool(await self._redis.llen(self.key))

    async def pop(self, worker: str, count: int) -> list[Popped]:
        """Take up to `count` jobs for `worker`. Raises StoreUnavailable."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        keys = (self.key, self._running.key)
        flat = await self._scripts.run("pop", keys, (Job.key_for(""), EXECUTION, worker, now, count))
        return [Popped(job_id.decode(), read_ticket(data)) for job_id, data in zip(flat[::2], flat[1::2], strict=True)]

    async def remove(self, job_ids: Sequence[str], queue: str = "") -> None:
        """Forget jobs that were taken from a queue, the one it serves unless said: the ledger has their outcome."""
        await self._removed.ask([(job_id, queue or self.serves) for job_id in job_ids])

    async def _remove_each(self, jobs: Sequence[tuple[str, str]]) -> list[None]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for job_id, queue in jobs:
                self._remove(pipeline, job_id, queue)
            await pipeline.execute()
        return [None] * len(jobs)

    async def taken(self, queue: str = "", *, count: int = 1000) -> list[str]:
        """Jobs of a queue that RQ takes for running, rows' ids before the last dash; some may be of workers that are gone."""
        async with available():
            entries: Any = await self._redis.zrange(self._registry("wip", queue or self.serves), 0, count - 1)
        return [entry.decode().partition(":")[0] for entry in entries]

    async def queues(self) -> list[str]:
        """The queues of this instance that RQ knows; the main one first. Raises StoreUnavailable."""
        return await _known(self._redis, self._instance)

    async def standings(self) -> list[Standing]:
        """How many jobs and workers each queue has. Raises StoreUnavailable."""
        return await standings(self._redis, self._instance)

    async def refuse(self, job_id: str) -> None:
        """Put a job that is not ours among RQ's failed ones, where a person can see it; it never runs."""
        async with available():
            pipeline = self._redis.pipeline()
            pipeline.hset(Job.key_for(job_id), mapping={"status": "failed", "exc_info": f"only {PERFORM} may run here"})
            pipeline.expire(Job.key_for(job_id), FAILED_TTL)
            pipeline.zrem(self._running.key, f"{job_id}:{EXECUTION}")
            pipeline.zadd(self._failed.key, {job_id: int(datetime.now(UTC).timestamp()) + FAILED_TTL})
            await pipeline.execute()

    async def length(self) -> int:
        """How many jobs stand in the queue."""
        async with available():
            return int(await self._redis.llen(self.key))

    def presence(self, *, ttl: float) -> "Presence":
        """A worker of this queue as RQ's tools see it."""
        return Presence(self._rq, self._in_thread, ttl=ttl)

    def close(self) -> None:
        """Let go of the thread and its connection."""
        self._thread.shutdown()
        self._sync.close()

    def _remove(self, pipeline: "Redis | aioredis.client.Pipeline", job_id: str, queue: str) -> None:
        pipeline.delete(Job.key_for(job_id))
        pipeline.zrem(self._registry("wip", queue), f"{job_id}:{EXECUTION}")

    def _registry(self, registry: str, queue: str) -> str:
        return _key(registry, self._instance, queue)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        async with available():
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)


def _job(ticket: Ticket) -> Any:
    """What RQ is given for a ticket."""
    return Queue.prepare_data(
        PERFORM,
        args=(ticket.row, ticket.number),
        job_id=ticket.job_id,
        description=f"row {ticket.row}",
        timeout=-1,
        result_ttl=0,
    )


class Presence:
    """Shows one worker process in `rq info`: a random name, and keys that expire soon after it is gone."""

    def __init__(self, queue: Queue, in_thread: "Callable[[Callable[[], None]], object]", *, ttl: float) -> None:
        self.name = f"reactor-{uuid4().hex[:12]}"
        self._queue = queue
        self._in_thread = in_thread
        self._ttl = int(ttl)
        self._worker = Worker(
            [queue],
            name=self.name,
            connection=queue.connection,
            serializer=JSONSerializer,
            prepare_for_work=False,
        )
        self._worker.hostname, self._worker.pid = os.uname().nodename, os.getpid()

    async def beat(self, *, busy: bool, done: int, failed: int) -> None:
        """Say that the worker lives, what it does, and how many attempts went well or not since it began.

        It is registered when Redis does not know it: at first, and after its keys expired or were flushed.
        """

        def beat() -> None:
            if not self._worker.connection.exists(self._worker.key):
                self._worker.register_birth()
            with self._worker.connection.pipeline() as pipeline:
                self._worker.set_state("busy" if busy else "idle", pipeline)
                pipeline.hset(self._worker.key, mapping={"successful_job_count": done, "failed_job_count": failed})
                self._worker.heartbeat(self._ttl, pipeline)
                pipeline.sadd(Queue.redis_queues_keys, self._queue.key)  # so that it shows before its first job
                pipeline.execute()

        await self._run(beat)

    async def leave(self) -> None:
        """Unregister the worker."""
        await self._run(self._worker.register_death)

    async def _run(self, function: Callable[[], None]) -> None:
        await self._in_thread(function)  # type: ignore[misc]


def read_ticket(data: bytes) -> Ticket | None:
    """Read a job's data, bounded and as JSON only; None for anything but a call of PERFORM with a row and a number."""
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data, LARGEST_JOB)
        function, instance, args, kwargs = orjson.loads(plain)
        row, number = args
    except (zlib.error, orjson.JSONDecodeError, ValueError, TypeError):
        return None
    if function != PERFORM or instance is not None or kwargs or not isinstance(row, str) or not isinstance(number, int):
        return None
    return Ticket(row, number)
