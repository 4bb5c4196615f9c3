"""Finds the few rules that an event may make fire, or call off, without putting all of them to it. Pure.

Owns speed only: which rules fire is what `on` and `match` say, with or without an index. Each rule is filed by the types it
names, and under the values of the clause that fewest other rules share; a rule without such a clause is put to every event.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Generic, Protocol, TypeVar

from reactor.events import Event
from reactor.rules.controls import Pattern
from reactor.rules.match import OR

MOST_TYPES: Final = 1000
"""Event types that are remembered: they come from outside, and a flood of new ones must not fill the memory."""

EXACT: Final = "exact"
FOLDED: Final = "equals-ignore-case"
STARTS: Final = "prefix"
ENDS: Final = "suffix"

Place = tuple[str, str, Any]
"""Under what a rule is filed: a field, how its value is compared, and with what."""


class Filed(Protocol):
    """What is found by what it asks of an event: a rule, or what calls one off."""

    @property
    def on(self) -> tuple[str, ...]:
        """The event types, or patterns of them."""

    @property
    def clauses(self) -> Sequence[Pattern]:
        """What the payload is asked, all of which must hold."""


F = TypeVar("F", bound=Filed)


@dataclass(slots=True)
class _Field:
    """The rules that are filed under one field, by their numbers. Texts are looked up cut to each length that is asked."""

    exact: dict[Any, list[int]] = field(default_factory=dict)
    folded: dict[str, list[int]] = field(default_factory=dict)
    starts: dict[int, dict[str, list[int]]] = field(default_factory=dict)
    ends: dict[int, dict[str, list[int]]] = field(default_factory=dict)

    def add(self, how: str, value: Any, number: int) -> None:
        """File a rule under a value."""
        if how in (EXACT, FOLDED):
            (self.exact if how == EXACT else self.folded).setdefault(value, []).append(number)
        else:
            (self.starts if how == STARTS else self.ends).setdefault(len(value), {}).setdefault(value, []).append(
                number
            )

    def find(self, saw: Any, found: list[int]) -> None:
        """Add the rules whose value may be this one."""
        if isinstance(saw, str):
            if self.folded:
                found += self.folded.get(saw.casefold(), ())
            for length, starting in self.starts.items():
                found += starting.get(saw[:length], ())
            for length, ending in self.ends.items():
                found += ending.get(saw[-length:], ())
        elif isinstance(saw, list | dict):
            return
        found += self.exact.get(saw, ())


class Index(Generic[F]):
    """Rules of one event type, in their order."""

    def __init__(self, rules: Sequence[F]) -> None:
        self._rules = tuple(rules)
        self._always: list[int] = []
        self._fields: dict[str, _Field] = {}
        filed = [[places for clause in rule.clauses if (places := _places(clause))] for rule in self._rules]
        shared = Counter(place for clauses in filed for places in clauses for place in places)
        for number, clauses in enumerate(filed):
            if not clauses:
                self._always.append(number)
                continue
            for name, how, value in min(clauses, key=lambda places: sum(shared[place] for place in places)):
                self._fields.setdefault(name, _Field()).add(how, value, number)

    def candidates(self, data: Mapping[str, Any]) -> list[F]:
        """The rules that may fire on a payload: all that do, and a few more."""
        found = list(self._always)
        for name, filed in self._fields.items():
            if name in data:
                filed.find(data[name], found)
        if len(found) > 1:
            found = sorted(set(found))
        return [self._rules[number] for number in found]


class ByType(Generic[F]):
    """Rules found by the type of an event, in their order."""

    def __init__(self, rules: Sequence[F]) -> None:
        self._rules = tuple(rules)
        self._named: dict[str, list[int]] = {}
        self._patterns: list[tuple[int, tuple[str, ...]]] = []
        for number, rule in enumerate(self._rules):
            for event_type in dict.fromkeys(rule.on):
                if not is_pattern(event_type):
                    self._named.setdefault(event_type, []).append(number)
            if patterns := tuple(filter(is_pattern, rule.on)):
                self._patterns.append((number, patterns))

    def asking_for(self, event_type: str) -> tuple[F, ...]:
        """The rules whose `on` names this type."""
        return tuple(self._rules[number] for number in self._asking(event_type))

    def _asking(self, event_type: str) -> tuple[int, ...]:
        asking = set(self._named.get(event_type, ()))
        asking.update(n for n, globs in self._patterns if any(fnmatchcase(event_type, glob) for glob in globs))
        return tuple(sorted(asking))


class Finder(ByType[F]):
    """Rules found by type and by what they ask of the payload. Types that the same rules ask for share an index."""

    def __init__(self, rules: Sequence[F]) -> None:
        super().__init__(rules)
        self._indexes: dict[tuple[int, ...], Index[F]] = {}
        self._by_type = {
            event_type: self._index(self._asking(event_type)) for event_type in list(self._named)[:MOST_TYPES]
        }

    def candidates(self, event: Event) -> list[F]:
        """The rules that an event may meet: all that it does, and a few more."""
        index = self._by_type.get(event.type)
        if index is None:
            index = self._index(self._asking(event.type))
            if len(self._by_type) < MOST_TYPES:
                self._by_type[event.type] = index
        return index.candidates(event.data)

    def _index(self, numbers: tuple[int, ...]) -> Index[F]:
        if numbers not in self._indexes:
            index = Index([self._rules[number] for number in numbers])
            if len(self._indexes) >= MOST_TYPES:
                return index
            self._indexes[numbers] = index
        return self._indexes[numbers]


def is_pattern(event_type: str) -> bool:
    """Whether an entry of `on` may mean several types."""
    return any(sign in event_type for sign in "*?[")


def _places(clause: Pattern) -> set[Place]:
    """Under what a rule can be found by this clause; nothing when a value that holds may be anything."""
    if clause.name == OR:
        return set()
    items = clause.asked if isinstance(clause.asked, list) else [clause.asked]
    places = [_place(clause.name, item) for item in items]
    return {place for place in places if place} if all(places) else set()


def _place(name: str, pattern: Any) -> Place | None:
    if not isinstance(pattern, dict):
        return (name, EXACT, pattern)
    [(how, value)] = pattern.items()
    if how == FOLDED:
        return (name, how, value.casefold())
    return (name, how, value) if how in (STARTS, ENDS) else None
