"""Backtests: what other rules would have done with the events of the log, against what was done. Pure; no effects.

Owns the comparison. A job is the same job if its id is: the same event, rule and place in the rule's list.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reactor.config import Config
from reactor.errors import DeliveryRejected
from reactor.rehearsal.rehearse import Job, Rehearsal
from reactor.rules.match import CompiledRule
from reactor.store.log import Entry
from reactor.store.resources import Verdict


@dataclass(frozen=True, slots=True)
class Change:
    """A job that would be added (+), missing (-) or another one (~): its rule, its event, and the actions then and now."""

    sign: str
    rule: str
    entry: str
    was: Mapping[str, Any] | None
    would_be: Mapping[str, Any] | None


def rehearsed(config: Config, events: Iterable[tuple[Entry, Verdict | None]], until: int) -> list[Job]:
    """The jobs that the rules of a configuration would have asked for, up to a time (ms since the epoch).

    What was emitted then is left out: rules of now emit for themselves.
    """
    rehearsal = Rehearsal(config, 0)
    for entry, verdict in events:
        if entry.origin == "emit" or entry.generation:
            continue
        with suppress(DeliveryRejected):  # an event that nobody can read was not decided on either
            rehearsal.hear(entry, verdict)
    rehearsal.wait(until)
    return rehearsal.jobs


def changes(was: Mapping[str, Job], would_be: Mapping[str, Job]) -> list[Change]:
    """What differs, in the order of the events."""
    found = []
    for job in was.keys() | would_be.keys():
        old, new = was.get(job), would_be.get(job)
        if (known := new or old) is None or (old and new and _alike(old.action, new.action)):
            continue
        sign = "~" if old and new else "+" if new else "-"
        was_done, would_be_done = old.action if old else None, new.action if new else None
        found.append(Change(sign, known.rule, known.entry, was_done, would_be_done))
    return sorted(found, key=lambda change: (_place(change.entry), change.rule, change.sign))


def memory(rules: Sequence[CompiledRule]) -> int:
    """How long before a span rules may remember something of it, in milliseconds."""
    spans = [0]
    for rule in rules:
        controls = rule.controls
        spans += [limit.within for limit in controls.limits]
        spans += [controls.count.within] if controls.count else []
        spans += [controls.hold or 0, controls.unless.within if controls.unless else 0]
        spans += [controls.debounce.at_most] if controls.debounce else []
    return max(spans)


def _alike(was: Mapping[str, Any], would_be: Mapping[str, Any]) -> bool:
    """Whether two actions are the same; what an earlier action's result filled in is open in the rehearsal."""
    return was.keys() == would_be.keys() and all(_same(was[name], would_be[name]) for name in was)


def _same(was: Any, would_be: Any) -> bool:
    if would_be is None:
        return True
    if isinstance(was, dict) and isinstance(would_be, dict):
        return was.keys() == would_be.keys() and all(_same(was[name], would_be[name]) for name in was)
    if isinstance(was, list) and isinstance(would_be, list):
        return len(was) == len(would_be) and all(_same(*pair) for pair in zip(was, would_be, strict=True))
    return bool(was == would_be)


def _place(entry: str) -> tuple[int, str]:
    return int(entry.partition("-")[0]), entry
