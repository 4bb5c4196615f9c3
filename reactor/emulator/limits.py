"""Rate limits: how many calls each throttler lets through in a window of time, and what it says in headers.

Names and headers are Daytona's: each header carries its throttler's name, also `Retry-After` (nestjs throttler 6.4).
"""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from reactor.emulator.bodies import Refused

Throttler = Literal["authenticated", "sandbox-create", "sandbox-lifecycle"]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Limit:
    """So many calls in so many (real) seconds. The window opens with the first call."""

    limit: Annotated[int, Field(ge=0)]
    window: Annotated[float, Field(gt=0)] = 60.0


class Limits:
    """The limits in force and what is used up of them."""

    def __init__(self, limits: Mapping[Throttler, Limit]) -> None:
        self.put(limits)

    def put(self, limits: Mapping[Throttler, Limit]) -> None:
        """Replace the limits; a throttler that is not named lets everything through."""
        self.limits = limits
        self._windows: dict[Throttler, tuple[float, int]] = {}

    def admit(self, throttlers: Iterable[Throttler]) -> dict[str, str]:
        """Count a call and return the headers that say what is left. Raises Refused (429) when nothing is."""
        headers: dict[str, str] = {}
        for throttler in throttlers:
            if limit := self.limits.get(throttler):
                headers |= self._count(throttler, limit)
        return headers

    def _count(self, throttler: Throttler, limit: Limit) -> dict[str, str]:
        now = time.monotonic()
        closes, used = self._windows.get(throttler, (now, 0))
        if now >= closes:
            closes, used = now + limit.window, 0
        self._windows[throttler] = (closes, used + 1)
        seconds = str(math.ceil(closes - now))
        headers = {
            f"X-RateLimit-Limit-{throttler}": str(limit.limit),
            f"X-RateLimit-Remaining-{throttler}": str(max(0, limit.limit - used - 1)),
            f"X-RateLimit-Reset-{throttler}": seconds,
        }
        if used >= limit.limit:
            headers[f"Retry-After-{throttler}"] = seconds
            raise Refused(429, "ThrottlerException: Too Many Requests", headers)
        return headers
