"""The operations listener: what probes and Prometheus ask of a process, on an address of its own.

Every process has one (`serve`, `dispatch`, `work`), so that no flood of the public endpoint keeps a probe waiting.
Owns its routes and their answers. Receives no webhook.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reactor.errors import StoreError, StoreUnavailable
from reactor.metrics import render_metrics, render_process_metrics
from reactor.queue import JobQueue
from reactor.reload import Live
from reactor.store.store import Store

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Operations:
    """The parts an answer may use. `process` is the command that runs; `stopping` is set once it was told to end."""

    process: str
    store: Store
    queue: JobQueue
    live: Live
    stopping: asyncio.Event

    async def livez(self, request: Request) -> Response:
        """The process runs; nothing else is asked, so that trouble elsewhere restarts nobody."""
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        """Redis is there, as it must be and writable, and the process is not about to end.

        Says which configuration is in force, and why what is on disk is not: that leaves the process ready.
        """
        if self.stopping.is_set():
            return JSONResponse({"ready": False, "process": self.process, "error": "the process was told to end"}, 503)
        try:
            server = await self.store.ready()
        except StoreError as error:
            return JSONResponse({"ready": False, "process": self.process, "error": str(error)}, 503)
        state = self.live.now
        detail = {
            "ready": True,
            "process": self.process,
            "server": f"{server.name} {'.'.join(map(str, server.version))}",
            "revision": state.config.revision,
            "loaded": datetime.fromtimestamp(state.loaded, UTC).isoformat(timespec="seconds"),
            "refused": state.refused,
            "warnings": server.warnings,
        }
        return JSONResponse(detail)

    async def metrics(self, request: Request) -> Response:
        """All figures; those of this process alone when Redis can't be asked."""
        try:
            return Response(await render_metrics(self.store, self.queue), media_type=PROMETHEUS)
        except StoreUnavailable:
            return Response(render_process_metrics(), media_type=PROMETHEUS)


def create_operations(operations: Operations) -> Starlette:
    """The ASGI application of the operations listener."""
    return Starlette(
        routes=[
            Route("/livez", operations.livez),
            Route("/readyz", operations.readyz),
            Route("/metrics", operations.metrics),
        ],
        exception_handlers={404: _unknown_path, 405: _wrong_method},
    )


async def _unknown_path(request: Request, error: Exception) -> Response:
    return JSONResponse({"reason": "unknown_path", "detail": "docs/operations.md lists the paths"}, 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    detail = f"{request.method} is not answered here"
    return JSONResponse({"reason": "wrong_method", "detail": detail}, 405, getattr(error, "headers", None))
