"""The emulator as a web application, and serving it on a port of its own."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from reactor.emulator.admin import Admin, refuse_invalid
from reactor.emulator.api import METHODS
from reactor.emulator.organization import Organization
from reactor.emulator.settings import EmulatorSettings

DASHBOARD = "<!doctype html><html><head><title>Daytona</title></head><body><div id=root></div></body></html>"


def create_emulator(settings: EmulatorSettings) -> Starlette:
    """Build the application. Lost replies need the server of `running`, which can cut a connection."""
    return _application(Organization(settings))


@asynccontextmanager
async def running(settings: EmulatorSettings, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an emulator while the context lasts and give its URL; port 0 takes a free one. Raises OSError."""
    with socket.create_server((host, port)) as listener:
        # asyncio does this only for sockets it made itself; without it answers wait 40 ms for delayed ACKs.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        organization = Organization(settings)
        config = uvicorn.Config(
            _application(organization),
            http=_CuttableProtocol,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            # Without their journeys, creates that wait for `started` answer at once.
            await organization.background.stop()
            server.should_exit = True
            await serving


async def serve(settings: EmulatorSettings, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve an emulator until SIGTERM or SIGINT; `on_ready` is given its URL. Raises OSError if the port is taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with running(settings, host, port) as url:
        on_ready(url)
        await stop.wait()


def _application(organization: Organization) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await organization.close()

    return Starlette(
        routes=[
            *organization.routes(),
            Mount("/emulator", routes=Admin(organization).routes()),
            Route("/{rest:path}", _dashboard, methods=METHODS),
        ],
        exception_handlers={ValidationError: refuse_invalid},
        lifespan=lifespan,
    )


async def _dashboard(_: Request) -> Response:
    """Answer like Daytona's web front, which takes every path: a base URL without /api gets HTML and a 200."""
    return HTMLResponse(DASHBOARD)


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _CuttableProtocol(H11Protocol):
    """HTTP that lets the application cut the connection: `request.state.cut()`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "cut": transport.abort}
