"""The due poller: gives every row whose time has come to the queue, and tidies what dead processes left.

Owns when to look. Which rows are due, and that each look has one winner, is the store's.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict

import structlog

from reactor.errors import StoreRefused, StoreUnavailable
from reactor.failpoints import failpoint
from reactor.patience import within
from reactor.queue import JobQueue, Ticket
from reactor.store.client import read_memory
from reactor.store.store import Store

TICK = 0.5
"""Seconds between two looks; recovery and retries are late by at most this."""

TIDY = 10.0
CONSUMER_IDLE = 600.0
"""Seconds between two rounds of tidying, and of silence after which a dispatcher's consumer is gone for good."""

log = structlog.get_logger("reactor.due")


class DuePoller:
    """Sweeps the due set and lets timers ripen; any number may run."""

    def __init__(self, store: Store, queue: JobQueue) -> None:
        self._store = store
        self._queue = queue
        self._tidied = time.monotonic()
        self._warned: tuple[str, ...] = ()

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until told to stop."""
        while not stopping.is_set():
            for step in (self.sweep, self._tidy_now_and_then):  # a full server takes no job, but it can still forget
                try:
                    await step()
                except StoreUnavailable as error:
                    log.warning("sweep paused", error=str(error))
            await within(stopping, TICK)

    async def sweep(self) -> int:
        """Enqueue what is due now; returns how many rows and timers."""
        looked_at = await self._store.due.sweep(self._queue.main_key)
        for entry in looked_at:
            if entry.number == 0:
                log.error("due entry faulty", entry=entry.row, error="its key holds what no reactor wrote: delete it")
            elif entry.number < 0:
                log.error(
                    "queue faulty",
                    key=entry.row,
                    error="it is no list, so that none of its jobs is given out: delete it",
                )
        swept = [entry for entry in looked_at if entry.number > 0]
        if not swept:
            return 0
        failpoint("due.after_sweep")
        rows = [row for row in swept if not row.timer]
        await self._queue.enqueue([Ticket(row.row, row.number, row.queue) for row in rows])
        if rows:
            log.info("jobs swept", jobs={row.row: row.number for row in rows})
        await self.ripen([row.timer for row in swept if row.timer])
        return len(swept)

    async def ripen(self, timers: Sequence[str]) -> None:
        """Let timers act, and enqueue their rows. One that can't ripen is looked at again, later and later."""
        if not timers:
            return
        ripened = await self._store.due.ripen(timers)
        failpoint("timer.after_ripen")
        tickets: list[Ticket] = []
        for timer, result in zip(timers, ripened, strict=True):
            if isinstance(result, StoreUnavailable):
                log.error("timer faulty", timer=timer, error=str(result))
            elif result.outcome:
                log.info("timer ripe", timer=timer, outcome=result.outcome, jobs=[row for row, _ in result.rows])
                tickets += [Ticket(row, queue=queue) for row, queue in result.rows]
        await self._queue.enqueue(tickets)

    async def _tidy_now_and_then(self) -> None:
        if time.monotonic() - self._tidied > TIDY:
            self._tidied = time.monotonic()
            await self.tidy()

    async def tidy(self) -> None:
        """Forget what is old, and what dead processes left; say what is wrong. What can't be done stops nothing else."""
        for step in (
            self.look_at_server,
            self.forget_old,
            self.forget_ended_jobs,
            self.remind_of_pauses,
            self.look_at_queues,
        ):
            try:
                await step()
            except StoreRefused as error:
                log.error("not tidied", step=step.__name__, error=str(error))

    async def look_at_server(self) -> None:
        """Say once when it is nearly full; and of keys that hold what no reactor wrote, as long as they do."""
        warnings = (await read_memory(self._store.redis)).warnings
        for warning in warnings if not self._warned else ():
            log.warning("server not fully fit", warning=warning)
        self._warned = warnings
        for fault in await self._store.foreign():
            log.error("key faulty", error=fault)

    async def forget_old(self) -> None:
        """Trim the log, and what there is of failed work and of dispatchers that are gone."""
        if trimmed := await self._store.retention.trim():
            log.info("log trimmed", events=trimmed)
        if forgotten := await self._store.retention.bound():
            log.error("failed work forgotten", **asdict(forgotten), error="more failed than REACTOR_KEEP_FAILED keeps")
        await self._store.log.forget_idle_consumers(idle=CONSUMER_IDLE)

    async def look_at_queues(self) -> None:
        """Say which has jobs and no worker, or can't be read."""
        for standing in await self._queue.standings():
            if standing.warning:
                log.warning("queue not served", queue=standing.queue, jobs=standing.jobs, warning=standing.warning)

    async def remind_of_pauses(self) -> None:
        """Say what is paused as long as it is: a pause that nobody remembers looks like a fault."""
        for pause in await self._store.brakes.pauses():
            log.warning("paused", scope=str(pause.scope), by=pause.by, reason=pause.reason or None, held=pause.held)

    async def forget_ended_jobs(self) -> None:
        """A worker that died between the end of a row and of its RQ job left the job: RQ would show it for ever."""
        for queue in await self._queue.queues():
            start = 0
            while taken := await self._queue.taken(queue, start=start):
                live = await self._store.ledger.live([job.rpartition("-")[0] for job in taken])
                await self._queue.remove([job for job, lives in zip(taken, live, strict=True) if not lives], queue)
                start += sum(live)  # the others have left the list
