"""What every request is held to, whoever listens: its framing, size and time; and the answer that says why it is refused.

Knows no route and no source.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reactor.errors import RequestRejected

RETRY_AFTER = "5"
"""Seconds we ask a sender to wait when we or Redis are unable; Svix's own second attempt comes after five."""

LARGEST_HEAD, MOST_HEADERS = 16 * 1024, 100
"""Bytes and number of a request's headers. The parser bounds only a head that is not complete yet."""


def check_framing(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Refuse an oversized head, a body of ambiguous length, and one that would have to be unpacked."""
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEAD:
        raise RequestRejected(
            431, "head_too_large", f"a request may have {MOST_HEADERS} headers of {LARGEST_HEAD} bytes"
        )
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        raise RequestRejected(400, "ambiguous_length", "Content-Length and Transfer-Encoding in one request")
    if names.count(b"content-length") > 1:
        raise RequestRejected(400, "ambiguous_length", "Content-Length is there twice")
    if b"content-encoding" in names:
        raise RequestRejected(415, "encoded_body", "compressed bodies are not accepted")


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """Read the whole body within a size and a time. Raises RequestRejected: 413, 408, 400."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise RequestRejected(413, "body_too_large", f"a body may have {limit} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise RequestRejected(413, "body_too_large", f"a body may have {limit} bytes")
    except TimeoutError:
        raise RequestRejected(408, "body_too_slow", f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise RequestRejected(400, "disconnected", "the sender went away before the body was complete") from None
    return bytes(body)


BODY_UNREAD = frozenset(
    {
        *("unknown_source", "head_too_large", "ambiguous_length", "encoded_body", "body_too_large", "body_too_slow"),
        *("no_token_configured", "no_token", "unknown_token", "tokens_unreadable", "role_too_small"),
        *("unknown_parameter", "repeated_parameter", "too_many"),
    }
)
"""Refused before the body was read: what is left of it must not be taken for the next request."""


def problem(status: int, reason: str, detail: str, retry_after: str = "") -> Response:
    """A refusal: `reason` is a word for programs, `detail` a sentence for people."""
    headers = {"Connection": "close"} if reason in BODY_UNREAD else {}
    if retry_after:
        headers["Retry-After"] = retry_after
    return JSONResponse({"reason": reason, "detail": detail}, status, headers)
