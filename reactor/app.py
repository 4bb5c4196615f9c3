"""The public face of the web process: the endpoint that receives webhooks, and nothing else.

Owns HTTP: limits, statuses and answers. In a webhook request nothing happens but verify and record.
"""

import asyncio
import time
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reactor.errors import DeliveryRejected, StoreUnavailable
from reactor.failpoints import failpoint
from reactor.metrics import DELIVERIES
from reactor.reload import Live
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.webhook import Source, receive

RETRY_AFTER = "5"
"""Seconds we ask a sender to wait when Redis is unable; Svix's own second attempt comes after five."""

LARGEST_HEAD, MOST_HEADERS = 16 * 1024, 100
"""Bytes and number of a request's headers. The parser bounds only a head that is not complete yet."""

log = structlog.get_logger("reactor.web")


@dataclass(frozen=True)
class Web:
    """The parts a request may use."""

    settings: Settings
    store: Store
    live: Live

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
        except DeliveryRejected as error:
            return self._refuse(name, error)
        except StoreUnavailable as error:
            DELIVERIES.labels(name, "unavailable").inc()
            log.error("event not recorded", source=name, error=str(error))
            return _answer(503, "store_unavailable", "the event was not recorded; deliver it again", RETRY_AFTER)
        failpoint("web.after_record")
        DELIVERIES.labels(name, "duplicate" if appended.duplicate else "accepted").inc()
        log.info(
            "event recorded",
            source=name,
            event_id=event.id,
            type=event.type,
            entry=appended.entry,
            duplicate=appended.duplicate,
        )
        return Response(status_code=204)

    def _source(self, name: str) -> Source:
        sources = self.live.now.sources
        if name not in sources:
            raise DeliveryRejected(404, "unknown_source", "no source of this name is configured")
        return sources[name]

    def _refuse(self, name: str, error: DeliveryRejected) -> Response:
        counted = name if name in self.live.now.sources else "(unknown)"  # strangers think up names without end
        DELIVERIES.labels(counted, error.reason).inc()
        log.warning("delivery refused", source=counted, status=error.status, reason=error.reason)
        return _answer(error.status, error.reason, error.detail)

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


def check_framing(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Refuse an oversized head, a body of ambiguous length, and one that would have to be unpacked."""
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEAD:
        raise DeliveryRejected(
            431, "head_too_large", f"a request may have {MOST_HEADERS} headers of {LARGEST_HEAD} bytes"
        )
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        raise DeliveryRejected(400, "ambiguous_length", "Content-Length and Transfer-Encoding in one request")
    if names.count(b"content-length") > 1:
        raise DeliveryRejected(400, "ambiguous_length", "Content-Length is there twice")
    if b"content-encoding" in names:
        raise DeliveryRejected(415, "encoded_body", "compressed bodies are not accepted")


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """Read the whole body within a size and a time. Raises DeliveryRejected: 413, 408, 400."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise DeliveryRejected(413, "body_too_large", f"a body may have {limit} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise DeliveryRejected(413, "body_too_large", f"a body may have {limit} bytes")
    except TimeoutError:
        raise DeliveryRejected(408, "body_too_slow", f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise DeliveryRejected(400, "disconnected", "the sender went away before the body was complete") from None
    return bytes(body)


BODY_UNREAD = frozenset(
    {"unknown_source", "head_too_large", "ambiguous_length", "encoded_body", "body_too_large", "body_too_slow"}
)
"""Refused before the body was read: what is left of it must not be taken for the next request."""


def _answer(status: int, reason: str, detail: str, retry_after: str = "") -> Response:
    headers = {"Connection": "close"} if reason in BODY_UNREAD else {}
    if retry_after:
        headers["Retry-After"] = retry_after
    return JSONResponse({"reason": reason, "detail": detail}, status, headers)
