"""The dispatcher: reads the event log and decides what follows from each event.

Owns the order observe, match, plan, enqueue, acknowledge. Each step stores its result once per event, so that a dispatcher
may die between any two and another goes on. Acts on nothing itself.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from reactor.apis.client import Api
from reactor.config import Config
from reactor.errors import DeliveryRejected, StoreUnavailable
from reactor.events import Event, meaning
from reactor.failpoints import failpoint
from reactor.queue import JobQueue, Ticket
from reactor.rules.cel import Unknown
from reactor.rules.match import CompiledAction, Decision
from reactor.store.ledger import NewRow, Plan
from reactor.store.log import Entry
from reactor.store.resources import Observation, Verdict
from reactor.store.store import Store

BLOCK = 1.0
"""Seconds to wait for the next event before looking after those of dispatchers that are gone."""

PAUSE = 1.0
"""Seconds to leave Redis alone when it is unable."""

log = structlog.get_logger("reactor.dispatch")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event read from the log, with the API it is about; None for a source that is no longer configured."""

    entry: Entry
    event: Event
    api: Api | None


class Dispatcher:
    """One reader of the event log; any number may run."""

    def __init__(self, store: Store, queue: JobQueue, config: Config, *, takeover: float) -> None:
        self._store = store
        self._queue = queue
        self._config = config
        self._takeover = takeover
        self._name = f"dispatcher-{uuid4().hex[:12]}"

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
            abandoned = await self._store.log.take_over(self._name, idle=self._takeover)
            entries = abandoned or await self._store.log.read(self._name, block=BLOCK)
            if entries:
                await self.react(entries)

    async def react(self, entries: Sequence[Entry]) -> None:
        """Take events from the log to their jobs in the queue. Raises StoreUnavailable; then nothing is acknowledged."""
        failpoint("dispatch.after_read")
        arrivals = [arrival for entry in entries if (arrival := self._arrive(entry))]
        verdicts = await self.observe(arrivals)
        failpoint("dispatch.after_observe")
        plans = [
            self.plan(arrival, self.match(arrival, verdict))
            for arrival, verdict in zip(arrivals, verdicts, strict=True)
        ]
        stored = await self._store.ledger.plan(plans)
        failpoint("dispatch.after_plan")
        await self.enqueue([plan for plan, first in zip(plans, stored, strict=True) if first])
        failpoint("dispatch.after_enqueue")
        await self._store.log.acknowledge([entry.entry for entry in entries])

    def _arrive(self, entry: Entry) -> Arrival | None:
        """Read a logged body again, as it was read when it was accepted."""
        try:
            event = Event.from_payload(
                id=entry.id,
                source=entry.source,
                organization=entry.organization,
                body=entry.body,
                received=entry.accepted,
            )
        except DeliveryRejected as error:  # accepted by a reactor that read bodies differently
            log.error("event unreadable", event_id=entry.id, entry=entry.entry, error=str(error))
            return None
        api = self._config.api_of(entry.source)
        return Arrival(entry, self._config.recognise(event), api)

    async def observe(self, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Store what each event says of a resource, and learn what it is in the light of all before it."""
        return await self._store.resources.observe(
            [
                Observation(
                    arrival.entry.entry,
                    arrival.event.source,
                    meaning(arrival.event),
                    arrival.api.provider.sighting(arrival.event, accepted=arrival.entry.accepted)
                    if arrival.api
                    else None,
                )
                for arrival in arrivals
            ]
        )

    def match(self, arrival: Arrival, verdict: Verdict) -> list[Decision]:
        """Put the rules to an event; only a fresh one can make any of them fire."""
        log.info(
            "event observed",
            event_id=arrival.event.id,
            type=arrival.event.type,
            verdict=verdict.verdict,
            resource=verdict.id,
        )
        if verdict.verdict != "fresh":
            return []
        return [decision for decision in self._config.rules.put_to(arrival.event) if decision.fired]

    def plan(self, arrival: Arrival, fired: Sequence[Decision]) -> Plan:
        """The rows that follow from the rules that fired, with every argument rendered."""
        rows: list[NewRow] = []
        faults: list[str] = []
        for decision in fired:
            values = decision.rule.scope.values(arrival.event)
            for number, action in enumerate(decision.rule.actions):
                row = row_id(arrival.event, decision.rule.name, number)
                try:
                    rows.append(NewRow(row, decision.rule.name, "call", action.api, render(action, values)))
                except Unknown as error:
                    faults.append(f"{decision.rule.name} action {number + 1}: {error}")
                    log.error(
                        "action not planned", event_id=arrival.event.id, rule=decision.rule.name, error=str(error)
                    )
        return Plan(arrival.entry.entry, arrival.event.id, self._config.revision, tuple(rows), tuple(faults))

    async def enqueue(self, plans: Sequence[Plan]) -> None:
        """Add an RQ job for each new row. A plan that stood before is left to the sweeper."""
        rows = [(plan, row) for plan in plans for row in plan.rows]
        await self._queue.enqueue([Ticket(row.id) for _, row in rows])
        for plan, row in rows:
            log.info(
                "job planned", event_id=plan.event, rule=row.rule, job=row.id, call=f"{row.api}.{row.what['operation']}"
            )


def row_id(event: Event, rule: str, number: int) -> str:
    """The id of the row for one action of one rule on one event: the same whoever plans it, and safe in labels."""
    return hashlib.sha256(f"{event.source}\0{event.id}\0{rule}\0{number}".encode()).hexdigest()[:20]


def render(action: CompiledAction, values: dict[str, object]) -> dict[str, object]:
    """What a row says of a call, with nothing left to look up. Raises Unknown."""
    return {"operation": action.operation, "if_exists": action.if_exists, **action.arguments.render(values)}
