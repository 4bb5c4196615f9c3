"""What follows from the rules that fired on an event: rows with every argument rendered, or why there are none. Pure.

Owns the order in which the controls of a rule are asked. Those that need no memory are answered here; what a rule remembers
between events is asked by the script that stores the plan.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reactor.events import Event
from reactor.rules.cel import Unknown
from reactor.rules.match import Decision, Finding
from reactor.store.ledger import Decided, NewRow, Plan
from reactor.store.resources import Verdict


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event to plan for: its place in the log, and what it is in the light of all before it."""

    entry: str
    event: Event
    verdict: Verdict


def plan_event(occasion: Occasion, fired: Sequence[Decision], revision: str) -> Plan:
    """The plan of an event, from the decisions that fired."""
    planned = [_decided(decision, occasion) for decision in fired]
    faults = tuple(fault for _, fault in planned if fault)
    return Plan(occasion.entry, occasion.event.id, revision, tuple(decided for decided, _ in planned), faults)


def _decided(decision: Decision, occasion: Occasion) -> tuple[Decided, str]:
    """What becomes of one rule that fired, and what can't be rendered, if anything."""
    rule = decision.rule
    if occasion.verdict.verdict == "stale" and rule.controls.stale == "skip":
        newer = f"the resource is {occasion.verdict.after} by now"
        return Decided(rule.name, "withheld", findings=(finding("stale", "skip", newer, held=False),)), ""
    try:
        rows = new_rows(decision, occasion.event)
    except Unknown as error:
        return Decided(rule.name, "faulty"), f"{rule.name} {error}"
    if rule.controls.enforce == "shadow":
        return Decided(rule.name, "shadow", findings=(finding("enforce", "on", "shadow", held=False),)), ""
    return Decided(rule.name, "planned", rows), ""


def finding(clause: str, asked: Any, saw: Any, *, held: bool) -> Mapping[str, Any]:
    """A finding of a control, as it is stored."""
    return asdict(Finding(clause, asked, saw, held))


def new_rows(decision: Decision, event: Event) -> tuple[NewRow, ...]:
    """The rows of a rule's actions with every argument rendered, so that nothing is left to look up. Raises Unknown.

    One action that can't be rendered is enough for none: a list of actions that stops in its middle is nobody's intention.
    """
    rule, values = decision.rule, decision.rule.scope.values(event)
    rows = []
    for number, action in enumerate(rule.actions):
        try:
            what = action.what(action.arguments.render(values))
        except Unknown as error:
            raise Unknown(f"action {number + 1}: {error}") from None
        rows.append(
            NewRow(row_id(event, rule.name, number), rule.name, action.kind, action.api, what, action.operation)
        )
    return tuple(rows)


def row_id(event: Event, rule: str, number: int) -> str:
    """The id of the row for one action of one rule on one event: the same whoever plans it, and safe in labels."""
    return hashlib.sha256(f"{event.source}\0{event.id}\0{rule}\0{number}".encode()).hexdigest()[:20]
