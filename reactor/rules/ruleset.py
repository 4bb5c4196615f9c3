"""All rules of one revision, found by event type and by what they ask of it. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from reactor.events import Event
from reactor.rules.controls import Unless
from reactor.rules.index import Index
from reactor.rules.match import CompiledRule, Decision

MOST_TYPES: Final = 1000
"""Event types that are remembered: they come from outside, and a flood of new ones must not fill the memory."""


class Rules:
    """All rules of one revision."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = tuple(rules)
        self._named: dict[str, list[int]] = {}
        self._patterns: list[tuple[int, tuple[str, ...]]] = []
        for number, rule in enumerate(self.rules):
            for event_type in dict.fromkeys(rule.on):
                if not _is_pattern(event_type):
                    self._named.setdefault(event_type, []).append(number)
            if patterns := tuple(filter(_is_pattern, rule.on)):
                self._patterns.append((number, patterns))
        self._unless = [
            (rule, rule.controls.unless)
            for rule in self.rules
            if rule.controls.unless and rule.controls.enforce != "off"
        ]
        self._indexes: dict[tuple[int, ...], Index] = {}
        self._by_type = {
            event_type: self._index(self._asking(event_type)) for event_type in list(self._named)[:MOST_TYPES]
        }

    def asking_for(self, event_type: str) -> tuple[CompiledRule, ...]:
        """The rules whose `on` names this type, in the order of the files."""
        return tuple(self.rules[number] for number in self._asking(event_type))

    def put_to(self, event: Event) -> list[Decision]:
        """Put every rule that asks for the event's type to it, in the order of the files."""
        return [rule.put_to(event) for rule in self.asking_for(event.type)]

    def called_off(self, event: Event) -> list[tuple[CompiledRule, Unless]]:
        """The rules that wait for no such event as this one, in the order of the files."""
        return [(rule, unless) for rule, unless in self._unless if unless.is_met_by(event)]

    def fired(self, event: Event) -> list[Decision]:
        """The decisions of the rules that fire on an event, in the order of the files. A rule that is off never does."""
        index = self._by_type.get(event.type)
        if index is None:
            index = self._index(self._asking(event.type))
            if len(self._by_type) < MOST_TYPES:
                self._by_type[event.type] = index
        decisions = (rule.fire(event) for rule in index.candidates(event.data))
        return [decision for decision in decisions if decision]

    def _asking(self, event_type: str) -> tuple[int, ...]:
        asking = set(self._named.get(event_type, ()))
        asking.update(n for n, globs in self._patterns if any(fnmatchcase(event_type, glob) for glob in globs))
        return tuple(sorted(asking))

    def _index(self, numbers: tuple[int, ...]) -> Index:
        """The index of some rules; types that the same rules ask for share one."""
        if numbers not in self._indexes:
            awake = [self.rules[number] for number in numbers if self.rules[number].controls.enforce != "off"]
            index = Index(awake)
            if len(self._indexes) >= MOST_TYPES:
                return index
            self._indexes[numbers] = index
        return self._indexes[numbers]


def _is_pattern(event_type: str) -> bool:
    return any(sign in event_type for sign in "*?[")
