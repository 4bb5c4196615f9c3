"""How fast an API may be called: learned from what its replies say is left.

Owns the limits an API announces by `X-RateLimit-Remaining`, `X-RateLimit-Reset` and `Retry-After` headers, plain or
suffixed with the name of the limit (Daytona's way). Counts calls under way against what is left, so that a crowd of jobs
stops at the limit instead of running into it. Pure but for the clock it is given; which jobs wait where is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FIRST = 4
"""Calls that may be under way before a reply has said what is left; twice as many after each second without one."""

BREATH = 0.05
"""Seconds to wait for a reply where only that can tell what is left."""

SAME = 1.5
"""Seconds by which two replies may differ about when the same limit is renewed: they say it in whole seconds."""

REMAINING, RESET, REFUSED = "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"


@dataclass
class Limit:
    """One limit of one API: what is left of it, the calls under way, and when it is renewed."""

    left: int
    renewed: float
    under_way: int = 0

    def wait(self, now: float) -> float:
        """Seconds until a call may go out; 0 for now. Others call too, so a renewed limit is tried with a few calls."""
        if now >= self.renewed:
            return 0.0 if self.under_way < _blind(now - self.renewed) else BREATH
        return 0.0 if self.under_way < self.left else self.renewed - now

    def hear(self, left: int, seconds: float, now: float) -> None:
        """Learn what a reply says; of two replies about the same time, the one that leaves less is the newer."""
        same = now < self.renewed and abs(now + seconds - self.renewed) <= SAME
        self.left = min(left, self.left) if same else left
        self.renewed = now + seconds


@dataclass
class _Operation:
    """What is known of one operation: whether any reply came, and which limits it counts against."""

    heard: bool = False
    first: float = 0.0
    under_way: int = 0
    limits: set[str] = field(default_factory=set)


class Pace:
    """The limits of one API, as this process knows them. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits: dict[str, Limit] = {}
        self._operations: dict[str, _Operation] = {}
        self._refused: Limit | None = None

    def wait(self, operation: str) -> float:
        """Seconds until a call may go out; 0 for now."""
        known = self._operations.setdefault(operation, _Operation())
        now = self._clock()
        if not known.heard and known.under_way >= _blind(now - known.first):
            return BREATH
        limits = [self._limits[name] for name in known.limits] + ([self._refused] if self._refused else [])
        return max((limit.wait(now) for limit in limits), default=0.0)

    def sent(self, operation: str) -> None:
        """Count a call that goes out now."""
        known = self._operations.setdefault(operation, _Operation())
        known.first = known.first or self._clock()
        known.under_way += 1
        for name in known.limits:
            self._limits[name].under_way += 1
        if self._refused:
            self._refused.under_way += 1

    def refused(self, seconds: float) -> None:
        """The API took no call at all (its key, its bill): none goes out for so long, and then a few to try."""
        under_way = sum(operation.under_way for operation in self._operations.values())
        self._refused = Limit(0, self._clock() + seconds, under_way)

    def accepted(self) -> None:
        """The API takes calls."""
        self._refused = None

    def ended(self, operation: str, headers: Mapping[str, str] | None) -> None:
        """Learn from a reply; None for a call that had none."""
        known = self._operations[operation]
        known.under_way -= 1
        for name in known.limits:
            self._limits[name].under_way = max(0, self._limits[name].under_way - 1)
        if self._refused:
            self._refused.under_way = max(0, self._refused.under_way - 1)
        if headers is None:
            return
        known.heard = True
        now = self._clock()
        for name, left, seconds in announced(headers):
            limit = self._limits.setdefault(name, Limit(left, now))
            if name not in known.limits:
                known.limits.add(name)
                limit.under_way += known.under_way
            limit.hear(left, seconds, now)


def _blind(seconds: float) -> float:
    """Calls that may be under way when nothing is known for so long: few at first, and more where replies take long."""
    return FIRST * 2 ** min(seconds, 20.0)


def announced(headers: Mapping[str, str]) -> list[tuple[str, int, float]]:
    """The limits that a reply speaks of: name (may be empty), calls left, seconds until it is renewed."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = []
    for name, value in lower.items():
        refused = name.removeprefix(REFUSED)
        if refused != name and value.strip().isdecimal():
            found.append((refused.removeprefix("-"), 0, float(value)))
        suffix = name.removeprefix(REMAINING)
        if suffix == name or not value.strip().isdecimal():
            continue
        reset = lower.get(RESET + suffix, "").strip()
        if reset.isdecimal():
            found.append((suffix.removeprefix("-"), int(value), float(reset)))
    return found
