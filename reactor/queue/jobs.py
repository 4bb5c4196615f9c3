"""Gives RQ jobs to the queues of an instance, and takes them from one.

RQ's own API is synchronous, so it runs in one thread of its own, in batches.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from typing import Any, TypeVar

import structlog
from redis import Redis
from redis import asyncio as aioredis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from reactor.errors import StoreRefused
from reactor.queue.names import rq_key, rq_name
from reactor.queue.presence import Presence
from reactor.queue.standing import Standing, known_queues, standings
from reactor.queue.ticket import PERFORM, Popped, Ticket, read_ticket, rq_job
from reactor.store.client import available
from reactor.store.grouping import Grouped
from reactor.store.keys import MAIN
from reactor.store.scripts import Scripts, sources_in

T = TypeVar("T")

EXECUTION = "reactor"
"""RQ's registries list `job:execution`; a job of ours is executed once, so every execution has this name."""

LOOK = 0.5
"""Seconds between two looks at the queue of a server that has no memory to wait on it."""

FAILED_TTL = 7 * 86400
"""Seconds a refused job stays visible among RQ's failed ones."""

SOURCES = sources_in(resources.files("reactor.queue"))

log = structlog.get_logger("reactor.queue")


class JobQueue:
    """The RQ queues of one instance: gives jobs to any, and takes them from the one that it `serves`."""

    def __init__(self, url: str, instance: str, redis: "aioredis.Redis", serves: str = MAIN) -> None:
        self._sync = Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=5.0, socket_connect_timeout=3.0)
        self._instance = instance
        self.serves = serves
        self._rq = self._queue(serves)
        self._running = StartedJobRegistry(queue=self._rq)
        self._failed = FailedJobRegistry(queue=self._rq)
        self._redis = redis
        self._scripts = Scripts(redis, SOURCES)
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
        """Add a job for each ticket; what is left of the row's job before it goes. Raises StoreUnavailable.

        A queue whose keys are of another type is in no other's way: its rows stay due, and the sweep says so.
        """
        await self._enqueued.ask(tickets)

    async def _enqueue_each(self, tickets: Sequence[Ticket]) -> list[None]:
        for queue in dict.fromkeys(ticket.queue for ticket in tickets):
            own = [ticket for ticket in tickets if ticket.queue == queue]
            try:
                await self._in_thread(partial(self._enqueue_on, queue, own))
            except StoreRefused as error:
                log.error("queue faulty", queue=queue, error=str(error))
        return [None] * len(tickets)

    def _enqueue_on(self, queue: str, tickets: Sequence[Ticket]) -> None:
        with self._sync.pipeline() as pipeline:
            for ticket in tickets:
                if ticket.number:
                    before = Ticket(ticket.row, ticket.number - 1).job_id
                    self._remove(pipeline, before, queue)
                    pipeline.zrem(self._registry("failed", queue), before)  # a stock worker's fork may have died
            self._queue(queue).enqueue_many([rq_job(ticket) for ticket in tickets], pipeline=pipeline)
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

    async def taken(self, queue: str = "", *, start: int = 0, count: int = 1000) -> list[str]:
        """Jobs of a queue that RQ takes for running, rows' ids before the last dash; some may be of workers that are gone.

        Those from the place `start` on, in one order.
        """
        async with available():
            entries: Any = await self._redis.zrange(
                self._registry("wip", queue or self.serves), start, start + count - 1
            )
        return [entry.decode().partition(":")[0] for entry in entries]

    async def queues(self) -> list[str]:
        """The queues of this instance that RQ knows; the main one first. Raises StoreUnavailable."""
        return await known_queues(self._redis, self._instance)

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
        return rq_key(registry, self._instance, queue)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        async with available():
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
