"""The state table as a value in memory: which verdict each event gets, and what is known of each resource. Pure.

Owns the same order of sightings as `store/lua/observe.lua`, which a test holds it against, event by event, for what webhooks
say: what a read shows is not rehearsed. Keeps no time: the caller says when each event is observed.
"""

from dataclasses import dataclass, field
from typing import Literal

from reactor.events import Sighting
from reactor.store.resources import Verdict

Name = tuple[str, str, str]
"""API, kind, and the id or name of a resource."""


@dataclass(slots=True)
class Seen:
    """What is known of one resource: the newest sighting of it, how often it changed, at which change its state began,
    and whether an event said that it was made."""

    newest: Sighting | None = None
    seq: int = 0
    entered: int = 0
    born: bool = False

    @property
    def state(self) -> str | None:
        """The state last seen."""
        return self.newest.state if self.newest else None

    def enter(self, sighting: Sighting, *, confirms: bool = False) -> bool:
        """Take in a sighting, if it is newer; returns whether it was. A state that is only confirmed is no change.

        An event about a change of state enters it anew.
        """
        if self.newest and _order(sighting) <= _order(self.newest):
            return False
        if not confirms:
            self.seq += 1
            if sighting.guarded or sighting.state != self.state:
                self.entered = self.seq
        self.newest = sighting
        return True


@dataclass
class _Alias:
    """Who has a name, and what was last said of whoever has it."""

    id: str | None = None
    said: Sighting | None = None


@dataclass
class Table:
    """What was observed so far. `window` is the dedup window, in milliseconds."""

    window: int
    resources: dict[Name, Seen] = field(default_factory=dict)
    _meanings: dict[str, int] = field(default_factory=dict)
    _aliases: dict[Name, _Alias] = field(default_factory=dict)

    def observe(self, api: str, meaning: str, sighting: Sighting | None, now: int) -> Verdict:
        """Take one event in. `now` is when, in milliseconds since the epoch; `meaning` what it says, as a hash."""
        kind = sighting.kind if sighting else None
        if sighting and sighting.at < now - self.window:
            return Verdict("late", kind, sighting.id)
        said = self._meanings.get(meaning)
        if said is not None and said > now - self.window:
            return Verdict("repeat", kind, sighting.id if sighting else None)
        self._meanings[meaning] = now
        if sighting is None or sighting.state is None:
            return Verdict("fresh", kind)
        id = sighting.id or self._named(api, sighting)
        return self._told(api, id, sighting) if id else Verdict("fresh", kind)

    def _told(self, api: str, id: str, sighting: Sighting) -> Verdict:
        seen = self.resources.setdefault((api, sighting.kind, id), Seen())
        alias = self._alias(api, sighting)
        if sighting.id and alias and alias.said and alias.said.at >= sighting.at:
            seen.enter(alias.said)
        before = seen.state
        confirms = before == sighting.state and sighting.terminal == 1 and not sighting.birth
        entered = seen.enter(sighting, confirms=confirms)
        if entered and alias:
            alias.id = id
        verdict = _judged(seen, sighting, entered=entered, confirms=confirms)
        return Verdict(verdict, sighting.kind, id, before, seen.state, seen.seq, seen.entered)

    def _named(self, api: str, sighting: Sighting) -> str | None:
        """The id of who had the sighting's name at its time; the sighting is kept for one who turns out to have had it."""
        alias = self._alias(api, sighting)
        if alias is None:
            return None
        alias.said = sighting
        seen = self.resources.get((api, sighting.kind, alias.id)) if alias.id else None
        newest = seen.newest if seen else None
        return alias.id if newest is None or sighting.at >= newest.at else None

    def _alias(self, api: str, sighting: Sighting) -> _Alias | None:
        if not sighting.name:
            return None
        return self._aliases.setdefault((api, sighting.kind, sighting.name), _Alias())


def _judged(seen: Seen, sighting: Sighting, *, entered: bool, confirms: bool) -> Literal["fresh", "stale", "repeat"]:
    if sighting.birth:
        first, seen.born = not seen.born, True
        return "fresh" if first else "repeat"
    if not entered and sighting.guarded:
        return "stale"
    return "repeat" if confirms else "fresh"


def _order(sighting: Sighting) -> tuple[int, int, int, str]:
    return (sighting.terminal, sighting.at, sighting.settled, sighting.state or "")
