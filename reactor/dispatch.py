"""The dispatcher: reads the event log and decides what follows from each event.

Owns the order observe, match, plan, enqueue, acknowledge. Each step stores its result once per event, so that a dispatcher
may die between any two and another goes on. Acts on nothing itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from reactor.errors import StoreUnavailable
from reactor.events import Event, Sighting, meaning
from reactor.failpoints import failpoint
from reactor.planning import Occasion, decides, plan_event
from reactor.queue import JobQueue, Ticket
from reactor.reload import Live
from reactor.rules.match import Decision
from reactor.rules.wording import subject
from reactor.store.log import Entry
from reactor.store.plans import Plan, StoredPlan
from reactor.store.resources import Observation, Verdict
from reactor.store.runs import Sighted, Told
from reactor.store.store import Store

BLOCK = 1.0
"""Seconds to wait for the next event before looking after those of dispatchers that are gone."""

READS = 5
"""How often an event is read before it is set aside. By then it was faulty, or the end of its dispatcher, each time."""

HEAR_EVERY = 30_000
"""Milliseconds between two notes that a source was heard."""

PAUSE = 1.0
"""Seconds to leave Redis alone when it is unable."""

log = structlog.get_logger("reactor.dispatch")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event read from the log, and what it says of a resource, if it is about one that an API file describes."""

    entry: Entry
    event: Event
    sighting: Sighting | None


class Dispatcher:
    """One reader of the event log; any number may run."""

    def __init__(self, store: Store, queue: JobQueue, live: Live, *, takeover: float) -> None:
        self._store = store
        self._queue = queue
        self._live = live
        self._config = live.config
        self._takeover = takeover
        self._name = f"dispatcher-{uuid4().hex[:12]}"
        self._heard: dict[str, int] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Decide on events until told to stop; what Redis can't take now is taken up again."""
        while not stopping.is_set():
            try:
                await self._store.log.join()
                await self._read(stopping)
            except StoreUnavailable as error:
                log.warning("dispatch paused", error=str(error))
                await asyncio.sleep(PAUSE)

    async def _read(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if not await self.take_over():
                await self.decide(await self._store.log.read(self._name, block=BLOCK))

    async def take_over(self) -> bool:
        """Decide on one event that a dispatcher left unfinished, or set it aside; False when there is none."""
        taken = await self._store.log.take_over(self._name, idle=self._takeover)
        if taken is None:
            return False
        entry, reads = taken
        if reads < READS:
            await self.decide([entry])
        else:
            await self._store.log.set_aside(entry)
            log.error("event set aside", event_id=entry.id, entry=entry.entry, reads=reads)
        return True

    async def decide(self, entries: Sequence[Entry]) -> None:
        """React to events. A faulty one delays no other: it stays unacknowledged, and is taken over later."""
        try:
            await self.react(entries)
        except StoreUnavailable:
            raise
        except Exception:  # the boundary: what one event does to us must not end the process, nor stop the others
            if len(entries) == 1:
                log.exception("event faulty", event_id=entries[0].id, entry=entries[0].entry)
                return
            for entry in entries:
                await self.decide([entry])

    async def react(self, entries: Sequence[Entry]) -> None:
        """Take events from the log to their jobs in the queue; nothing is acknowledged unless all of it went well.

        Raises StoreUnavailable, DeliveryRejected for a body that can't be read as when it was accepted.
        """
        failpoint("dispatch.after_read")
        self._config = self._live.config  # one revision for all that is done with these events
        arrivals = [self._arrive(entry) for entry in entries]
        verdicts = await self.observe(arrivals)
        failpoint("dispatch.after_observe")
        await self._hear(arrivals)
        await self.wake(arrivals, verdicts)
        plans = [
            self.plan(arrival, verdict, self.match(arrival, verdict))
            for arrival, verdict in zip(arrivals, verdicts, strict=True)
        ]
        stored = await self._store.ledger.plan(plans)
        failpoint("dispatch.after_plan")
        await self.enqueue(plans, stored)
        failpoint("dispatch.after_enqueue")
        await self._store.log.acknowledge([entry.entry for entry in entries])

    def _arrive(self, entry: Entry) -> Arrival:
        """Read a logged body again, as it was read when it was accepted."""
        event, api = self._config.recognise(entry.event()), self._config.api_of(entry.source)
        return Arrival(entry, event, api.provider.sighting(event, accepted=entry.accepted) if api else None)

    async def observe(self, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Store what each event says of a resource, and learn what it is in the light of all before it."""
        return await self._store.resources.observe(
            [
                Observation(arrival.entry.entry, table, meaning(arrival.event, table), arrival.sighting)
                for arrival in arrivals
                for table in (self._table(arrival),)
            ]
        )

    async def _hear(self, arrivals: Sequence[Arrival]) -> None:
        """Note now and then that webhooks come, so that the reconciler can tell when they don't."""
        for arrival in arrivals:
            source, accepted = arrival.entry.source, arrival.entry.accepted
            if arrival.entry.origin == "webhook" and accepted - self._heard.get(source, 0) > HEAR_EVERY:
                self._heard[source] = accepted
                await self._store.reconciles.hear(source, accepted)

    def _table(self, arrival: Arrival) -> str:
        """Whose state table an event is entered into."""
        return self._config.table(arrival.event.source)

    async def wake(self, arrivals: Sequence[Arrival], verdicts: Sequence[Verdict]) -> None:
        """Wake the runs that wait for what these events changed. Asked twice, it wakes nobody twice."""
        sighted = [
            Sighted(self._table(arrival), verdict.kind, verdict.id, arrival.sighting.name)
            for arrival, verdict in zip(arrivals, verdicts, strict=True)
            if verdict.verdict == "fresh" and verdict.kind and verdict.id and arrival.sighting
        ]
        told = [
            Told(
                self._table(arrival),
                verdict.kind,
                arrival.event.type,
                arrival.entry.entry,
                verdict.id,
                arrival.sighting.name,
            )
            for arrival, verdict in zip(arrivals, verdicts, strict=True)
            if verdict.verdict == "fresh" and verdict.kind and verdict.id and arrival.sighting
        ]
        woken = [*await self._store.runs.wake(sighted), *await self._store.runs.hear(told)]
        await self._queue.enqueue([Ticket(row) for row in woken])

    def match(self, arrival: Arrival, verdict: Verdict) -> list[Decision]:
        """Put the rules to an event; only a fresh one, or a stale one, can make any of them fire."""
        log.info(
            "event observed",
            event_id=arrival.event.id,
            type=arrival.event.type,
            origin=arrival.event.origin,
            verdict=verdict.verdict,
            resource=verdict.id,
        )
        return self._config.rules.fired(arrival.event) if decides(arrival.event, verdict) else []

    def plan(self, arrival: Arrival, verdict: Verdict, fired: Sequence[Decision]) -> Plan:
        """What follows from the rules that fired, with every argument rendered."""
        occasion = Occasion(arrival.entry, arrival.event, arrival.sighting, verdict, self._table(arrival))
        plan = plan_event(occasion, fired, self._config.rules, self._config.revision)
        for fault in plan.faults:
            log.error("action not planned", event_id=arrival.event.id, error=fault)
        return plan

    async def enqueue(self, plans: Sequence[Plan], stored: Sequence[StoredPlan]) -> None:
        """Add an RQ job for each new row that waits for nothing. A plan that stood before is left to the sweeper."""
        rows = []
        for plan, stands in zip(plans, stored, strict=True):
            if stands.first:
                made = {row for row, _, _ in stands.plan["rows"]}
                rows += [(plan, row) for row in plan.rows if row.id in made and not row.follows]
                report(plan.event, stands.plan["rules"])
        await self._queue.enqueue([Ticket(row.id) for _, row in rows])
        for plan, row in rows:
            log.info(
                "job planned", event_id=plan.event, rule=row.rule, job=row.id, action=row.action, what=subject(row)
            )


def report(event: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Log what became of the rules that fired and planned no job yet, and why."""
    for rule in rules:
        if rule["outcome"] in ("withheld", "waiting", "shadow"):
            because = [f"{each['clause']}: {each['saw']}" for each in rule["findings"] if not each["held"]]
            log.info(f"rule {rule['outcome']}", event_id=event, rule=rule["rule"], because=because)
