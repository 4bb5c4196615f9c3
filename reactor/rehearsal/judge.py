"""Runs the tests beside rules, and says by clause why an expectation failed. Pure.

Owns what it means that a job is the expected one: what the test writes of it is equal, what it leaves out is open.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from reactor.config import Config
from reactor.errors import DeliveryRejected
from reactor.events import OURSELVES, iso
from reactor.rehearsal.rehearse import Job, Rehearsal
from reactor.rules.durations import written
from reactor.rules.examples import Example, Expected, Results, Step
from reactor.rules.late import Open
from reactor.rules.match import Decision
from reactor.store.log import Entry
from reactor.yaml12 import expected_one_of

BEGIN: Final = 1_767_225_600_000
"""When every test begins: 2026-01-01T00:00:00Z, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One test, and what is wrong with what came of it: nothing if it passed. Each failure has lines that explain it."""

    name: str
    failures: tuple[tuple[str, ...], ...]


def judge(config: Config, example: Example) -> Judged:
    """Run one test. Its events are of the first source whose API sends such events, or else our own."""
    if unknown := tuple((line,) for line in _unknown_results(config, example.results)):
        return Judged(example.name, unknown)
    rehearsal = Rehearsal(config, BEGIN, lambda rule, late: example.results.get(rule, {}))
    try:
        at_once: list[Mapping[str, Any]] = []
        for number, step in enumerate(example.events):
            rehearsal.wait(rehearsal.now + (step.after or 0))
            at_once = [*(() if step.after else at_once), step.payload]
            if step.event:
                rehearsal.hear(_entry(config, step, number, rehearsal.now, at_once.index(step.payload)))
    except DeliveryRejected as error:
        return Judged(example.name, ((f"an event is none: {error.detail}",),))
    faults = tuple((fault,) for fault in rehearsal.faults)
    return Judged(example.name, (*faults, *_failures(rehearsal, example.expect)))


def _unknown_results(config: Config, results: Results) -> Iterator[str]:
    """Results that no action has: with a slip in a name, a test would leave open what it seems to say."""
    rules = {rule.name: rule for rule in config.rules.rules}
    for rule, named in results.items():
        if rule not in rules:
            yield f"results: {expected_one_of(rule, rules)}"
            continue
        actions = {action.name: action for action in rules[rule].actions if action.name}
        for name, result in named.items():
            if name not in actions:
                yield f"results.{rule}: {expected_one_of(name, actions)} (the `as` of an action)"
                continue
            known = actions[name].kind.results
            yield from (
                f"results.{rule}.{name}: {expected_one_of(part, known)}" for part in result if part not in known
            )


def _entry(config: Config, step: Step, number: int, now: int, order: int) -> Entry:
    """An event as it would be accepted. One of a type that no source sends is one that a rule has emitted.

    Events between which no time passes are a millisecond apart, in their `order`; one that is there twice is a repeat.
    """
    source = next((name for name in config.source_entries if _sends(config, name, step.event)), None)
    organization = config.source_entries[source].organization.read() if source else ""
    organization = organization or "an-organization"
    told = {**_times(config, source, step.event, iso(now + order)), "organizationId": organization, **step.payload}
    place, name, body = f"{now}-{number}", f"event-{number + 1}", orjson.dumps(told)
    if source is None:
        return Entry(place, OURSELVES, name, organization, body, "emit")
    return Entry(place, source, name, organization, body)


def _times(config: Config, source: str | None, event_type: str, now: str) -> dict[str, str]:
    """The times that such a payload has, as far as they are described: the same state a second time is told by another."""
    api = config.api_of(source) if source else None
    described = api.webhooks.event_fields([event_type]) if api and api.webhooks else {}
    return {"timestamp": now, **{name: now for name, field in described.items() if field.get("format") == "date-time"}}


def _sends(config: Config, source: str, event_type: str) -> bool:
    api = config.api_of(source)
    return bool(api and (api.provider.kind_of(event_type) or (api.webhooks and event_type in api.webhooks.webhooks)))


def _failures(rehearsal: Rehearsal, expected: Sequence[Expected]) -> Iterator[tuple[str, ...]]:
    """Each expectation takes the first job that meets it; what is left on either side is wrong."""
    left = list(rehearsal.jobs)
    missing = []
    for each in expected:
        met = next((job for job in left if not list(_differences(each, job))), None)
        if met is None:
            missing.append(each)
        else:
            left.remove(met)
    for each in missing:
        near = next((job for job in left if job.rule == each.rule), None)
        if near is not None:
            left.remove(near)
        yield _unmet(rehearsal, each, near)
    for job in left:
        yield (f"a job that is not expected: {said(job)}",)


def _unmet(rehearsal: Rehearsal, expected: Expected, near: Job | None) -> tuple[str, ...]:
    if near is not None:
        return (f"another job than the expected one, of {expected.rule}:", *_differences(expected, near))
    if expected.rule not in {rule.name for rule in rehearsal.config.rules.rules}:
        return (f"no job of {expected.rule}: there is no rule of this name",)
    return (f"no job of {expected.rule}:", *_why_not(rehearsal, expected.rule))


def _why_not(rehearsal: Rehearsal, rule: str) -> Iterator[str]:
    """Every event that the rule was put to, with each clause: asked, saw, held; and what its controls said."""
    put = [(heard, decision) for heard in rehearsal.heard for decision in heard.decisions if decision.rule.name == rule]
    if not put:
        types = ", ".join(dict.fromkeys(heard.event.type for heard in rehearsal.heard))
        [asked] = [each.on for each in rehearsal.config.rules.rules if each.name == rule]
        yield f"  no event is of a type in its `on`: {', '.join(asked)}; they are {types or 'none'}"
    for heard, decision in put:
        yield f"  {heard.event.id}, {heard.event.type}, {heard.verdict.verdict}:"
        yield from (f"    {line}" for line in clauses(decision))
    said = [outcome for outcome in rehearsal.outcomes if outcome.rule == rule and outcome.outcome != "planned"]
    for outcome in said:
        yield f"  then {outcome.outcome}:"
        yield from (f"    {clause(finding, waits=outcome.outcome == 'waiting')}" for finding in outcome.findings)
    if said and said[-1].outcome == "waiting":
        yield f"  the test ends {written(rehearsal.now - BEGIN)} after it began: let time pass, like `- after: 10m`"


def clauses(decision: Decision) -> Iterator[str]:
    """Every clause of a decision in a line."""
    for finding in decision.findings:
        yield clause({"clause": finding.clause, "asked": finding.asked, "saw": finding.saw, "held": finding.held})


def clause(finding: Mapping[str, Any], *, waits: bool = False) -> str:
    """One finding: what was asked, what was seen, and whether it held; `waits` if it is of a rule that is waiting."""
    if waits and not finding["held"]:
        return f"waits  {finding['clause']}: {finding['asked']}, until {iso(finding['saw']['until'])}"
    mark = "held  " if finding["held"] else "failed"
    return f"{mark} {finding['clause']}: asked {_short(finding['asked'])}, saw {_short(finding['saw'])}"


def said(job: Job) -> str:
    """A job in a line."""
    return f"{job.rule} after {written(job.at - BEGIN)}: {_short(job.action)}"


def _differences(expected: Expected, job: Job) -> Iterator[str]:
    if expected.rule != job.rule:
        yield f"  rule: expected {expected.rule}, found {job.rule}"
    if expected.after is not None and expected.after != job.at - BEGIN:
        yield f"  after: expected {written(expected.after)}, found {written(job.at - BEGIN)}"
    for name, value in expected.action.items():
        if name not in job.action:
            yield f"  {name}: expected {_short(value)}, found a job that has {', '.join(job.action)}"
        else:
            yield from _unequal(value, job.action[name], name)


def _unequal(expected: Any, found: Any, path: str) -> Iterator[str]:
    """Where two values differ. What only an earlier job's result can fill in is open."""
    if isinstance(found, Open):
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in (*expected, *(name for name in found if name not in expected)):
            place = f"{path}.{name}"
            if name not in found:
                yield f"  {place}: expected {_short(expected[name])}, found nothing"
            elif name not in expected:
                yield f"  {place}: expected nothing, found {_short(found[name])}"
            else:
                yield from _unequal(expected[name], found[name], place)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, pair in enumerate(zip(expected, found, strict=True)):
            yield from _unequal(*pair, f"{path}.{number}")
    elif expected != found or isinstance(expected, bool) != isinstance(found, bool):
        yield f"  {path}: expected {_short(expected)}, found {_short(found)}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isprintable() and len(value) < 200 else repr(value[:200])
    return orjson.dumps(value, default=str).decode()[:300]
