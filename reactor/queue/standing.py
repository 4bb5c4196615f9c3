"""The queues of an instance as they stand: how many jobs each has, and how many workers serve it. Changes nothing."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis
from rq import Queue

from reactor.queue.names import rq_key
from reactor.store.client import available
from reactor.store.keys import MAIN


@dataclass(frozen=True, slots=True)
class Standing:
    """A queue as it stands: the jobs in it, and the workers that RQ knows of and that gave a sign of life.

    `refused` says why it can't be read, where that is so.
    """

    queue: str
    jobs: int
    workers: int
    refused: str = ""

    @property
    def warning(self) -> str:
        """What is to be done about it; empty for nothing."""
        if self.refused:
            return (
                f"queue {self.queue} can't be read: a key of it holds what RQ did not write; delete it ({self.refused})"
            )
        if not self.jobs or self.workers:
            return ""
        return f"queue {self.queue} has jobs and no worker: start `{self.command}`"

    @property
    def command(self) -> str:
        """What serves it."""
        return "reactor work" if self.queue == MAIN else f"reactor work --queue {self.queue}"


async def standings(redis: "aioredis.Redis", instance: str) -> list[Standing]:
    """How many jobs and workers each queue of an instance has, the main one first. Raises StoreUnavailable."""
    queues = await known_queues(redis, instance)
    async with available():
        pipeline = redis.pipeline(transaction=False)
        for queue in queues:
            pipeline.llen(rq_key("queue", instance, queue))
            pipeline.smembers(rq_key("workers", instance, queue))
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        named = sorted({worker for workers in replies[1::2] if isinstance(workers, set) for worker in workers})
        for worker in named:
            pipeline.exists(worker)
        living = {worker for worker, lives in zip(named, await pipeline.execute(), strict=True) if lives}
    return [
        _standing(queue, jobs, workers, living)
        for queue, jobs, workers in zip(queues, replies[::2], replies[1::2], strict=True)
    ]


def _standing(queue: str, jobs: Any, workers: Any, living: Set[bytes]) -> Standing:
    refused = next((str(each) for each in (jobs, workers) if isinstance(each, Exception)), "")
    return Standing(queue, 0, 0, refused) if refused else Standing(queue, int(jobs), len(workers & living))


async def known_queues(redis: "aioredis.Redis", instance: str) -> list[str]:
    """The queues that RQ knows of an instance, also those that are declared no longer."""
    prefix = rq_key("queue", instance, MAIN) + "."
    async with available():
        keys: Any = await redis.smembers(Queue.redis_queues_keys)
    named = (key.decode().removeprefix(prefix) for key in keys if key.decode().startswith(prefix))
    return list(dict.fromkeys([MAIN, *sorted(named)]))
