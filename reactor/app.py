"""The public face of the web process: the endpoint that receives webhooks, and nothing else.

Owns HTTP: limits, statuses and answers. In a webhook request nothing happens but verify and record.
"""

import time
from dataclasses import dataclass, field

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reactor.errors import DeliveryRejected, RequestRejected, StoreUnavailable
from reactor.failpoints import failpoint
from reactor.guard import RETRY_AFTER, check_framing, problem, read_body
from reactor.metrics import Deliveries
from reactor.reload import Live
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.webhook import Source, receive

log = structlog.get_logger("reactor.web")


@dataclass(frozen=True)
class Web:
    """The parts a request may use."""

    settings: Settings
    store: Store
    live: Live
    deliveries: Deliveries = field(default_factory=Deliveries)

    async def webhook(self, request: Request) -> Response:
        """Receive one delivery: 204 once it is in the log, 4xx for a reason, 503 when Redis is unable."""
        name = request.path_params["source"]
        headers = tuple(request.scope["headers"])  # before the body: what follows it (trailers) is not signed
        try:
            source = self._source(name)
            check_framing(headers)
            body = await read_body(request, limit=self.settings.body_limit, seconds=self.settings.body_timeout)
            event = receive(source, headers, body, now=time.time())
            failpoint("web.after_verify")
            appended = await self.store.log.append(event, body)
        except RequestRejected as error:
            return self._refuse(name, error)
        except StoreUnavailable as error:
            self.deliveries.count(name, "unavailable")
            log.error("event not recorded", source=name, error=str(error))
            return problem(503, "store_unavailable", "the event was not recorded; deliver it again", RETRY_AFTER)
        failpoint("web.after_record")
        self.deliveries.count(name, "duplicate" if appended.duplicate else "accepted")
        log.info(
            "event recorded",
            source=name,
            event_id=event.id,
            type=event.type,
            entry=appended.entry,
            duplicate=appended.duplicate,
        )
        return Response(status_code=204)

    def count_too_many(self) -> None:
        """A delivery was refused before anybody looked at it: too many others were under way."""
        self.deliveries.count("(unknown)", "too_many")

    def _source(self, name: str) -> Source:
        sources = self.live.now.sources
        if name not in sources:
            raise DeliveryRejected(404, "unknown_source", "no source of this name is configured")
        return sources[name]

    def _refuse(self, name: str, error: RequestRejected) -> Response:
        counted = name if name in self.live.now.sources else "(unknown)"  # strangers think up names without end
        self.deliveries.count(counted, error.reason)
        log.warning("delivery refused", source=counted, status=error.status, reason=error.reason)
        return problem(error.status, error.reason, error.detail)

    async def unknown_path(self, request: Request, error: Exception) -> Response:
        """No such path: to a sender, most often a slash or a letter too many in the endpoint's URL."""
        detail = "webhooks go to /webhooks/<source>, without a slash at the end"
        return self._refuse("", DeliveryRejected(404, "unknown_path", detail))

    async def wrong_method(self, request: Request, error: Exception) -> Response:
        """A path that is there, asked in a way that it does not answer."""
        answer = self._refuse("", DeliveryRejected(405, "wrong_method", f"{request.method} is not answered here"))
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer


def create_app(web: Web) -> Starlette:
    """The ASGI application. Slashes are not redirected: to Svix, a redirect is a failed delivery."""
    app = Starlette(
        routes=[Route("/webhooks/{source}", web.webhook, methods=["POST"])],
        exception_handlers={404: web.unknown_path, 405: web.wrong_method},
    )
    app.router.redirect_slashes = False
    return app
