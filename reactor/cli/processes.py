"""The composition root: builds each process from its parts, and ends it in order.

Everything that can be wrong is checked before the first event is taken. The only place that wires modules together.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from reactor.apis.client import ApiClient
from reactor.app import Web, create_app
from reactor.cli.files import OTHER_FILES, open_files
from reactor.cli.listener import Server, listening, most_open
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.errors import ConfigError, StoreUnavailable
from reactor.handlers.context import Context
from reactor.http_api.listener import create_listener
from reactor.http_api.parts import Parts
from reactor.metrics import Deliveries
from reactor.queue import JobQueue
from reactor.reconcile.reconciler import Reconciler
from reactor.reload import Live, Reloader, Told
from reactor.runs.runner import Runner
from reactor.settings import Settings
from reactor.store.keys import MAIN
from reactor.store.store import Store
from reactor.watch import Watcher
from reactor.worker import Worker
from reactor.yaml12 import expected_one_of

BLOCKING = 2.0
"""Seconds that the longest blocking read of any process waits, rounded up."""

OPERATIONS_PORTS = {"serve": 8789, "dispatch": 8790, "work": 8791}
"""Where each process listens for operations unless told: one of each fits on a machine."""

OPERATIONS_REQUESTS = 64
"""Requests at once of the operations listener: probes, Prometheus and a few people."""

OnReady = Callable[[str], None]

log = structlog.get_logger("reactor")


@asynccontextmanager
async def opened(settings: Settings, serves: str = MAIN) -> AsyncIterator[tuple[Store, JobQueue]]:
    """Store and queue, checked. Raises ConfigError, StoreError."""
    store = Store(settings, blocking=BLOCKING)
    queue = JobQueue(settings.redis_url, settings.instance, store.redis, serves)
    try:
        await _check(store)
        yield store, queue
    finally:
        queue.close()
        await store.close()


async def _check(store: Store) -> None:
    try:
        for warning in (await store.ready()).warnings:
            log.warning("server not fully fit", warning=warning)
        await store.log.join()
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{error}\nREACTOR_REDIS_URL must lead to a running Redis or Valkey that may be used from here; "
            "`reactor dev` and `reactor demo` bring their own."
        ) from error


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        yield stopping
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def run_web(settings: Settings, *, dispatch: bool, on_ready: OnReady) -> None:
    """The web process, with the dispatcher beside it unless that runs elsewhere."""
    live = Live.load(settings.config, receives=True)
    async with opened(settings) as (store, queue):
        deliveries = Deliveries()
        web = Web(settings, store, live, deliveries)
        with listening(settings.host, settings.port) as listener, stop_on_signals() as stopping:
            parts = Parts("serve", settings, store, queue, live, stopping)
            public, private = most_open(settings.connections, OPERATIONS_REQUESTS)
            async with _operated(settings, parts, private) as announced, asyncio.TaskGroup() as tasks:

                def on_listening(url: str) -> None:
                    on_ready(f"reactor listens on {url}")
                    on_ready(announced)

                tasks.create_task(_reloader(settings, live, store, "serve", deliveries.told).run(stopping))
                server = Server(
                    settings,
                    create_app(web),
                    on_listening,
                    requests=settings.connections,
                    connections=public,
                    on_refused=web.count_too_many,
                )
                tasks.create_task(server.run(listener, stopping))
                if dispatch:
                    _start_dispatcher(tasks, settings, live, store, queue, stopping)


@asynccontextmanager
async def _operated(settings: Settings, parts: Parts, connections: int) -> AsyncIterator[str]:
    """The operations listener, from before the process works until after it ended; yields the line that says where.

    So many `connections` may be open.
    """
    port = settings.operations_port
    port = OPERATIONS_PORTS[parts.process] if port is None else port
    at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()
    server = Server(
        settings, create_listener(parts), at.set_result, requests=OPERATIONS_REQUESTS, connections=connections
    )
    with listening(settings.operations_host, port, "REACTOR_OPERATIONS_HOST or REACTOR_OPERATIONS_PORT") as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(listener, ended))
            try:
                yield f"probes, figures and the API on {await at}"
            finally:
                ended.set()


async def run_dispatcher(settings: Settings, *, on_ready: OnReady) -> None:
    """A dispatcher and a due poller."""
    live = Live.load(settings.config)
    async with opened(settings) as (store, queue):
        with stop_on_signals() as stopping:
            parts = Parts("dispatch", settings, store, queue, live, stopping)
            [connections] = most_open(OPERATIONS_REQUESTS)
            async with _operated(settings, parts, connections) as announced, asyncio.TaskGroup() as tasks:
                _start_dispatcher(tasks, settings, live, store, queue, stopping)
                tasks.create_task(_reloader(settings, live, store, "dispatch").run(stopping))
                on_ready(f"reactor dispatches (revision {live.config.revision})")
                on_ready(announced)


def _start_dispatcher(
    tasks: asyncio.TaskGroup,
    settings: Settings,
    live: Live,
    store: Store,
    queue: JobQueue,
    stopping: asyncio.Event,
) -> None:
    tasks.create_task(Dispatcher(store, queue, live, takeover=settings.takeover).run(stopping))
    tasks.create_task(DuePoller(store, queue).run(stopping))


def _reloader(
    settings: Settings, live: Live, store: Store, role: str, deliveries: Callable[[], Told] = dict
) -> Reloader:
    return Reloader(live, settings.config, store, role=role, every=settings.reload, deliveries=deliveries)


def _take_files(settings: Settings) -> int:
    """How many connections a worker's listener may have; what the worker may call and watch at once is not among them.

    One that asked for more calls at once than it may have files would fail them, and its jobs with them: it says so.
    """
    calls = settings.concurrency + settings.watches
    needed = calls + OTHER_FILES
    if (allowed := open_files(needed)) < needed:
        log.warning(
            "too few files",
            allowed=allowed,
            needed=needed,
            remedy="raise the limit on open files (`ulimit -Hn`), or lower REACTOR_CONCURRENCY or REACTOR_WATCHES",
        )
    [connections] = most_open(OPERATIONS_REQUESTS, besides=calls)
    return connections


async def run_worker(settings: Settings, queue_name: str, *, on_ready: OnReady) -> None:
    """A worker of one queue. That of the main queue watches and reconciles too: what another performs may hold its loop.

    Raises ConfigError for a queue that is not declared.
    """
    live = Live.load(settings.config)
    if queue_name not in (MAIN, *live.config.queues):
        found = expected_one_of(queue_name, (MAIN, *live.config.queues))
        raise ConfigError(f"--queue: {found} ({settings.config / 'queues.yaml'} declares them)")
    connections = _take_files(settings)
    client = ApiClient(connections=settings.concurrency, private=settings.private)
    polls = ApiClient(connections=settings.watches, private=settings.private)
    async with opened(settings, queue_name) as (store, queue):
        try:
            with stop_on_signals() as stopping:
                runner = Runner(live.config, store, queue, probe=settings.probe)
                context = Context(settings, live.config, store.log, store.ledger, store.brakes, client, runner, live)
                worker = Worker(store, queue, context)
                parts = Parts("work", settings, store, queue, live, stopping)
                async with _operated(settings, parts, connections) as announced, asyncio.TaskGroup() as tasks:
                    where = "" if queue_name == MAIN else f" --queue {queue_name}"
                    tasks.create_task(_reloader(settings, live, store, f"work{where}").run(stopping))
                    if queue_name == MAIN:
                        tasks.create_task(Watcher(store, queue, live, polls, settings).run(stopping))
                        tasks.create_task(Reconciler(store, live, client, settings).run(stopping))
                    on_ready(f"reactor works{where} (revision {live.config.revision})")
                    on_ready(announced)
                    await worker.run(stopping)
        finally:
            await client.close()
            await polls.close()
