"""What probes and Prometheus ask. Needs no token, and says nothing that needs one."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from reactor.errors import StoreError, StoreUnavailable
from reactor.http_api.parts import Parts
from reactor.metrics import render_metrics, render_process_metrics

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Probes:
    """Answers of one process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def livez(self, request: Request) -> Response:
        """The process runs; nothing else is asked, so that trouble elsewhere restarts nobody."""
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        """Redis is there, as it must be and writable, and the process is not about to end.

        Says which configuration is in force, why what is on disk is not, what is paused, and which queue has jobs and no
        worker: that leaves the process ready.
        """
        if self._parts.stopping.is_set():
            return self._not_ready("the process was told to end")
        try:
            server = await self._parts.store.ready()
            pauses = await self._parts.store.brakes.pauses()
            standings = await self._parts.queue.standings()
        except StoreError as error:
            return self._not_ready(str(error))
        state = self._parts.live.now
        detail = {
            "ready": True,
            "process": self._parts.process,
            "server": f"{server.name} {'.'.join(map(str, server.version))}",
            "revision": state.config.revision,
            "loaded": datetime.fromtimestamp(state.loaded, UTC).isoformat(timespec="seconds"),
            "refused": state.refused,
            "paused": [str(pause.scope) for pause in pauses],
            "warnings": [*server.warnings, *(each.warning for each in standings if each.warning)],
        }
        return JSONResponse(detail)

    def _not_ready(self, why: str) -> Response:
        return JSONResponse({"ready": False, "process": self._parts.process, "error": why}, 503)

    async def metrics(self, request: Request) -> Response:
        """All figures; those of this process alone when Redis can't be asked."""
        try:
            return Response(await render_metrics(self._parts.store, self._parts.queue), media_type=PROMETHEUS)
        except StoreUnavailable:
            return Response(render_process_metrics(), media_type=PROMETHEUS)
