"""One comparison of an API with the state table: what it lists, what differs, and the events that are missing.

Owns the calls and their order. What differs, and what may be believed, is `apis.differences`' to say; the events go into the
log and from there the way of all others. Does not know when an API is compared, nor how far it was before.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from reactor.apis.client import ApiClient
from reactor.apis.differences import Listed, Suspect, fills_of, is_confirmed, is_new, oldest_new, reads_of, suspects_of
from reactor.apis.listing import listed
from reactor.apis.look import read_resource
from reactor.apis.provider import Resource
from reactor.apis.sightings import Teller, events_of, state_now
from reactor.config import Config
from reactor.config.telling import is_asked_for, sends_webhooks
from reactor.errors import PermanentError
from reactor.events import Event, Known
from reactor.failpoints import failpoint
from reactor.runs.watching import to_watch
from reactor.store.store import Store

T = TypeVar("T")

MOST = 500
"""Suspects of one kind that are asked again in one round; the others' turn is the next one."""

AT_ONCE = 4
BATCH = 500
"""Second reads under way at once, and resources looked up in the table at once."""

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
    """What one round over an API found: how many resources of each kind, how many were entered silently, what differs.

    `upto` (ms) is where the next watermark must not go beyond: what was made after it may be unknown to the table still.
    `silent` says that resources moved and no webhook came.
    """

    api: str
    baseline: bool
    resources: dict[str, int] = field(default_factory=dict)
    filled: int = 0
    differences: list[Difference] = field(default_factory=list)
    upto: int | None = None
    silent: bool = False

    @property
    def told(self) -> int:
        """How many events were made."""
        return sum(len(each.told) for each in self.differences)


class Comparison:
    """Compares an API once. `watermark` (ms) is up to when everything of it was seen; None makes this a baseline.

    `sure` is in seconds: what lies, besides the API's staleness, between a difference and the read that confirms it.
    """

    def __init__(
        self, store: Store, client: ApiClient, config: Config, teller: Teller, watermark: int | None, *, sure: float
    ) -> None:
        self._store = store
        self._client = client
        self._config = config
        self.teller = teller
        self._api = teller.api
        self.watermark = watermark
        self._sure = sure
        self._report = Report(teller.api.name, watermark is None)

    async def look(self) -> Report:
        """Find what differs, and change nothing. Raises CallError, StoreUnavailable."""
        await _all(self._suspected(kind) for kind in kinds_of(self._config, self._api.name))
        return self._report

    async def compare(self) -> Report:
        """Enter what nobody doubts, ask again what differs, and make the missing events. Raises CallError, StoreUnavailable."""
        await _all(self._compared(kind) for kind in kinds_of(self._config, self._api.name))
        return self._report

    async def _suspected(self, kind: str) -> None:
        seen, suspects = await self._seen(kind)
        resource = self._api.provider.resources[kind]
        self._report.differences += [_difference(resource, each, seen) for each in suspects]

    async def _compared(self, kind: str) -> None:
        seen, suspects = await self._seen(kind)
        failpoint("reconcile.after_list")
        await self._enter(seen, suspects)
        self._keep_new(kind, suspects)
        self._report.differences += await self._asked_again(suspects[:MOST])

    def _keep_new(self, kind: str, suspects: Sequence[Suspect]) -> None:
        """Have what is new, and what the table has yet to learn, count as new in the next comparison, too."""
        made = oldest_new(self._api.provider.resources[kind], suspects, self.watermark or 0)
        if made is not None and (self._report.upto is None or made <= self._report.upto):
            self._report.upto = made - 1

    async def _seen(self, kind: str) -> tuple[Listed, list[Suspect]]:
        """What is listed of a kind, and what of it seems to lack an event."""
        seen = await self._listed(kind)
        self._report.resources[kind] = len(seen.reads)
        return seen, suspects_of(self._api.provider.resources[kind], seen, self.watermark)

    async def _listed(self, kind: str) -> Listed:
        """All resources of a kind, and what the table knows of them and of those that are missing. Raises CallError."""
        api, at = self._api, int(time.time() * 1000)
        resource = api.provider.resources[kind]
        before = await self._store.resources.live(api.name, kind)
        items = []
        if resource.listing:
            async with self._store.brakes.heeding_gates(api.name, resource.listing.operation):
                async for item in listed(self._client, api, resource.listing):
                    _check_organization(self.teller, kind, item)
                    items.append(item)
        reads = reads_of(resource, kind, items, at)
        table = await self._known(kind, [read.id for read in reads])
        return Listed(kind, at, reads, table, await self._known(kind, sorted(before - table.keys())))

    async def _known(self, kind: str, ids: Sequence[str]) -> Mapping[str, Known]:
        table: dict[str, Known] = {}
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            table |= zip(batch, await self._store.resources.known(self._api.name, kind, batch), strict=True)
        return table

    async def _enter(self, seen: Listed, suspects: Sequence[Suspect]) -> None:
        """Enter into the table what is listed and not doubted; watch what is on its way; forget what nobody knows."""
        api, resource = self._api, self._api.provider.resources[seen.kind]
        doubted = {each.read.id for each in suspects}
        certain = replace(seen, reads=[read for read in seen.reads if read.id not in doubted])
        self._report.filled += await self._store.resources.fill(api.name, fills_of(resource, certain))
        specs = [spec for read in seen.reads if (spec := to_watch(self._config, api, seen.kind, read.data))]
        await self._store.watches.stand(specs)
        unknown = [each for each, known in seen.missing.items() if known.state is None]
        await self._store.resources.forget(api.name, seen.kind, unknown)

    async def _asked_again(self, suspects: Sequence[Suspect]) -> list[Difference]:
        """Give webhooks on their way and caches their time, then ask each by itself and tell what is so still."""
        if not suspects:
            return []
        staleness = max(self._api.provider.resources[each.read.kind].staleness for each in suspects)
        await asyncio.sleep(staleness + self._sure)
        turns = asyncio.Semaphore(AT_ONCE)

        async def ask(suspect: Suspect) -> Difference | None:
            async with turns:
                return await self._told(suspect)

        return [found for found in await _all(map(ask, suspects)) if found]

    async def _told(self, suspect: Suspect) -> Difference | None:
        """Ask for one resource again; None when the table knows by now, or the two reads differ."""
        api, kind, resource_id = self._api, suspect.read.kind, suspect.read.id
        resource = api.provider.resources[kind]
        async with self._store.brakes.heeding_gates(api.name, resource.read):
            second = await read_resource(self._client, api, kind, resource_id)
        [known] = await self._store.resources.known(api.name, kind, [resource_id])
        if not is_confirmed(resource, suspect, second, known):
            return None
        events = events_of(self.teller, second, known, creation=is_new(resource, second, self.watermark or 0))
        told = tuple([event.type for event in events if await self._append(event)])
        shown = state_now(resource, second, known)
        return Difference(kind, resource_id, suspect.why, known.state, shown, told) if told else None

    async def _append(self, event: Event) -> bool:
        """Put an event into the log; False when it is there already, and nobody has observed it yet."""
        appended = await self._store.log.append(event, event.body)
        failpoint("reconcile.after_append")
        if appended.duplicate:
            return False
        log.warning(
            "event missed", event_id=event.id, type=event.type, entry=appended.entry, resource=event.data.get("id")
        )
        return True


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


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all of it at once; raises what went wrong in one, once all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]  # none of them is an exception
