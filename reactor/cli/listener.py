"""HTTP servers: uvicorn, with the limits on connections and heads that it lacks, stopped by our event.

Owns sockets, protocol limits and their ends. Knows no route. The limits on a request itself are the application's.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reactor.cli.lingering import Patient
from reactor.errors import ConfigError
from reactor.guard import LARGEST_HEAD
from reactor.settings import Settings

KEEP_ALIVE = 5
"""Seconds a connection stays open without a request."""


def listening(host: str, port: int, remedy: str = "REACTOR_HOST or REACTOR_PORT") -> socket.socket:
    """A listening socket. Raises ConfigError, where uvicorn would end the process with a log line."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; choose another {remedy}") from error


def bounded(seconds: float, connections: int) -> type[H11Protocol]:
    """uvicorn's h11 protocol, with the two limits it lacks: a time for a request's head, and a number of idle connections.

    Without the second, senders who open connections and send nothing would have every request answered 503.
    """

    class Bounded(Patient):
        """Closes a connection whose request has not begun in time; an idle one that is kept is uvicorn's to close."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Wait for the first request; when there are too many connections, the one that waited longest goes."""
            super().connection_made(transport)
            _make_room(waiting, self, len(self.connections) - connections + 1)
            waiting[self] = None
            self._timer = self.loop.call_later(seconds, self.transport.close)

        def data_received(self, data: bytes) -> None:
            """Wait for the rest of a head; a request that has begun is the application's."""
            if self._timer is None and self._idle():
                self._timer = self.loop.call_later(seconds, self.transport.close)
            super().data_received(data)
            if self._timer and not self._idle():
                self._timer.cancel()
                self._timer = None
                waiting.pop(self, None)

        def on_response_complete(self) -> None:
            """Wait for the next request."""
            super().on_response_complete()
            if self._idle() and not self.transport.is_closing():
                waiting[self] = None

        def connection_lost(self, exc: Exception | None) -> None:
            """Wait for nothing any more."""
            if self._timer:
                self._timer.cancel()
            waiting.pop(self, None)
            super().connection_lost(exc)

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

    waiting: dict[H11Protocol, None] = {}
    return Bounded


def _make_room(waiting: dict[H11Protocol, None], newcomer: H11Protocol, surplus: int) -> None:
    """Hang up on those who have waited longest without a request."""
    for oldest in list(waiting)[: max(0, surplus)]:
        waiting.pop(oldest)
        newcomer.connections.discard(oldest)
        oldest.transport.abort()


class Server(uvicorn.Server):
    """uvicorn, stopped by our event instead of by its own signal handlers."""

    def __init__(
        self, settings: Settings, app: object, on_listening: Callable[[str], None], *, connections: int
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]  # any ASGI application
                http=bounded(settings.body_timeout, connections),
                h11_max_incomplete_event_size=LARGEST_HEAD,
                limit_concurrency=connections,
                timeout_keep_alive=KEEP_ALIVE,
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
        """Leave the signals to whoever started the server."""
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
