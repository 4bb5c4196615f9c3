"""The worker: one process that takes jobs from RQ's queue and performs hundreds of them at once.

Owns the way of a job from the queue to its end: pop, claim, perform, finish. The lease is renewed while a job runs; a
job whose lease could not be renewed is stopped. What a job does is its handler's.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from reactor.errors import StoreUnavailable
from reactor.failpoints import failpoint
from reactor.handlers.call import attempts_of
from reactor.handlers.context import Context, LeaseLost
from reactor.handlers.late import completed
from reactor.handlers.table import GIVING_UP, HANDLERS
from reactor.queue import JobQueue, Popped, Ticket
from reactor.rules.cel import Unknown
from reactor.store.ledger import FOREIGN, Ending, Refused, Row
from reactor.store.store import Store

BLOCK = 1
"""Seconds to wait for a job before looking whether to stop."""

PAUSE = 0.5
"""Seconds to leave Redis alone when it is unable."""

BEAT = 5.0
PRESENCE = 20.0
"""Seconds between two signs of life for RQ's tools, and after which a silent worker vanishes from them."""

log = structlog.get_logger("reactor.worker")


@dataclass(eq=False)
class Running:
    """A job that is being performed: its row, its task, and when its lease was last known to hold.

    It is `over` once its end is written down: it has no lease any more, and nothing to stop for.
    """

    row: Row
    renewed: float
    task: "asyncio.Task[None] | None" = None
    over: bool = False


@dataclass
class Tally:
    """Attempts since the worker started."""

    done: int = 0
    failed: int = 0


@dataclass
class Worker:
    """Performs jobs of one queue. `context` holds what handlers need."""

    store: Store
    queue: JobQueue
    context: Context
    running: set[Running] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._presence = self.queue.presence(ttl=PRESENCE)

    async def run(self, stopping: asyncio.Event) -> None:
        """Take and perform jobs until told to stop; then finish those in hand, within the drain time."""
        try:
            async with asyncio.TaskGroup() as tasks:  # without its upkeep a worker must not go on
                upkeep = [tasks.create_task(self._renew_forever()), tasks.create_task(self._beat_forever())]
                await self._work(stopping)
                await self._drain()
                for task in upkeep:
                    task.cancel()
        finally:
            await self._let_go()
            await self._leave()

    async def _work(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._take()
            except StoreUnavailable as error:
                log.warning("worker paused", error=str(error))
                await asyncio.sleep(PAUSE)

    async def _take(self) -> None:
        """Wait for jobs and start as many as there is room for."""
        room = self.context.settings.concurrency - len(self.running)
        if room <= 0:
            await asyncio.wait(self._tasks(), timeout=BLOCK, return_when=asyncio.FIRST_COMPLETED)
        elif await self.queue.wait(BLOCK):
            await self.start(await self.queue.pop(self._presence.name, room))

    async def start(self, popped: Sequence[Popped]) -> None:
        """Claim the rows of jobs just taken and begin to perform them."""
        failpoint("worker.after_pop")
        for job in popped:
            if job.ticket is None:
                log.error("job refused", rq_job=job.job_id, error="not a job of this reactor; it never ran")
                await self.queue.refuse(job.job_id)
        ours = [(job.job_id, job.ticket.row) for job in popped if job.ticket]
        claims = await self.store.ledger.claim([row for _, row in ours], self._presence.name)
        failpoint("worker.after_claim")
        not_now = []
        for (job_id, row_id), claim in zip(ours, claims, strict=True):
            if isinstance(claim, Refused):
                _say_why(row_id, claim)
                not_now.append(job_id)
            else:
                running = Running(claim, time.monotonic())
                running.task = asyncio.create_task(self._perform(running, job_id))
                self.running.add(running)
        await self.queue.remove(not_now)

    async def perform_one(self, row: str) -> None:
        """Claim one row and perform it, its lease renewed meanwhile. RQ's entry of it is its taker's to remove."""
        [claim] = await self.store.ledger.claim([row], self._presence.name)
        if isinstance(claim, Refused):
            _say_why(row, claim)
            return
        job = Running(claim, time.monotonic())
        self.running.add(job)
        async with asyncio.TaskGroup() as tasks:
            upkeep = tasks.create_task(self._renew_forever())
            job.task = tasks.create_task(self._perform(job))
            await asyncio.wait([job.task])
            upkeep.cancel()

    async def _perform(self, job: Running, job_id: str = "") -> None:
        """Perform one row and write down how it ended; then RQ's job of this id, if any, is forgotten."""
        row, began = job.row, time.monotonic()
        try:
            self.context = self.context.now()
            ending = await attempt(row, self.context)
            if await self._finish(job, ending):
                failpoint("worker.after_finish")
                if ending.state == "done" and row.next:
                    await self.queue.enqueue([Ticket(row.next, queue=await self.store.ledger.queue_of(row.next))])
                self._report(row, ending, time.monotonic() - began)
            else:
                log.warning("job lost", job=row.id, rule=row.rule, event_id=row.event, error="another worker has it")
            if job_id:
                await self.queue.remove([job_id])
        except LeaseLost as error:
            log.warning("job lost", job=row.id, rule=row.rule, event_id=row.event, error=str(error))
        except StoreUnavailable as error:
            log.warning("job unrecorded", job=row.id, error=f"the sweeper will give it out again: {error}")
        finally:
            self.running.discard(job)

    async def _finish(self, job: Running, ending: Ending) -> bool:
        """Record the end, as long as the lease lasts; after that the row is somebody else's."""
        while True:
            try:
                finished = await self.store.ledger.finish(job.row, ending)
                job.over = True
                return finished
            except StoreUnavailable:
                if time.monotonic() - job.renewed > self.context.settings.lease:
                    raise
                await asyncio.sleep(PAUSE)

    def _report(self, row: Row, ending: Ending, took: float) -> None:
        if ending.state == "done":
            self.tally.done += 1
        else:
            self.tally.failed += 1
        write = log.info if ending.state in ("done", "due") else log.error
        if ending.announced:
            write = log.debug
        write(
            "job " + ("to be retried" if ending.state == "due" else ending.state),
            job=row.id,
            rule=row.rule,
            event_id=row.event,
            attempt=row.attempts,
            seconds=round(took, 3),
            error=ending.error or None,
        )

    async def _renew_forever(self) -> None:
        """Renew every lease three times in its time; stop jobs whose lease is gone or can't be known to hold."""
        lease = self.context.settings.lease
        while True:
            await asyncio.sleep(lease / 3)
            for job in await self._lost(list(self.running), lease):
                if job.task and not job.task.done():
                    log.warning("job stopped", job=job.row.id, error="its lease is lost")
                    job.task.cancel()

    async def _lost(self, jobs: Sequence[Running], lease: float) -> list[Running]:
        """Renew the leases of these jobs; those whose lease somebody else has, or may have by now."""
        asked = time.monotonic()
        try:
            held = await self.store.ledger.renew_each([job.row for job in jobs])
        except StoreUnavailable:  # by now, not when it was asked: a server that hangs takes seconds to be unable
            return [job for job in jobs if time.monotonic() - job.renewed >= lease and not job.over]
        for job in jobs:
            job.renewed = asked
        return [job for job, holds in zip(jobs, held, strict=True) if not holds and not job.over]

    async def _beat_forever(self) -> None:
        """Show RQ's tools that the worker lives; that nobody can see it now must not end it."""
        while True:
            try:
                await self._presence.beat(busy=bool(self.running), done=self.tally.done, failed=self.tally.failed)
            except StoreUnavailable as error:
                log.warning("worker not visible", error=str(error))
            await asyncio.sleep(BEAT)

    async def _drain(self) -> None:
        tasks = self._tasks()
        if not tasks:
            return
        log.info("worker draining", jobs=len(tasks), seconds=self.context.settings.drain)
        await asyncio.wait(tasks, timeout=self.context.settings.drain)

    async def _let_go(self) -> None:
        """Stop what is still in hand, whatever ends the worker: who goes on without its parts would take that for a fault."""
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list["asyncio.Task[None]"]:
        return [job.task for job in self.running if job.task]

    async def _leave(self) -> None:
        try:
            await self._presence.leave()
        except StoreUnavailable as error:
            log.warning("worker still listed", error=str(error))


def _say_why(row: str, refused: Refused) -> None:
    write = log.error if refused.reason == FOREIGN else log.info
    write("job not claimed", job=row, reason=refused.reason, detail=refused.detail)


async def attempt(row: Row, context: Context) -> Ending:
    """Perform one attempt of a row; whatever goes wrong becomes its ending. Raises LeaseLost, StoreUnavailable."""
    ending = await _attempted(row, context)
    if ending.state == "dead" and row.action in GIVING_UP:
        await GIVING_UP[row.action](row, ending.error, context)
    return ending


async def _attempted(row: Row, context: Context) -> Ending:
    if row.attempts > attempts_of(row, context.settings) and not row.asked_at:  # such a call may have been made
        return Ending("dead", error=f"{row.attempts - 1} attempts ended with their worker; see the workers' logs")
    handler = HANDLERS.get(row.action)
    if handler is None:
        return Ending("dead", error=f"no handler for action {row.action!r}; there are {', '.join(HANDLERS)}")
    try:
        return await handler(await completed(row, context.ledger), context)
    except Unknown as error:
        return Ending("dead", error=f"an argument has no value: {error}")
    except (LeaseLost, StoreUnavailable):
        raise
    except Exception as error:  # the boundary: a fault in one job must not end the other jobs of this process
        log.exception("job faulty", job=row.id, rule=row.rule, event_id=row.event)
        return Ending("dead", error=f"a fault in the reactor: {type(error).__name__}: {error}")
