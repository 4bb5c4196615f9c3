"""HTTP servers: uvicorn, with the limits on connections and heads that it lacks, stopped by our event.

Owns sockets, protocol limits and their ends. Knows no route. The limits on a request itself are the application's.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reactor.cli.files import OTHER_FILES, open_files
from reactor.cli.lingering import Patient
from reactor.errors import ConfigError
from reactor.guard import LARGEST_HEAD, RETRY_AFTER, problem
from reactor.settings import Settings

KEEP_ALIVE = 5
"""Seconds a connection stays open without a request."""

OPEN_FOR_EACH = 16
"""Connections that may be open for each request under way, so that who asks too much can be told so."""

LAST_WORDS = 0.5
"""Seconds that a listener which ends keeps open connections, for what is sent before the sender can know."""

TICK = 0.02


def listening(host: str, port: int, remedy: str = "REACTOR_HOST or REACTOR_PORT") -> socket.socket:
    """A listening socket. Raises ConfigError, where uvicorn would end the process with a log line."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror}; choose another {remedy}") from error


def most_open(*requests: int, besides: int = 0) -> list[int]:
    """How many connections each listener of a process may have open for so many requests at once.

    Takes more files from the system, if it lets us; else they share what there is, so that no crowd at one listener leaves the
    other without. `besides` are those that the process needs for its own calls.
    """
    wanted = [OPEN_FOR_EACH * each for each in requests]
    files = besides + OTHER_FILES
    left = open_files(sum(wanted) + files) - files
    return [max(OPEN_FOR_EACH, min(each, each * left // sum(wanted))) for each in wanted]


@dataclass
class Room:
    """What the connections of one listener share: `seconds` for the head of a request, and a number of `connections`.

    Of more, the one that has waited longest without a request goes: so senders who open connections and send nothing keep
    nobody out.
    """

    seconds: float
    connections: int
    waiting: "dict[Bounded, None]" = field(default_factory=dict)
    """Those without a request, the one that has waited longest first."""

    def make(self, newcomer: "Bounded") -> None:
        """Hang up on those who have waited longest, as far as there are too many."""
        surplus = len(newcomer.connections) - self.connections
        for oldest in list(self.waiting)[: max(0, surplus)]:
            self.waiting.pop(oldest)
            newcomer.connections.discard(oldest)
            oldest.transport.abort()


class Bounded(Patient):
    """Closes a connection whose request has not begun in time; an idle one that is kept is uvicorn's to close."""

    def __init__(self, room: Room, **given: Any) -> None:
        super().__init__(**given)
        self._room = room
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; when there are too many connections, the one that waited longest goes."""
        super().connection_made(transport)
        self._room.make(self)
        self._room.waiting[self] = None
        self._timer = self.loop.call_later(self._room.seconds, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head; a request that has begun is the application's."""
        if self._timer is None and self._idle():
            self._timer = self.loop.call_later(self._room.seconds, self.transport.close)
        super().data_received(data)
        if self._timer and not self._idle():
            self._timer.cancel()
            self._timer = None
            self._room.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for a sender to end who was refused: that one makes room like the others."""
        super().on_response_complete()
        if self._idle() and (self.transport.lingers or not self.transport.is_closing()):
            self._room.waiting[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        if self._timer:
            self._timer.cancel()
        self._room.waiting.pop(self, None)
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


class Admission:
    """At most so many requests under way at once; what is more is answered 503 before anybody looks at it.

    To a sender that is "not now": it comes again. `on_refused` is told of each. While it is `ending`, every answer asks the
    sender to use the connection no more.
    """

    def __init__(self, app: ASGIApp, most: int, on_refused: Callable[[], None]) -> None:
        self._app = app
        self._most = most
        self._on_refused = on_refused
        self._under_way = 0
        self.ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def answer(message: Message) -> None:
            if self.ending and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        if self._under_way >= self._most:
            self._on_refused()
            detail = f"{self._most} requests are under way; ask again later"
            await problem(503, "too_many", detail, RETRY_AFTER)(scope, receive, answer)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, answer)
        finally:
            self._under_way -= 1


class Server(uvicorn.Server):
    """uvicorn, stopped by our event instead of by its own signal handlers.

    `requests` may be under way at once, `connections` be open.
    """

    def __init__(
        self,
        settings: Settings,
        app: ASGIApp,
        on_listening: Callable[[str], None],
        *,
        requests: int,
        connections: int,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._admission = Admission(app, requests, on_refused)
        room = Room(settings.body_timeout, connections)
        super().__init__(
            uvicorn.Config(
                self._admission,
                http=partial(Bounded, room),  # type: ignore[arg-type]  # called like the class it stands for
                h11_max_incomplete_event_size=LARGEST_HEAD,
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

    async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Listen no more, wait a moment for who is about to ask on an open connection, answer what was accepted."""
        self._admission.ending = True
        for server in self.servers:
            server.close()
        for _ in range(round(LAST_WORDS / TICK)):
            if not self.server_state.connections:
                break
            await asyncio.sleep(TICK)
        await super().shutdown(sockets)

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
