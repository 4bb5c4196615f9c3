"""What holds a rule back after it has fired: the controls as a rule has them, compiled. Pure.

Owns what a control needs to know. Where its memory is kept, and that a check and what follows from it are one step, is the
store's. Times are in milliseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, Protocol

from reactor.events import Event
from reactor.rules.cel import Scope
from reactor.rules.template import Template

HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many within a time: `count` wants them, `cooldown` and `throttle` allow no more."""

    control: Literal["count", "cooldown", "throttle"]
    number: int
    within: int


@dataclass(frozen=True, slots=True)
class Key:
    """What the controls of a rule count by: a text with `${…}`, in the scope of the events it is put to."""

    written: Template
    scope: Scope

    def of(self, event: Event) -> str:
        """The key of an event. Raises Unknown."""
        return str(self.written.render(self.scope.values(event)))


class Pattern(Protocol):
    """What one field is asked, by which what asks it is found."""

    @property
    def name(self) -> str:
        """The field."""

    @property
    def asked(self) -> Any:
        """Its pattern, as it is written."""


@dataclass(frozen=True, slots=True)
class Unless:
    """Which events call off what waits for them, until when, and the key that they have (None: their resource's id).

    `clauses` are what `matches` asks.
    """

    on: tuple[str, ...]
    clauses: tuple[Pattern, ...]
    matches: Callable[[Mapping[str, Any]], bool]
    within: int
    key: Key | None

    def is_met_by(self, event: Event) -> bool:
        """Whether an event is such a one, whatever its key."""
        return any(fnmatchcase(event.type, glob) for glob in self.on) and self.matches(event.data)


@dataclass(frozen=True, slots=True)
class Debounce:
    """How long a burst must be silent, and when it is over at the latest, counted from its first event."""

    wait: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after which first pause, the jobs of a rule are tried; None: as the settings say."""

    attempts: int | None = None
    backoff: int | None = None


NO_RETRY: Final = Retry()


@dataclass(frozen=True, slots=True)
class Controls:
    """All controls of one rule."""

    key: Key | None = None
    count: Limit | None = None
    hold: int | None = None
    unless: Unless | None = None
    debounce: Debounce | None = None
    max_age: int = HOUR
    limits: tuple[Limit, ...] = ()
    stale: Literal["skip", "run"] = "skip"
    enforce: Literal["on", "shadow", "off"] = "on"
    retry: Retry = NO_RETRY


NO_CONTROLS: Final = Controls()
"""Those of a rule that says nothing of them."""
