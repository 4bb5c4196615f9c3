"""The log of API calls: what reached the emulated API, counted by operation. Tests count effects here."""

import time
from collections import Counter, deque
from dataclasses import dataclass

LOG_LENGTH = 100_000

LOST = 0
"""The status of a call whose reply was lost on purpose."""


@dataclass(slots=True)
class Call:
    """One API call. `at` is when it arrived, in seconds since the epoch; `status` is None until it is answered."""

    operation: str
    method: str
    path: str
    at: float
    status: int | None = None


class CallLog:
    """Every call counted, the last ones kept."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.calls: deque[Call] = deque(maxlen=LOG_LENGTH)

    def arrived(self, operation: str, method: str, path: str) -> Call:
        """Count a call that has just arrived; its status is filled in later."""
        call = Call(operation, method, path, time.time())
        self.counts[operation] += 1
        self.calls.append(call)
        return call

    def clear(self) -> None:
        """Forget every call."""
        self.counts.clear()
        self.calls.clear()
