"""The dispatcher: reads the event log and decides what follows from each event.

Owns the order observe, match, plan, enqueue, acknowledge. Each step stores its result once per event, so that a dispatcher
may die between any two and another goes on. Acts on nothing itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import structlog

from reactor.config import Config
from reactor.errors import StoreRefused, StoreUnavailable
from reactor.events import meaning
from reactor.failpoints import failpoint
from reactor.planning import Arrival, Occasion, decides, plan_event
from reactor.queue import JobQueue, Ticket
from reactor.reload import Live
from reactor.rules.match import Decision
from reactor.rules.wording import subject
from reactor.store.log import Entry
from reactor.store.plans import Plan, StoredPlan
from reactor.store.resources import Observation
from reactor.store.store import Store
from reactor.store.waits import News

BLOCK = 1.0
"""Seconds to wait for the next event before looking after those of dispatchers that are gone."""

READS = 5
"""How often an event is read before it is set aside. By then it was faulty, or the end of its dispatcher, each time."""

HEAR_EVERY = 30_000
"""Milliseconds between two notes that a source was heard."""

PAUSE = 1.0
"""Seconds to leave Redis alone when it is unable."""

log = structlog.get_logger("reactor.dispatch")


class Dispatcher:
    """One reader of the event log; any number may run."""

    def __init__(self, store: Store, queue: JobQueue, live: Live, *, takeover: float) -> None:
        self._store = store
        self._queue = queue
        self._live = live
        self._takeover = takeover
        self._name = f"dispatcher-{uuid4().hex[:12]}"
        self._heard: dict[str, int] = {}
        self._in_doubt = False

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
            await self._look_for_foreign_keys()
            if not await self.take_over():
                await self.decide(await self._store.log.read(self._name, block=BLOCK))

    async def _look_for_foreign_keys(self) -> None:
        """Once something was refused: whether it is a key that every event needs, so that none is to blame.

        Raises StoreUnavailable that names it.
        """
        if self._in_doubt and (foreign := await self._store.foreign()):
            raise StoreUnavailable("; ".join(foreign))
        self._in_doubt = False

    async def take_over(self) -> bool:
        """Decide on one event that a dispatcher left unfinished, or set it aside; False when there is none.

        One whose plan is kept is decided, whatever ended its dispatchers: its rows are due, and the sweep finds them.
        """
        taken = await self._store.log.take_over(self._name, idle=self._takeover)
        if taken is None:
            return False
        entry, reads = taken
        if reads < READS:
            await self.decide([entry])
        elif await self._is_planned(entry):
            await self._store.log.acknowledge([entry.entry])
            log.warning("event left to the sweep", event_id=entry.id, entry=entry.entry, reads=reads)
        else:
            await self._store.log.set_aside(entry)
            log.error("event set aside", event_id=entry.id, entry=entry.entry, reads=reads)
        return True

    async def _is_planned(self, entry: Entry) -> bool:
        try:
            return await self._store.plans.get(entry.entry) is not None
        except StoreRefused:  # nobody of us wrote what is there
            return False

    async def decide(self, entries: Sequence[Entry]) -> None:
        """React to events. A faulty one delays no other: it stays unacknowledged, and is taken over later.

        Raises StoreUnavailable: then all of them are taken over later.
        """
        try:
            await self.react(entries)
        except StoreRefused as error:
            self._in_doubt = True
            await self._look_for_foreign_keys()
            await self._decide_each(entries, str(error))
        except StoreUnavailable:
            raise
        except Exception:  # the boundary: what one event does to us must not end the process, nor stop the others
            if len(entries) == 1:
                log.exception("event faulty", event_id=entries[0].id, entry=entries[0].entry)
            else:
                await self._decide_each(entries)

    async def _decide_each(self, entries: Sequence[Entry], refused: str = "") -> None:
        """Find out which of several events is faulty; of one, say what was `refused`."""
        if len(entries) == 1:
            log.error("event faulty", event_id=entries[0].id, entry=entries[0].entry, error=refused)
            return
        for entry in entries:
            await self.decide([entry])

    async def react(self, entries: Sequence[Entry]) -> None:
        """Take events from the log to their jobs in the queue; nothing is acknowledged unless all of it went well.

        Raises StoreUnavailable, DeliveryRejected for a body that can't be read as when it was accepted.
        """
        failpoint("dispatch.after_read")
        config = self._live.config  # one revision for all that is done with these events
        occasions = await self.observe([config.arrival(entry) for entry in entries])
        failpoint("dispatch.after_observe")
        await self._note_heard(entries)
        await self.wake(occasions)
        plans = [self.plan(occasion, self.match(occasion, config), config) for occasion in occasions]
        stored = await self._store.plans.keep(plans)
        failpoint("dispatch.after_plan")
        await self.enqueue(plans, stored)
        failpoint("dispatch.after_enqueue")
        await self._store.log.acknowledge([entry.entry for entry in entries])

    async def observe(self, arrivals: Sequence[Arrival]) -> list[Occasion]:
        """Store what each event says of a resource, and learn what it is in the light of all before it."""
        verdicts = await self._store.resources.observe(
            [
                Observation(each.entry.entry, each.table, meaning(each.event, each.table), each.sighting)
                for each in arrivals
            ]
        )
        return [arrival.judged(verdict) for arrival, verdict in zip(arrivals, verdicts, strict=True)]

    async def _note_heard(self, entries: Sequence[Entry]) -> None:
        """Note now and then that webhooks come, so that the reconciler can tell when they don't."""
        for entry in entries:
            if entry.origin == "webhook" and entry.accepted - self._heard.get(entry.source, 0) > HEAR_EVERY:
                self._heard[entry.source] = entry.accepted
                await self._store.reconciles.hear(entry.source, entry.accepted)

    async def wake(self, occasions: Sequence[Occasion]) -> None:
        """Wake the runs that wait for these events, or for what they changed. Asked twice, it wakes nobody twice."""
        woken = await self._store.waits.wake([news for each in occasions if (news := news_of(each))])
        await self._queue.enqueue([Ticket(row) for row in woken])

    def match(self, occasion: Occasion, config: Config) -> list[Decision]:
        """Put the rules to an event, if its verdict lets it decide anything."""
        event, verdict = occasion.event, occasion.verdict
        log.info(
            "event observed",
            event_id=event.id,
            type=event.type,
            origin=event.origin,
            verdict=verdict.verdict,
            resource=verdict.id,
        )
        return config.rules.fired(event) if decides(event, verdict) else []

    def plan(self, occasion: Occasion, fired: Sequence[Decision], config: Config) -> Plan:
        """What follows from the rules that fired, with every argument rendered."""
        plan = plan_event(occasion, fired, config.rules, config.revision)
        for fault in plan.faults:
            log.error("action not planned", event_id=occasion.event.id, error=fault)
        return plan

    async def enqueue(self, plans: Sequence[Plan], stored: Sequence[StoredPlan]) -> None:
        """Add an RQ job for each new row that waits for nothing. A plan that stood before is left to the sweeper."""
        rows = []
        for plan, stands in zip(plans, stored, strict=True):
            if stands.first:
                made = {row for row, _, _ in stands.plan["rows"]}
                rows += [(plan, row) for row in plan.rows if row.id in made and not row.follows]
                report(plan.event, stands.plan["rules"])
        await self._queue.enqueue([Ticket(row.id, queue=row.queue) for _, row in rows])
        for plan, row in rows:
            log.info(
                "job planned", event_id=plan.event, rule=row.rule, job=row.id, action=row.action, what=subject(row)
            )


def news_of(occasion: Occasion) -> News | None:
    """What an event is to runs that wait; None for one that is not fresh, or of no resource that an API file describes."""
    verdict, sighting = occasion.verdict, occasion.sighting
    if verdict.verdict != "fresh" or not (verdict.kind and verdict.id and sighting):
        return None
    return News(occasion.table, verdict.kind, verdict.id, sighting.name, occasion.event.type, occasion.entry.entry)


def report(event: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Log what became of the rules that fired and planned no job yet, and why."""
    for rule in rules:
        if rule["outcome"] in ("withheld", "waiting", "shadow"):
            because = [f"{each['clause']}: {each['saw']}" for each in rule["findings"] if not each["held"]]
            log.info(f"rule {rule['outcome']}", event_id=event, rule=rule["rule"], because=because)
