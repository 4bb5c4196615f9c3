"""What follows from the rules that fired on an event: rows with every argument rendered, or why there are none. Pure.

Owns what each control of a rule is asked, in their order, and by which key. Controls that need no memory are answered here;
what a rule remembers between events is asked by the script that stores the plan, and when a timer ripens.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from reactor.events import Event, Sighting
from reactor.rules.actions import CompiledAction
from reactor.rules.cel import Unknown
from reactor.rules.controls import Controls, Key, Limit, Retry
from reactor.rules.durations import written
from reactor.rules.late import KEEP, Asked, Earlier, rendered
from reactor.rules.match import CompiledRule, Decision, Finding
from reactor.rules.ruleset import Rules
from reactor.store.log import Entry
from reactor.store.plans import Bound, Decided, NewRow, NewTimer, Plan
from reactor.store.resources import Verdict


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event read from the log: its place there, what it says of a resource, and whose state table that is in."""

    entry: Entry
    event: Event
    sighting: Sighting | None
    table: str

    def judged(self, verdict: Verdict) -> "Occasion":
        """The event to plan for, once it is known what it is in the light of all before."""
        return Occasion(self.entry, self.event, self.sighting, self.table, verdict)


@dataclass(frozen=True, slots=True)
class Occasion(Arrival):
    """An event to plan for: an arrival with its verdict."""

    verdict: Verdict

    @property
    def time(self) -> int:
        """When it happened, or else was accepted, in milliseconds since the epoch; a replay happens when it is asked for."""
        return self.entry.accepted if self.event.generation else self.event.time or self.entry.accepted

    @property
    def key(self) -> str:
        """What controls count by where a rule does not say it: the resource, else this one event."""
        verdict = self.verdict
        return f"{self.table}/{verdict.kind}/{verdict.id}" if verdict.id else f"{self.event.source}/{self.event.id}"


class _Withheld(Exception):
    """A control that needs no memory holds a rule back; its finding says why."""

    def __init__(self, clause: str, asked: Any, saw: Any) -> None:
        self.finding = finding(clause, asked, saw, held=False)
        super().__init__(clause)


def decides(event: Event, verdict: Verdict) -> bool:
    """Whether rules are put to an event at all: to news, to what is outdated (a rule may want it), and to any replay."""
    return verdict.verdict in ("fresh", "stale") or event.generation > 0


def plan_event(occasion: Occasion, fired: Sequence[Decision], rules: Rules, revision: str) -> Plan:
    """The plan of an event, from the decisions of the rules that fired on it."""
    planned = [_decided(decision, occasion) for decision in fired]
    return Plan(
        occasion.entry.entry,
        occasion.event.id,
        revision,
        tuple(decided for decided, _ in planned),
        tuple(fault for _, fault in planned if fault),
        occasion.time,
        _called_off(occasion, rules),
    )


def _decided(decision: Decision, occasion: Occasion) -> tuple[Decided, str]:
    """What becomes of one rule that fired, as far as that needs no memory; and what can't be rendered, if anything."""
    rule, controls = decision.rule, decision.rule.controls
    try:
        _refuse_own(rule, occasion.event)
        _refuse_stale(controls, occasion)
        timer = _timer(rule, occasion)
        flow = flow_id(rule, _key(controls.key, occasion))
        rows = new_rows(decision, occasion.event)
    except _Withheld as withheld:
        return Decided(rule.name, "withheld", findings=(withheld.finding,)), ""
    except Unknown as error:
        return Decided(rule.name, "faulty"), f"{rule.name} {error}"
    return Decided(
        rule.name,
        "planned",
        rows,
        flow=flow,
        shadow=controls.enforce == "shadow",
        count=_bound(controls.count) if controls.count else None,
        timer=timer,
        limits=tuple(_bound(limit) for limit in controls.limits),
        max_age=controls.max_age,
        max_age_asked=written(controls.max_age),
    ), ""


def finding(clause: str, asked: Any, saw: Any, *, held: bool) -> Mapping[str, Any]:
    """A finding of a control, as it is stored."""
    return asdict(Finding(clause, asked, saw, held))


def _refuse_own(rule: CompiledRule, event: Event) -> None:
    if rule.name in event.lineage:
        raise _Withheld("lineage", "another rule's event", " → ".join(event.lineage))


def _refuse_stale(controls: Controls, occasion: Occasion) -> None:
    """A replay is asked for, whatever is known by now."""
    if occasion.verdict.verdict == "stale" and controls.stale == "skip" and not occasion.event.generation:
        raise _Withheld("stale", "skip", f"the resource is {occasion.verdict.after} by now")


def _key(key: Key | None, occasion: Occasion) -> str:
    """What the controls of a rule count this event by."""
    if key is None:
        return occasion.key
    try:
        return key.of(occasion.event)
    except Unknown as error:
        raise _Withheld("key", key.written.value, f"unknown: {error}") from None


def flow_id(rule: CompiledRule, key: str) -> str:
    """A rule and a key in one word. A shadow counts for itself: it is not limited by what the enforced rule did."""
    return _digest("flow", rule.name, "shadow" if rule.controls.enforce == "shadow" else "", key)


def _bound(limit: Limit) -> Bound:
    within = written(limit.within)
    asked = within if limit.control == "cooldown" else f"{limit.number} in {within}"
    return Bound(limit.control, limit.number, limit.within, asked)


def _timer(rule: CompiledRule, occasion: Occasion) -> NewTimer | None:
    """What the rule waits for. The timer of `for` is the state's: told twice of it, a rule waits once."""
    controls, own = rule.controls, _digest("timer", row_id(occasion.event, rule.name, 0))
    if controls.hold:
        return _hold(rule, occasion, controls.hold)
    if controls.unless:
        return NewTimer("unless", own, controls.unless.within, written(controls.unless.within))
    if controls.debounce:
        wait, at_most = controls.debounce.wait, controls.debounce.at_most
        return NewTimer("debounce", own, wait, f"{written(wait)}, at most {written(at_most)}", at_most)
    return None


def _hold(rule: CompiledRule, occasion: Occasion, duration: int) -> NewTimer:
    verdict, sighting, asked = occasion.verdict, occasion.sighting, written(duration)
    if sighting is None or sighting.state is None or not (verdict.kind and verdict.id):
        raise _Withheld("for", asked, "unknown: the event tells no resource's state")
    if verdict.after != sighting.state:
        raise _Withheld("for", asked, f"the resource is {verdict.after} by now")
    resource, entered = (occasion.table, verdict.kind, verdict.id), verdict.entered or 0
    again = str(occasion.event.generation)
    timer = _digest("for", flow_id(rule, "/".join(resource)), str(entered), again)
    return NewTimer("for", timer, duration, asked, resource=resource, entered=entered)


def _called_off(occasion: Occasion, rules: Rules) -> tuple[tuple[str, int], ...]:
    """Which flows this event calls off; one whose key is unknown calls off none."""
    if occasion.verdict.verdict not in ("fresh", "stale"):
        return ()
    found = []
    for rule, unless in rules.called_off(occasion.event):
        try:
            found.append((flow_id(rule, _key(unless.key, occasion)), unless.within))
        except _Withheld:
            continue
    return tuple(found)


def new_rows(decision: Decision, event: Event) -> tuple[NewRow, ...]:
    """The rows of a rule's actions, each of which follows the one before. Raises Unknown.

    Every argument is rendered, but for those that mention what an earlier action will have come to.
    One action that can't be rendered is enough for none: a list of actions that stops in its middle is nobody's intention.
    """
    rule, values = decision.rule, decision.rule.scope.values(event)
    ids = ["", *(row_id(event, rule.name, number) for number in range(len(rule.actions))), ""]
    earlier: dict[str, Earlier] = {}
    rows = []
    for number, action in enumerate(rule.actions, start=1):
        try:
            what = rendered(Asked(action, event, rule.name), rule.scope, values, earlier)
        except Unknown as error:
            raise Unknown(f"action {number}: {error}") from None
        if action.name:
            earlier[action.name] = Earlier(ids[number], action.kind.results)
            what |= {KEEP: True} if _is_wanted_whole(action, rule.actions[number:]) else {}
        row = NewRow(ids[number], rule.name, action.kind.name, action.api, what, action.operation, queue=action.queue)
        rows.append(replace(row, follows=ids[number - 1], next=ids[number + 1], retry=_retry(rule.controls.retry)))
    return tuple(rows)


def _is_wanted_whole(action: CompiledAction, later: Sequence[CompiledAction]) -> bool:
    """Whether a later action mentions the whole answer of this one, which is not kept otherwise."""
    return any(each.arguments.late({f"{action.name}.data"}) for each in later)


def _retry(retry: Retry) -> dict[str, int] | None:
    said = {name: value for name, value in asdict(retry).items() if value is not None}
    return said or None


def row_id(event: Event, rule: str, number: int) -> str:
    """The id of the row for one action of one rule on one event: the same whoever plans it, and safe in labels.

    A replay has rows of its own.
    """
    return _digest(event.source, event.id, rule, str(number), *([str(event.generation)] if event.generation else []))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:20]
