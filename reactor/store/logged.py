"""Logged events as people see and mend them: with their verdict and plan, set aside, given to the dispatchers again.

Looking changes no key.
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.log import GROUP, Entry, EventLog
from reactor.store.scripts import Scripts

READER = "operator"
"""The consumer that has an event which is to be decided again, until a dispatcher takes it over."""

LONG_AGO = 86_400_000
"""Milliseconds: an event that was read so long ago is taken over at once."""

PAGE = 1000
_ENTRY = re.compile(r"[0-9]{1,15}-[0-9]{1,10}")

Retaken = Literal["retaken", "not aside", "gone"]


@dataclass(frozen=True, slots=True)
class Logged:
    """An event of the log, what it is in the light of all before it, and what follows; None as long as nobody has said."""

    entry: Entry
    verdict: Mapping[str, Any] | None
    plan: Mapping[str, Any] | None
    aside: bool


class LoggedEvents:
    """Reads the log for people. `lifetime` is how long what is known of an event is kept, in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, log: EventLog, *, lifetime: float) -> None:
        self._redis = redis
        self._keys = keys
        self._log = log
        self._scripts = Scripts(redis)
        self._lifetime = int(lifetime * 1000)

    async def newest(self, *, count: int = 100, meant: Callable[[Entry], bool] = lambda entry: True) -> list[Logged]:
        """The events that were accepted last and are meant, the newest first."""
        return await self._meant(self._pages(min(count, PAGE)), count, meant)

    async def aside(self, *, count: int = 100, meant: Callable[[Entry], bool] = lambda entry: True) -> list[Logged]:
        """The events that nobody could decide on and that are meant, the newest first."""
        return await self._meant(self._pages_aside(min(count, PAGE)), count, meant)

    async def _meant(
        self, pages: AsyncIterator[list[Entry]], count: int, meant: Callable[[Entry], bool]
    ) -> list[Logged]:
        """The first `count` events of some pages that are meant."""
        found: list[Entry] = []
        async for page in pages:
            found += filter(meant, page)
            if len(found) >= count:
                break
        return await self._told(found[:count])

    async def _pages(self, count: int = PAGE) -> AsyncIterator[list[Entry]]:
        """The log from its end, page by page, the newest first in each."""
        last = "+"
        while page := await self._log.page_before(last, count=count):
            yield page
            last = f"({page[-1].entry}"

    async def _pages_aside(self, count: int) -> AsyncIterator[list[Entry]]:
        """What is set aside, page by page, the newest first."""
        start = 0
        while True:
            async with available():
                places: Any = await self._redis.zrevrange(self._keys.aside, start, start + count - 1)
            if not places:
                return
            yield await self._log.get_each([place.decode() for place in places])
            start += count

    async def get_each(self, named: Sequence[str]) -> dict[str, Logged]:
        """Events by their places in the log or by their signed ids; without those that the log has not, or no longer."""
        places = [each for each in named if _ENTRY.fullmatch(each)]
        entries = {entry.entry: entry for entry in await self._log.get_each(places)}
        entries |= await self._with_ids({*named}.difference(places))
        told = await self._told(list(entries.values()))
        return dict(zip(entries, told, strict=True))

    async def _with_ids(self, ids: Collection[str]) -> dict[str, Entry]:
        """Look through the log from its end, once: ids are remembered by source, and nobody says which. No replay is meant."""
        found: dict[str, Entry] = {}
        if ids:
            async for page in self._pages():
                for entry in page:
                    if entry.id in ids and not entry.generation:
                        found.setdefault(entry.id, entry)
                if len(found) == len(ids):
                    break
        return found

    async def _told(self, entries: Sequence[Entry]) -> list[Logged]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for entry in entries:
                pipeline.hmget(self._keys.event(entry.entry), "verdict", "plan")
                pipeline.zscore(self._keys.aside, entry.entry)
            replies: list[Any] = await pipeline.execute()
        return [
            Logged(entry, _json(verdict), _json(plan), aside is not None)
            for entry, (verdict, plan), aside in zip(entries, replies[::2], replies[1::2], strict=True)
        ]

    async def between(self, since: int, until: int | None = None) -> AsyncIterator[Logged]:
        """The events accepted from `since` to `until` (ms since the epoch), the oldest first."""
        first, last = str(since), "+" if until is None else str(until)
        while True:
            page = await self._log.page(first, last, count=PAGE)
            for logged in await self._told(page):
                yield logged
            if len(page) < PAGE:
                return
            first = f"({page[-1].entry}"

    async def replay(self, entry: str, by: str) -> Entry | None:
        """Put an event into the log once more, to be decided again; None when the log has it no longer.

        Raises StoreUnavailable.
        """
        keys = (self._keys.log, self._keys.event(entry))
        found, *again = await self._scripts.run("replay", keys, (entry, by, self._lifetime))
        return await self._log.get(again[0].decode()) if found else None

    async def replays(self, entry: str) -> list[Mapping[str, Any]]:
        """The replays of an event: the place of each in the log, and who asked for it."""
        async with available():
            known: Any = await self._redis.hget(self._keys.event(entry), "replays")
        return _json(known) or []

    async def deliveries(self, entry: Entry) -> int:
        """How often an event was delivered, as far as its copies are still counted."""
        async with available():
            copies: Any = await self._redis.get(self._keys.copies(entry.source, entry.id, entry.generation))
        return 1 + int(copies or 0)

    async def retake(self, entry: str) -> Retaken:
        """Give an event that was set aside to the dispatchers again. Raises StoreUnavailable."""
        keys, args = (self._keys.log, self._keys.aside), (entry, GROUP, READER, LONG_AGO)
        said: dict[int, Retaken] = {1: "retaken", 0: "not aside", -1: "gone"}
        return said[int(await self._scripts.run("retake", keys, args))]


def _json(text: bytes | None) -> Any:
    return orjson.loads(text) if text else None
