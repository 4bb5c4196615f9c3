"""What a stock `rq worker` needs to perform our rows, forking for each: the one function, and the one kind of job that runs it.

    rq worker --serializer json --job-class reactor.stock.RowJob …

Owns nothing of how a row is performed: it is claimed, renewed and fenced as by our own worker. Each fork reads the
configuration for itself, so that there is no last good one: while the directory is broken, rows are put off and say why.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from rq.exceptions import NoSuchJobError
from rq.job import Job

from reactor.apis.client import ApiClient
from reactor.errors import ConfigError
from reactor.handlers.context import Context
from reactor.queue import PERFORM, JobQueue, read_ticket
from reactor.reload import MOST_WORDS, Live
from reactor.runs.runner import Runner
from reactor.settings import Settings, load_settings
from reactor.store.ledger import Ending, Row
from reactor.store.store import Store
from reactor.telemetry import configure_logs
from reactor.worker import Worker

PUT_OFF: Final = 30.0
"""Seconds until a row is tried again for which there was no configuration to perform it by."""

KEPT: Final = frozenset(
    b"created_at data description ended_at enqueued_at last_heartbeat origin result_ttl started_at status timeout"
    b" worker_name".split()
)
"""The fields of an RQ job that are read. Others name functions (callbacks), addresses (webhooks), or have RQ enqueue more."""

log = structlog.get_logger("reactor.stock")


class RowJob(Job):
    """An RQ job that can do nothing but perform a row, whatever Redis says of it.

    Without it a stock worker runs any function that can be imported, for whoever may write to the queue.
    """

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read a job. Raises NoSuchJobError, for which RQ drops it, if it is none of ours."""
        if read_ticket(raw_data.get(b"data", b"")) is None:
            self.log.error("job %s refused: only %s may run here", self.id, PERFORM)
            raise NoSuchJobError(f"job {self.id}: only {PERFORM} may run here")
        super().restore({name: value for name, value in raw_data.items() if name in KEPT})


def perform(row: str, number: int) -> None:
    """The one function that may stand in an RQ job. `number` is that of the enqueue; it is in the job's id.

    It claims the row like any worker, so running it twice, late or beside our own worker has no further effect. It does not
    wait for a thread in which a handler goes on that was given up: RQ ends the process, and the thread with it.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_perform(row))
    finally:
        loop.close()


async def _perform(row: str) -> None:
    """As a process of ours that begins for one row: a server or data that it could not begin on are left alone."""
    settings = load_settings()
    configure_logs(settings)
    store = Store(settings)
    queue = JobQueue(settings.redis_url, settings.instance, store.redis)
    try:
        await store.ready()
        try:
            live = Live.load(settings.config)
        except ConfigError as error:
            await _put_off(store, row, error)
        else:
            await _perform_by(live, settings, store, queue, row)
    finally:
        queue.close()
        await store.close()


async def _perform_by(live: Live, settings: Settings, store: Store, queue: JobQueue, row: str) -> None:
    client = ApiClient(connections=1, private=settings.private)
    try:
        runner = Runner(live.config, store, queue, probe=settings.probe)
        context = Context(settings, live.config, store.log, store.ledger, store.brakes, client, runner, live)
        await Worker(store, queue, context).perform_one(row)
    finally:
        await client.close()


async def _put_off(store: Store, row: str, error: ConfigError) -> None:
    """Leave a row for later, with the reason: no last good configuration is at hand here, and no attempt was made."""
    [claim] = await store.ledger.claim([row], "stock")
    if isinstance(claim, Row):
        why = f"the configuration is refused, and the job waits until it is mended: {error}"
        await store.ledger.finish(claim, Ending("due", error=why[:MOST_WORDS], delay=PUT_OFF, spent=False))
        log.error("job put off", job=row, seconds=PUT_OFF, error=why)
