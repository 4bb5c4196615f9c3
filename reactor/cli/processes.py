"""The composition root: builds each process from its parts, and ends it in order.

Everything that can be wrong is checked before the first event is taken. The only place that wires modules together.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reactor.apis.client import ApiClient
from reactor.app import Web, create_app
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.errors import ConfigError, StoreUnavailable
from reactor.guard import LARGEST_HEAD
from reactor.handlers.context import Context
from reactor.operations.listener import create_operations
from reactor.operations.parts import Operations
from reactor.queue import JobQueue
from reactor.reconcile import Reconciler
from reactor.reload import Live, Reloader
from reactor.runs import Runner
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.worker import Worker

BLOCKING = 2.0
"""Seconds that the longest blocking read of any process waits, rounded up."""

OPERATIONS_PORTS = {"serve": 8789, "dispatch": 8790, "work": 8791}
"""Where each process listens for operations unless told: one of each fits on a machine."""

OPERATIONS_CONNECTIONS = 64
"""Concurrent connections of the operations listener: probes, Prometheus and a few people."""

OnReady = Callable[[str], None]

log = structlog.get_logger("reactor")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Store, JobQueue]]:
    """Store and queue, checked. Raises ConfigError, StoreError."""
    store = Store(settings, blocking=BLOCKING)
    queue = JobQueue(settings.redis_url, settings.instance, store.redis)
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
        app = create_app(Web(settings, store, live))
        with listening(settings.host, settings.port) as listener, stop_on_signals() as stopping:
            operations = Operations("serve", settings, store, queue, live, stopping)
            async with _operated(settings, operations) as announced, asyncio.TaskGroup() as tasks:

                def on_listening(url: str) -> None:
                    on_ready(f"reactor listens on {url}")
                    on_ready(announced)

                tasks.create_task(_reloader(settings, live, store, "serve").run(stopping))
                server = _Server(settings, app, on_listening, connections=settings.connections)
                tasks.create_task(server.run(listener, stopping))
                if dispatch:
                    _start_dispatcher(tasks, settings, live, store, queue, stopping)


def listening(host: str, port: int, remedy: str = "REACTOR_HOST or REACTOR_PORT") -> socket.socket:
    """A listening socket. Raises ConfigError, where uvicorn would end the process with a log line."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; choose another {remedy}") from error


@asynccontextmanager
async def _operated(settings: Settings, operations: Operations) -> AsyncIterator[str]:
    """The operations listener, from before the process works until after it ended; yields the line that says where."""
    port = settings.operations_port
    port = OPERATIONS_PORTS[operations.process] if port is None else port
    at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()
    server = _Server(settings, create_operations(operations), at.set_result, connections=OPERATIONS_CONNECTIONS)
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
            operations = Operations("dispatch", settings, store, queue, live, stopping)
            async with _operated(settings, operations) as announced, asyncio.TaskGroup() as tasks:
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


def _reloader(settings: Settings, live: Live, store: Store, role: str) -> Reloader:
    return Reloader(live, settings.config, store, role=role, every=settings.reload)


async def run_worker(settings: Settings, *, on_ready: OnReady) -> None:
    """A worker."""
    live = Live.load(settings.config)
    client = ApiClient(connections=settings.concurrency, private=settings.private)
    async with opened(settings) as (store, queue):
        try:
            with stop_on_signals() as stopping:
                runner = Runner(live.config, store, queue, probe=settings.probe)
                worker = Worker(store, queue, Context(settings, live.config, store.ledger, client, runner, live))
                operations = Operations("work", settings, store, queue, live, stopping)
                async with _operated(settings, operations) as announced, asyncio.TaskGroup() as tasks:
                    tasks.create_task(_reloader(settings, live, store, "work").run(stopping))
                    tasks.create_task(Reconciler(store, live, client, settings).run(stopping))
                    on_ready(f"reactor works (revision {live.config.revision})")
                    on_ready(announced)
                    await worker.run(stopping)
        finally:
            await client.close()


def _bounded(seconds: float) -> type[H11Protocol]:
    """uvicorn's h11 protocol, with a time limit on the head of a request: it has none of its own."""

    class Bounded(H11Protocol):
        """Closes a connection whose request has not begun in time; an idle one that is kept is uvicorn's to close."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Wait for the first request."""
            super().connection_made(transport)
            self._timer = self.loop.call_later(seconds, self.transport.close)

        def data_received(self, data: bytes) -> None:
            """Wait for the rest of a head; a request that has begun is the application's."""
            if self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._timer = self.loop.call_later(seconds, self.transport.close)
            super().data_received(data)
            if self._timer and self.cycle is not None and not self.cycle.response_complete:
                self._timer.cancel()
                self._timer = None

        def connection_lost(self, exc: Exception | None) -> None:
            """Wait for nothing any more."""
            if self._timer:
                self._timer.cancel()
            super().connection_lost(exc)

    return Bounded


class _Server(uvicorn.Server):
    """uvicorn, stopped by our event instead of by its own signal handlers."""

    def __init__(self, settings: Settings, app: object, on_listening: OnReady, *, connections: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]  # any ASGI application
                http=_bounded(settings.body_timeout),
                h11_max_incomplete_event_size=LARGEST_HEAD,
                limit_concurrency=connections,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=int(settings.drain),
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
                log_config=None,
            )
        )
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `stop_on_signals`."""
        yield

    async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def run(self, listener: socket.socket, stopping: asyncio.Event) -> None:  # type: ignore[override]
        """Serve until told to stop, then answer what was accepted."""
        watcher = asyncio.create_task(self._exit_when(stopping))
        try:
            await self.serve(sockets=[listener])
        finally:
            stopping.set()
            await watcher

    async def _exit_when(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self.should_exit = True
