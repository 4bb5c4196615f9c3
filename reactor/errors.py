"""The exceptions of the reactor. Messages are written for the operator: what is wrong, and what to do about it.

ReactorError
├── ConfigError           a file under config/ or a REACTOR_* setting is wrong; lists every problem with its place
├── EmbeddedError         the embedded server can't be found, started or locked
├── StoreError            Redis answered, but not as needed
│   ├── StoreUnavailable  Redis can't be reached or can't write now: try again
│   │   └── StoreRefused  a key that was asked for is of another type; what concerns other keys goes on
│   └── SchemaError       the data was written by a newer reactor
├── NotFound              what was asked for is not there, or no longer
├── NotPossible           what was asked can't be done to it as it is now
├── RequestRejected       a request is refused, with its HTTP status and machine-readable reason
│   └── DeliveryRejected  a webhook delivery is refused, and nothing of it is stored
└── CallError             an API call did not succeed
    ├── TemporaryError    trying again may help, after `delay` seconds
    ├── GateClosed        the API takes no calls now; waiting spends no attempt
    ├── PermanentError    trying again can't help
    └── UnknownOutcome    the call may have acted, nobody can tell, and repeating it is not safe
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal


class ReactorError(Exception):
    """Everything the reactor raises on purpose; the command line prints it without a stack trace."""


Severity = Literal["error", "warning"]
"""An error keeps a configuration out of force; a warning is worth a look."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a configuration file, at a place an editor can jump to. Lines and columns start at 1."""

    file: str
    line: int
    column: int
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(ReactorError):
    """The configuration can't be used. Carries every problem found, not only the first."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(
            sorted(p if isinstance(p, Problem) else Problem("configuration", 0, 0, p) for p in problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EmbeddedError(ReactorError):
    """The embedded server can't be found, started or locked."""


class StoreError(ReactorError):
    """Redis answered, but not as needed."""


class StoreUnavailable(StoreError):
    """Redis can't be reached or can't write now (down, loading, read-only, out of memory). Nothing was stored."""


class StoreRefused(StoreUnavailable):
    """A key that was asked for holds what no reactor wrote. What concerns other keys goes on."""


class SchemaError(StoreError):
    """The data in Redis was written by a newer reactor than this one."""


class NotFound(ReactorError):
    """What was asked for is not there, or no longer."""


class NotPossible(ReactorError):
    """What was asked can't be done to it as it is now. Nothing was changed."""


class RequestRejected(ReactorError):
    """A request is refused.

    `status` is the HTTP answer; `reason` is a stable, machine-readable word that is counted and returned.
    """

    def __init__(self, status: int, reason: str, detail: str) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class DeliveryRejected(RequestRejected):
    """A webhook delivery is refused and nothing of it is stored."""


class CallError(ReactorError):
    """An API call did not succeed.

    `status` is the HTTP status of the reply, 0 when there was none; `headers` and `data` are what else it had.
    """

    headers: Mapping[str, str] = MappingProxyType({})
    data: Any = None

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class TemporaryError(CallError):
    """Trying again may help. `delay` is in seconds; None leaves it to the backoff.

    `passing` says that the cause is known to pass by itself, most often at once.
    """

    def __init__(self, message: str, delay: float | None = None, *, status: int = 0, passing: bool = False) -> None:
        self.delay = delay
        self.passing = passing
        super().__init__(message, status=status)


class GateClosed(CallError):
    """The API takes no calls for `delay` seconds: rate limit, refused key or spent quota. No attempt is spent.

    `operation` says which calls are meant; empty means all of the API's.
    """

    def __init__(self, message: str, delay: float, *, operation: str = "", status: int = 0) -> None:
        self.delay = delay
        self.operation = operation
        super().__init__(message, status=status)


class PermanentError(CallError):
    """Trying again can't help: the request itself is refused."""


class UnknownOutcome(CallError):
    """The call may have acted, nobody can tell, and repeating it is not safe. A person decides."""
