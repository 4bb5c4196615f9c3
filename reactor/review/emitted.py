"""What rules emit: on which rules it is put, and rules that are on nearly a type that is emitted, and so on none.

Knows what an action `emit` says of the event that it makes. What events of providers are is known to their API files.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from reactor.apis.client import Api
from reactor.checks.event_fields import NEARLY, types_of
from reactor.rules.cel import ExpressionError
from reactor.rules.fault import Fault
from reactor.rules.index import is_pattern
from reactor.rules.match import PatternError, compile_match
from reactor.rules.model import EmitAction, Rule
from reactor.rules.template import split
from reactor.yaml12 import expected_one_of

ALWAYS = ("event", "timestamp")
"""Fields that every emitted event has besides those that its rule gives it."""


@dataclass(frozen=True, slots=True)
class Emission:
    """An event that an action of a rule makes."""

    number: int
    action: int
    type: str
    data: Mapping[str, Any]
    word: str = "emit"

    @property
    def types(self) -> Sequence[str]:
        """The one type of event that the action makes."""
        return (self.type,)

    def may_fire(self, rule: Rule, event: str) -> bool:
        """Whether a rule on this type may fire on it: nothing that it asks is surely answered otherwise."""
        return event == self.type and all(self._may_be(field, pattern) for field, pattern in rule.match.items())

    def _may_be(self, field: str, pattern: Any) -> bool:
        if field.startswith("$") or field in ALWAYS or (field in self.data and _varies(self.data[field])):
            return True
        given = {field: self.data[field]} if field in self.data else {}
        try:
            return all(clause.put_to(given).held for clause in compile_match({field: pattern}))
        except PatternError:
            return False  # an error, told where patterns are checked


def _varies(value: Any) -> bool:
    """Whether a value differs from event to event: it has an expression."""
    if not isinstance(value, str):
        return isinstance(value, list | dict)
    try:
        return any(part.expression for part in split(value))
    except ExpressionError:
        return True


def emissions(rules: Sequence[Rule]) -> Iterator[Emission]:
    """All that rules emit."""
    for number, rule in enumerate(rules):
        for position, action in enumerate(rule.do):
            if isinstance(action, EmitAction):
                yield Emission(number, position, action.emit, action.data)


def unheard(rules: Sequence[Rule], apis: Mapping[str, Api]) -> Iterator[tuple[int, Fault]]:
    """Rules, by number, on what nobody is known to send: a pattern that fits nothing, or nearly a type that a rule emits."""
    emitted = {emission.type for emission in emissions(rules)}
    known = emitted.union(*(types_of(api) for api in apis.values()))
    silent = lru_cache(lambda event_type: _silence(event_type, emitted, known))
    for number, rule in enumerate(rules):
        asked = [(("on",), rule.on), (("unless", "on"), rule.unless.on if rule.unless else [])]
        for path, types in asked:
            for position, event_type in enumerate(types):
                if message := silent(event_type):
                    yield number, Fault((*path, position), message, severity="warning")


def _silence(event_type: str, emitted: Collection[str], known: Collection[str]) -> str:
    """What to say of a type, or a pattern of types, of which no event is known to come; empty where one may."""
    if is_pattern(event_type):
        fits = any(fnmatchcase(each, event_type) for each in known)
        return "" if fits else f"{expected_one_of(event_type, known)} No API sends, and no rule emits, what it fits"
    if event_type in known or not get_close_matches(event_type, emitted, n=1, cutoff=NEARLY):
        return ""
    return f"{expected_one_of(event_type, emitted)} No rule emits it, and no API sends it"
