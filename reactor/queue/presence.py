"""A worker of ours as RQ's tools see it: a name, what it does, and signs of life."""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import uuid4

from rq import Queue, Worker
from rq.serializers import JSONSerializer

InThread = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs a function that speaks RQ's synchronous API where it holds nobody up."""


class Presence:
    """Shows one worker process in `rq info`: a random name, and keys that expire soon after it is gone."""

    def __init__(self, queue: Queue, in_thread: InThread, *, ttl: float) -> None:
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
        """Say that the worker lives, what it does, and how many attempts went well or not since it began."""
        await self._in_thread(partial(self._beat, "busy" if busy else "idle", done, failed))

    def _beat(self, state: str, done: int, failed: int) -> None:
        """Register the worker if Redis does not know it, at first and after its keys expired or were flushed; then tell."""
        if not self._worker.connection.exists(self._worker.key):
            self._worker.register_birth()
        with self._worker.connection.pipeline() as pipeline:
            self._worker.set_state(state, pipeline)
            pipeline.hset(self._worker.key, mapping={"successful_job_count": done, "failed_job_count": failed})
            self._worker.heartbeat(self._ttl, pipeline)
            pipeline.sadd(Queue.redis_queues_keys, self._queue.key)  # so that it shows before its first job
            pipeline.execute()

    async def leave(self) -> None:
        """Unregister the worker."""
        await self._in_thread(self._worker.register_death)
