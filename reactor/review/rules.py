"""Looks at each rule by itself, and then at all of them together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reactor.apis.client import Api
from reactor.checks.event_fields import EventFields
from reactor.review.circles import circles
from reactor.review.conditions import Conditions
from reactor.review.emitted import unheard
from reactor.review.labels import label_fault
from reactor.review.names import name_fault
from reactor.review.never import never
from reactor.review.regexes import regex_faults
from reactor.review.transitions import transition_faults
from reactor.review.twice import twice
from reactor.rules.cel import Expression
from reactor.rules.fault import Fault
from reactor.rules.match import CompiledRule
from reactor.rules.model import CallAction, Rule


class Review:
    """What is odd about rules: errors where one can't work at all, else warnings."""

    def __init__(self, apis: Mapping[str, Api], fields: EventFields) -> None:
        self._apis = apis
        self._fields = fields
        self._conditions = Conditions()

    def alone(self, rule: Rule, compiled: CompiledRule) -> Iterator[Fault]:
        """What shows of a rule by itself, whatever else is wrong with it; `compiled` is what could be compiled of it."""
        yield from never(rule.match, compiled.scope.fields)
        yield from self._conditions.faults(rule, compiled, self._fields.choices(rule.on))
        yield from transition_faults(rule.on, rule.match, (api.provider for api in self._apis.values()))
        yield from regex_faults(_expressions(rule, compiled))
        for number, action in enumerate(rule.do):
            if isinstance(action, CallAction):
                name, _, operation = action.call.partition(".")
                found = _call_faults(self._apis[name], operation, action) if name in self._apis else []
                yield from (replace(fault, path=("do", number, *fault.path)) for fault in found)

    def together(self, rules: Sequence[Rule]) -> Iterator[tuple[int, Fault]]:
        """What shows when sound rules are seen together: each with the number of its rule."""
        yield from twice(rules)
        yield from circles(rules, self._apis)
        yield from unheard(rules, self._apis)


def _expressions(rule: Rule, compiled: CompiledRule) -> Iterator[tuple[tuple[str | int, ...], Expression]]:
    """Every expression of a rule, with its place."""
    for condition in compiled.conditions:
        yield ("when", rule.when.index(condition.expression.source)), condition.expression
    controls = compiled.controls
    for place, key in ((("key",), controls.key), (("unless", "key"), controls.unless and controls.unless.key)):
        if key:
            yield from (((*place, *path), expression) for path, expression in key.written.placed())
    for number, action in enumerate(compiled.actions):
        yield from ((("do", number, *path), expression) for path, expression in action.arguments.placed())


def _call_faults(api: Api, operation: str, action: CallAction) -> list[Fault]:
    found = (
        name_fault(api, operation, action.body, action.if_exists),
        label_fault(api, operation, action.body),
    )
    return [fault for fault in found if fault]
