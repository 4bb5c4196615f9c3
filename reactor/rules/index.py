"""Finds the few rules that an event may make fire, without putting all of them to it. Pure.

Owns speed only: which rules fire is what `match` says, with or without an index. Each rule is filed under the values of the
clause that fewest other rules share; a rule without such a clause is put to every event.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reactor.rules.match import OR, Clause, CompiledRule

EXACT: Final = "exact"
FOLDED: Final = "equals-ignore-case"
STARTS: Final = "prefix"
ENDS: Final = "suffix"

Place = tuple[str, str, Any]
"""Under what a rule is filed: a field, how its value is compared, and with what."""


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


class Index:
    """Rules of one event type, in their order."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
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

    def candidates(self, data: Mapping[str, Any]) -> list[CompiledRule]:
        """The rules that may fire on a payload: all that do, and a few more."""
        found = list(self._always)
        for name, filed in self._fields.items():
            if name in data:
                filed.find(data[name], found)
        if len(found) > 1:
            found = sorted(set(found))
        return [self._rules[number] for number in found]


def _places(clause: Clause) -> set[Place]:
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
