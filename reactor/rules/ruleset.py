"""All rules of one revision, found by event type and by what they ask of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from reactor.events import Event
from reactor.rules.controls import Pattern, Unless
from reactor.rules.index import ByType, Finder
from reactor.rules.match import CompiledRule, Decision


@dataclass(frozen=True, slots=True)
class _Waiter:
    """A rule that waits, filed by what calls it off."""

    rule: CompiledRule
    unless: Unless

    @property
    def on(self) -> tuple[str, ...]:
        return self.unless.on

    @property
    def clauses(self) -> tuple[Pattern, ...]:
        return self.unless.clauses


class Rules:
    """All rules of one revision."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = tuple(rules)
        awake = [rule for rule in self.rules if rule.controls.enforce != "off"]
        self._all = ByType(self.rules)
        self._awake = Finder(awake)
        self._waiters = Finder([_Waiter(rule, rule.controls.unless) for rule in awake if rule.controls.unless])

    def asking_for(self, event_type: str) -> tuple[CompiledRule, ...]:
        """The rules whose `on` names this type, in the order of the files."""
        return self._all.asking_for(event_type)

    def put_to(self, event: Event) -> list[Decision]:
        """Put every rule that asks for the event's type to it, in the order of the files."""
        return [rule.put_to(event) for rule in self.asking_for(event.type)]

    def called_off(self, event: Event) -> list[tuple[CompiledRule, Unless]]:
        """The rules that wait for no such event as this one, in the order of the files."""
        found = self._waiters.candidates(event)
        return [(waiter.rule, waiter.unless) for waiter in found if waiter.unless.is_met_by(event)]

    def fired(self, event: Event) -> list[Decision]:
        """The decisions of the rules that fire on an event, in the order of the files. A rule that is off never does."""
        decisions = (rule.fire(event) for rule in self._awake.candidates(event))
        return [decision for decision in decisions if decision]
