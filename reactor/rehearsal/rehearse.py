"""Rehearses a configuration: events are put to its rules in their order, and what would follow is told. No effects.

Owns the clock of a rehearsal. What an event means is decided by the same code as in earnest.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from reactor.config import Config
from reactor.events import OURSELVES, Event, iso, meaning
from reactor.planning import decides, plan_event
from reactor.rehearsal.memory import Memory, Outcome
from reactor.rehearsal.table import Table
from reactor.rules.cel import Unknown
from reactor.rules.late import LATE, filled
from reactor.rules.match import Decision
from reactor.rules.wording import as_written, summary
from reactor.store.log import Entry
from reactor.store.plans import NewRow
from reactor.store.resources import Verdict

WINDOW = 14 * 86_400_000
"""The dedup window of a rehearsal, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that would be asked for: when (ms), by which rule, for which event, and the action as a rule would write it."""

    id: str
    at: int
    rule: str
    entry: str
    action: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, its verdict, and every rule that asks for its type, put to it."""

    event: Event
    verdict: Verdict
    decisions: tuple[Decision, ...]


Told = Callable[[str, Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]
"""What earlier actions came to, by their names: asked by the rule, and by what of a row is open."""


@dataclass
class Rehearsal:
    """One run of events through a configuration. `now` is in milliseconds since the epoch.

    `told` says what actions come to; what needs others stays open. `faults` are arguments that have no value by that, with
    the job and why: in earnest such a job is dead. What the jobs `unheard` would emit nobody hears.
    """

    config: Config
    now: int
    told: Told = lambda rule, late: {}
    unheard: Collection[str] = ()
    faults: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._table = Table(WINDOW)
        self._memory = Memory(self._table)

    def wait(self, until: int) -> None:
        """Let time pass."""
        for outcome in self._memory.ripen(until):
            self._take(outcome)
        self.now = max(self.now, until)

    def hear(self, entry: Entry, verdict: Verdict | None = None) -> None:
        """Put one event to the rules, at the time it was accepted. A verdict that is known is not judged again.

        Raises DeliveryRejected for a body that is none.
        """
        self.wait(entry.accepted)
        arrival = self.config.arrival(entry)
        event, table = arrival.event, arrival.table
        judged = self._table.observe(table, meaning(event, table), arrival.sighting, self.now)
        verdict = verdict or judged
        self.heard.append(Heard(event, verdict, tuple(self.config.rules.put_to(event))))
        fired = self.config.rules.fired(event) if decides(event, verdict) else []
        plan = plan_event(arrival.judged(verdict), fired, self.config.rules, self.config.revision)
        for outcome in self._memory.plan(plan, self.now):
            self._take(outcome)

    def _take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        for planned in outcome.rows:
            row = self._filled(planned)
            self.jobs.append(Job(row.id, outcome.at, row.rule, outcome.entry, as_written(row)))
            if row.action == "emit" and row.id not in self.unheard:
                self._emit(row, outcome.at)

    def _filled(self, row: NewRow) -> NewRow:
        """The row with what the results that are told fill in."""
        if LATE not in row.what:
            return row
        try:
            return replace(row, what=filled(row.what, self.told(row.rule, row.what[LATE])))
        except Unknown as error:
            self.faults.append(f"{row.rule}, {summary(row)}: an argument has no value by `results`: {error}")
            return row

    def _emit(self, row: NewRow, at: int) -> None:
        """What a rule emits is heard like any event."""
        body = orjson.dumps({**row.what["data"], "event": row.what["type"], "timestamp": iso(at)})
        place, lineage = f"{self.now}-e{len(self.heard)}", tuple(row.what["lineage"])
        self.hear(Entry(place, OURSELVES, f"emit-{row.id}", row.what["organization"], body, "emit", lineage))
