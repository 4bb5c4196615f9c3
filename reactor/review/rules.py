"""Looks at each rule by itself, and then at all of them together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reactor.apis.client import Api
from reactor.checks.event_fields import EventFields
from reactor.errors import Problem
from reactor.review.circles import circles
from reactor.review.emitted import unheard
from reactor.review.labels import label_fault
from reactor.review.names import name_fault
from reactor.review.never import never
from reactor.review.regexes import regex_faults
from reactor.review.transitions import transition_faults
from reactor.review.twice import twice
from reactor.rules.cel import Fault
from reactor.rules.model import CallAction, Rule
from reactor.yaml12 import Document


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A rule and where it is written."""

    document: Document
    number: int
    rule: Rule

    def problem(self, fault: Fault) -> Problem:
        """A fault of the rule, at its place."""
        path = ("rules", self.number, *fault.path)
        return self.document.problem(path, fault.message, key=fault.key, severity=fault.severity)


def review(written: Sequence[Reviewed], apis: Mapping[str, Api]) -> Iterator[Problem]:
    """What is odd about sound rules: errors where a rule can't work at all, else warnings."""
    fields = EventFields(apis.values())
    for each in written:
        yield from (each.problem(fault) for fault in _alone(each.rule, fields, apis))
    rules = [each.rule for each in written]
    for number, fault in (*twice(rules), *circles(rules, apis), *unheard(rules, apis)):
        yield written[number].problem(fault)


def _alone(rule: Rule, fields: EventFields, apis: Mapping[str, Api]) -> Iterator[Fault]:
    yield from never(rule.match, fields.types(rule.on))
    yield from transition_faults(rule.on, rule.match, (api.provider for api in apis.values()))
    yield from regex_faults(list(getattr(rule, "when", ())), ("when",))
    for number, action in enumerate(rule.do):
        at = ("do", number)
        yield from regex_faults(action.model_dump(exclude={"if_exists"}), at)
        if isinstance(action, CallAction):
            name, _, operation = action.call.partition(".")
            found = _call_faults(apis[name], operation, action) if name in apis else []
            yield from (replace(fault, path=(*at, *fault.path)) for fault in found)


def _call_faults(api: Api, operation: str, action: CallAction) -> list[Fault]:
    found = (
        name_fault(api, operation, action.body, action.if_exists),
        label_fault(api, operation, action.body),
    )
    return [fault for fault in found if fault]
