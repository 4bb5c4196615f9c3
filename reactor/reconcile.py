"""The reconciler: compares what each API lists with what its events told, and makes the events that are missing.

Owns when to look and how far an API has been seen (the watermark). What differs, and what may be believed, is
`apis.differences`'; the events go into the log and from there the way of all others.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog

from reactor.apis.client import ApiClient
from reactor.apis.differences import Listed, Suspect, fills_of, is_confirmed, is_new, reads_of, suspects_of
from reactor.apis.listing import listed
from reactor.apis.look import read_resource
from reactor.apis.provider import CLOCKS, Resource
from reactor.apis.sightings import Teller, events_of, state_now
from reactor.config import Config
from reactor.config.telling import is_asked_for, sends_webhooks, teller_of
from reactor.errors import CallError, PermanentError, StoreUnavailable
from reactor.events import Event, Known
from reactor.failpoints import failpoint
from reactor.patience import cancelled, until
from reactor.reload import Live
from reactor.runs.watching import to_watch
from reactor.settings import Settings
from reactor.store.reconciles import Mark
from reactor.store.store import Store

SURE = CLOCKS / 1000
"""Seconds, besides what a read may lag behind, between a difference and the read that confirms it."""

UNSEEN = 60_000
"""Milliseconds by which a listing may lack what was just made: the watermark stays so far behind."""

MOST = 500
"""Suspects of one kind that are asked again in one round; the others' turn is the next one."""

AT_ONCE = 4
BATCH = 500
"""Second reads under way at once, and resources looked up in the table at once."""

TURN = 5.0
"""Seconds before looking again where somebody else reconciles, or Redis was unable."""

JITTER = (0.8, 1.2)
DONE = 0.7
AGAIN = 10.0
"""An interval is varied by so much; an API that was reconciled this part of one ago is left alone, or so many seconds ago
at the start and after an outage."""

log = structlog.get_logger("reactor.reconcile")


@dataclass(frozen=True, slots=True)
class Difference:
    """A resource whose state the table does not have, and the types of the events that were made of it."""

    kind: str
    id: str
    why: str
    known: str | None
    shown: str | None
    told: tuple[str, ...] = ()


@dataclass
class Report:
    """What one round over an API found: how many resources of each kind, how many were entered silently, what differs."""

    api: str
    baseline: bool
    resources: dict[str, int] = field(default_factory=dict)
    filled: int = 0
    differences: list[Difference] = field(default_factory=list)
    complete: bool = True
    silent: bool = False

    @property
    def told(self) -> int:
        """How many events were made."""
        return sum(len(each.told) for each in self.differences)


class Reconciler:
    """Reconciles the APIs of a configuration; any number may run, one at a time works on an API."""

    def __init__(self, store: Store, live: Live, client: ApiClient, settings: Settings, *, sure: float = SURE) -> None:
        self._store = store
        self._live = live
        self._client = client
        self._every = settings.reconcile
        self._lease = settings.lease
        self._window = settings.dedup_window
        self._sure = sure
        self._name = f"reconciler-{uuid4().hex[:12]}"

    async def run(self, stopping: asyncio.Event) -> None:
        """Reconcile at the start, again and again, and soon after Redis was unable, until told to stop: then at once.

        What is under way is given up: all that counts is in the log already.
        """
        if self._every:
            await until(stopping, self._forever())

    async def _forever(self) -> None:
        settled = DONE * self._every
        shortest = min(AGAIN, settled)
        while True:
            try:
                busy = await self.round(shortest)
                shortest = shortest if busy else settled
                pause = TURN if busy else self._every * random.uniform(*JITTER)  # noqa: S311  # so that replicas spread
            except StoreUnavailable as error:
                log.warning("reconcile paused", error=str(error))
                pause, shortest = TURN, min(AGAIN, settled)
            await asyncio.sleep(pause)

    async def round(self, settled: float) -> bool:
        """Reconcile every API that was not in the last `settled` seconds; returns whether others do so now.

        Raises StoreUnavailable.
        """
        busy = False
        for name in reconciled_apis(self._live.config):
            mark = await self._store.reconciles.mark(name)
            if time.time() * 1000 - mark.ended >= settled * 1000:
                busy = await self._tried(name) or busy
        return busy

    async def _tried(self, name: str) -> bool:
        """Reconcile an API; True when somebody else does it now. Raises StoreUnavailable."""
        try:
            return await self.reconcile(name) is None
        except StoreUnavailable:
            raise
        except CallError as error:
            log.error("not reconciled", api=name, error=str(error))
        except Exception:  # the boundary: what one API answers must not end the jobs of this process
            log.exception("reconcile faulty", api=name)
        return False

    async def reconcile(self, name: str, *, dry: bool = False) -> Report | None:
        """Compare an API with the table, and make the missing events; `dry` only looks, and asks nothing twice.

        None when somebody else does it now. Raises CallError, StoreUnavailable.
        """
        config = self._live.config
        teller = teller_of(config, config.apis[name], "reconcile")
        if dry:
            return await self._compared(teller, kinds_of(config, name), dry=True)
        async with self._holding(name) as held:
            return await self._compared(teller, kinds_of(config, name)) if held else None

    @asynccontextmanager
    async def _holding(self, api: str) -> AsyncIterator[bool]:
        """Be the only one who reconciles an API. Should the lease be lost, two do: that costs calls, and nothing else."""
        if not await self._store.reconciles.hold(api, self._name):
            yield False
            return
        prolonging = asyncio.create_task(self._prolong(api))
        try:
            yield True
        finally:
            await cancelled([prolonging])
            await self._let_go(api)

    async def _let_go(self, api: str) -> None:
        """Let others reconcile an API, also after a round that failed; should Redis be unable, the lease ends by itself."""
        try:
            await self._store.reconciles.release(api, self._name)
        except StoreUnavailable as error:
            log.warning("reconcile not released", api=api, error=str(error))

    async def _prolong(self, api: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._store.reconciles.hold(api, self._name)
            except StoreUnavailable as error:
                log.warning("reconcile not prolonged", api=api, error=str(error))

    async def _compared(self, teller: Teller, kinds: Sequence[str], *, dry: bool = False) -> Report:
        api, began = teller.api, int(time.time() * 1000)
        mark = await self._store.reconciles.mark(api.name)
        watermark = mark.watermark
        if watermark is not None and watermark < began - self._window * 1000:
            watermark = None  # events of so long ago are late; this is an old backup, or a very long outage
        report = Report(api.name, watermark is None)
        rounds = [self._kind(teller, kind, watermark, report, dry=dry) for kind in kinds]
        _raise_first(await asyncio.gather(*rounds, return_exceptions=True))
        if not dry:
            await self._keep(teller, report, replace(mark, watermark=watermark), began)
        return report

    async def _keep(self, teller: Teller, report: Report, mark: Mark, began: int) -> None:
        lag = max((resource.staleness for resource in teller.api.provider.resources.values()), default=0.0)
        upto = began - UNSEEN - int(lag * 1000) if report.complete or mark.watermark is None else mark.watermark
        report.silent = await self._is_silent(teller, report)
        ended, told = int(time.time() * 1000), mark.told + report.told
        await self._store.reconciles.keep(report.api, Mark(upto, ended, told, report.silent))
        failpoint("reconcile.after_keep")
        log.info(
            "reconciled",
            api=report.api,
            baseline=report.baseline,
            resources=report.resources,
            filled=report.filled,
            told=report.told,
            seconds=round(time.time() - began / 1000, 3),
        )

    async def _is_silent(self, teller: Teller, report: Report) -> bool:
        """Whether nobody has announced what moved, for longer than two rounds."""
        if not report.told or teller.source not in self._live.config.source_entries:
            return False
        heard = await self._store.reconciles.heard(teller.source)
        silence = time.time() - (heard or 0) / 1000
        if silence <= 2 * self._every:
            return False
        log.error(
            "webhooks silent",
            source=teller.source,
            api=report.api,
            missed=report.told,
            last=heard,
            error="resources change and no webhook comes: look at the endpoint's deliveries at the provider",
        )
        return True

    async def _kind(self, teller: Teller, kind: str, watermark: int | None, report: Report, *, dry: bool) -> None:
        """One kind of resource of an API."""
        resource = teller.api.provider.resources[kind]
        seen = await self._listed(teller, kind)
        report.resources[kind] = len(seen.reads)
        suspects = suspects_of(resource, seen, watermark)
        if dry:
            report.differences += [_difference(resource, each, seen) for each in suspects]
            return
        failpoint("reconcile.after_list")
        doubted = {each.read.id for each in suspects}
        certain = replace(seen, reads=[read for read in seen.reads if read.id not in doubted])
        report.filled += await self._store.resources.fill(teller.api.name, fills_of(resource, certain))
        for read in seen.reads:
            if spec := to_watch(self._live.config, teller.api, kind, read.data):
                await self._store.watches.stand(spec)
        unknown = [each for each, known in seen.missing.items() if known.state is None]
        await self._store.resources.forget(teller.api.name, kind, unknown)
        report.complete = report.complete and len(suspects) <= MOST
        report.differences += await self._asked_again(teller, suspects[:MOST], watermark or 0)

    async def _listed(self, teller: Teller, kind: str) -> Listed:
        """All resources of a kind, and what the table knows of them and of those that are missing. Raises CallError."""
        api, at = teller.api, int(time.time() * 1000)
        resource = api.provider.resources[kind]
        before = await self._store.resources.live(api.name, kind)
        items = []
        if resource.listing:
            async with self._store.brakes.heeding_gates(api.name, resource.listing.operation):
                async for item in listed(self._client, api, resource.listing):
                    _check_organization(teller, kind, item)
                    items.append(item)
        reads = reads_of(resource, kind, items, at)
        table = await self._known(api.name, kind, [read.id for read in reads])
        return Listed(kind, at, reads, table, await self._known(api.name, kind, sorted(before - table.keys())))

    async def _known(self, api: str, kind: str, ids: Sequence[str]) -> Mapping[str, Known]:
        table: dict[str, Known] = {}
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            table |= zip(batch, await self._store.resources.known(api, kind, batch), strict=True)
        return table

    async def _asked_again(self, teller: Teller, suspects: Sequence[Suspect], watermark: int) -> list[Difference]:
        """Give webhooks on their way and caches their time, then ask each by itself and tell what is so still."""
        if not suspects:
            return []
        staleness = max(teller.api.provider.resources[each.read.kind].staleness for each in suspects)
        await asyncio.sleep(staleness + self._sure)
        turns = asyncio.Semaphore(AT_ONCE)

        async def ask(suspect: Suspect) -> Difference | None:
            async with turns:
                return await self._told(teller, suspect, watermark)

        found = await asyncio.gather(*map(ask, suspects), return_exceptions=True)
        _raise_first(found)
        return [each for each in found if isinstance(each, Difference)]

    async def _told(self, teller: Teller, suspect: Suspect, watermark: int) -> Difference | None:
        """Ask for one resource again; None when the table knows by now, or the two reads differ."""
        api, kind, resource_id = teller.api, suspect.read.kind, suspect.read.id
        resource = api.provider.resources[kind]
        async with self._store.brakes.heeding_gates(api.name, resource.read):
            second = await read_resource(self._client, api, kind, resource_id)
        [known] = await self._store.resources.known(api.name, kind, [resource_id])
        if not is_confirmed(resource, suspect, second, known):
            return None
        events = events_of(teller, second, known, creation=is_new(resource, second, watermark))
        for event in events:
            await self._append(event)
        told = tuple(event.type for event in events)
        shown = state_now(resource, second, known)
        return Difference(kind, resource_id, suspect.why, known.state, shown, told) if told else None

    async def _append(self, event: Event) -> None:
        appended = await self._store.log.append(event, event.body)
        failpoint("reconcile.after_append")
        log.warning(
            "event missed", event_id=event.id, type=event.type, entry=appended.entry, resource=event.data.get("id")
        )


def reconciled_apis(config: Config) -> list[str]:
    """The APIs that are reconciled: those with something to list, and a key if they need one."""
    ready = [name for name, api in config.apis.items() if api.key is None or api.key.peek()]
    return [name for name in ready if kinds_of(config, name)]


def kinds_of(config: Config, name: str) -> list[str]:
    """The kinds of an API that are listed: all if webhooks tell of it, else those that a rule asks for."""
    api, sends = config.apis[name], sends_webhooks(config, name)
    return [
        kind
        for kind, resource in api.provider.resources.items()
        if resource.listing and (sends or is_asked_for(config, api, kind))
    ]


def _check_organization(teller: Teller, kind: str, item: object) -> None:
    """A key of another organization must not make everything that we know vanish. Raises PermanentError."""
    found = item.get("organizationId") if isinstance(item, dict) else None
    if found and teller.organization and found != teller.organization:
        raise PermanentError(
            f"{teller.api.name} lists a {kind} of organization {found}, expected {teller.organization}: "
            "the API's key is of another organization than its webhooks"
        )


def _difference(resource: Resource, suspect: Suspect, seen: Listed) -> Difference:
    known = seen.table.get(suspect.read.id) or seen.missing[suspect.read.id]
    return Difference(seen.kind, suspect.read.id, suspect.why, known.state, state_now(resource, suspect.read, known))


def _raise_first(results: Sequence[object]) -> None:
    """Raise what went wrong in one of several, once all have ended."""
    for result in results:
        if isinstance(result, BaseException):
            raise result
