"""What a reply means for the job that asked: done, try again when, never, or nobody knows. Pure.

Owns the reading of statuses and Retry-After headers. Sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from reactor.apis.openapi import Operation
from reactor.apis.provider import Provider
from reactor.errors import CallError, GateClosed, PermanentError, TemporaryError, UnknownOutcome

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Sent twice, these have one effect (RFC 9110, section 9.2.2)."""

REFUSED_KEY = frozenset({401, 402, 403})
"""The key, the bill or the permission: no job of this API can succeed until a person acts."""

REFUSED_KEY_PAUSE = 10.0
QUOTA_PAUSE = 60.0
RATE_LIMIT_PAUSE = 5.0
LONGEST_PAUSE = 3600.0
"""Seconds: how long an API is left alone after each of these; the last bounds what a header may ask for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An API's answer. `data` is the JSON body, or the text where the API's document says so; None when there is none."""

    status: int
    headers: Mapping[str, str]
    data: Any

    @property
    def ok(self) -> bool:
        """Whether the operation was performed."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """What an error body says, in its own words; bounded."""
        said = self.data.get("message") if isinstance(self.data, Mapping) else self.data
        return str(said if said is not None else "")[:500]


def repeatable(operation: Operation, provider: Provider) -> bool:
    """Whether sending an operation twice has the effect of sending it once."""
    return operation.method in IDEMPOTENT_METHODS or operation.id in provider.repeatable


def failure(reply: Reply, operation: Operation, provider: Provider, *, now: datetime) -> CallError:
    """The error that a reply other than 2xx stands for."""
    said = f"{operation.id} answered {reply.status}: {reply.message}"
    status, pause = reply.status, retry_after(reply.headers, now)
    if status == 429:
        return GateClosed(said, pause or RATE_LIMIT_PAUSE, operation=operation.id, status=status)
    if any(answer.recognises(status, reply.message) for answer in provider.quota):
        return GateClosed(said, pause or QUOTA_PAUSE, operation=operation.id, status=status)
    if status in REFUSED_KEY:
        return GateClosed(said, REFUSED_KEY_PAUSE, status=status)
    if any(answer.recognises(status, reply.message) for answer in provider.transient):
        return TemporaryError(said, pause, status=status, passing=True)
    if status == 408 or status >= 500:
        return lost(said, operation, provider, delay=pause, status=status)
    return PermanentError(said, status=status)


def lost(
    said: str, operation: Operation, provider: Provider, *, delay: float | None = None, status: int = 0
) -> CallError:
    """The error for a call that may have acted: try again where that is safe, else a person decides."""
    if repeatable(operation, provider):
        return TemporaryError(said, delay, status=status)
    return UnknownOutcome(said, status=status)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The longest pause, in seconds, that any `Retry-After` or `Retry-After-<suffix>` header asks for.

    Daytona's limiter names its headers by limit: `Retry-After-sandbox-create`.
    """
    pauses = [_seconds(value, now) for name, value in headers.items() if name.lower().startswith("retry-after")]
    known = [pause for pause in pauses if pause is not None]
    return min(max(known), LONGEST_PAUSE) if known else None


def _seconds(value: str, now: datetime) -> float | None:
    try:
        return max(0.0, float(value))
    except ValueError:  # not a number, so it is a date
        at = http_date(value)
    return max(0.0, (at - now).total_seconds()) if at else None


def http_date(text: str) -> datetime | None:
    """The time that a Date or Retry-After header says, always with a zone; None for what is no date."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
