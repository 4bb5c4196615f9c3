"""Backtests: what other rules would have done with the events of the log, against what was done. Pure; no effects.

Owns the comparison. A job is the same job if its id is: the same event, rule and place in the rule's list.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
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


Came = Mapping[str, Mapping[str, Any]]
"""What jobs came to then, by their ids."""


@dataclass(frozen=True, slots=True)
class Then:
    """What was done: the jobs by their ids, what they came to, and those whose event was never emitted."""

    jobs: dict[str, Job] = field(default_factory=dict)
    came: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)


def told(came: Came, late: Mapping[str, Any]) -> Came:
    """What those jobs came to that the open part of another mentions, by the names that it has for them."""
    return {name: came[job] for name, job in late["rows"].items() if job in came}


def rehearsed(config: Config, events: Iterable[tuple[Entry, Verdict | None]], until: int, then: Then) -> list[Job]:
    """The jobs that the rules of a configuration would have asked for, up to a time (ms since the epoch).

    What was emitted then is left out: rules of now emit for themselves, and what they emit may say what jobs came to then.
    """
    rehearsal = Rehearsal(config, 0, lambda rule, late: told(then.came, late), then.unheard)
    for entry, verdict in events:
        if entry.origin == "emit" or entry.generation:
            continue
        with suppress(DeliveryRejected):  # an event that nobody can read was not decided on either
            rehearsal.hear(entry, verdict)
    rehearsal.wait(until)
    return rehearsal.jobs


def changes(was: Mapping[str, Job], would_be: Mapping[str, Job]) -> list[Change]:
    """What differs, in the order of the events, of the rules, and of the actions in each rule's list."""
    found = []
    places = {**_places(would_be), **_places(was)}
    for job in was.keys() | would_be.keys():
        old, new = was.get(job), would_be.get(job)
        if (known := new or old) is None or (old and new and old.action == new.action):
            continue
        sign = "~" if old and new else "+" if new else "-"
        was_done, would_be_done = old.action if old else None, new.action if new else None
        order = (*_when(known.entry), known.rule, places[job])
        found.append((order, Change(sign, known.rule, known.entry, was_done, would_be_done)))
    return [change for _, change in sorted(found, key=itemgetter(0))]


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


def _places(jobs: Mapping[str, Job]) -> dict[str, int]:
    """The place of each job among those of its rule for its event, which come in the order of the rule's list."""
    number: Counter[tuple[str, str]] = Counter()
    places = {}
    for name, job in jobs.items():
        number[job.entry, job.rule] += 1
        places[name] = number[job.entry, job.rule]
    return places


def _when(entry: str) -> tuple[int, bool, int]:
    """The place of an event among all; one that would be emitted (`-e3`) comes after those that were accepted."""
    accepted, _, number = entry.partition("-")
    return int(accepted), number.startswith("e"), int(number.removeprefix("e"))
