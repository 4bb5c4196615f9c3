"""The event log: a Redis stream that holds every accepted delivery until it is acknowledged, and longer.

Owns appending (with the deliveries' de-duplication) and reading by the dispatchers' consumer group.
Does not look into an event's body.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from reactor.errors import StoreUnavailable
from reactor.events import Event, Origin
from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Scripts

GROUP = "dispatch"
BATCH = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it stands in the log. `entry` is its place: milliseconds of acceptance, a dash, a number."""

    entry: str
    source: str
    id: str
    organization: str
    body: bytes
    origin: Origin = "webhook"
    lineage: tuple[str, ...] = ()
    generation: int = 0

    @property
    def accepted(self) -> int:
        """When the event was appended, in milliseconds since the epoch, by the clock of Redis."""
        return int(self.entry.partition("-")[0])

    def event(self) -> Event:
        """The body, read again as it was when it was accepted. Raises DeliveryRejected for one that can't be read so."""
        return Event.from_payload(
            id=self.id,
            source=self.source,
            organization=self.organization,
            body=self.body,
            received=self.accepted,
            origin=self.origin,
            lineage=self.lineage,
            generation=self.generation,
        )


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a delivery stands in the log, and whether it came before."""

    entry: str
    duplicate: bool


class EventLog:
    """Appends and reads events. `dedup_window` is in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, dedup_window: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._window = int(dedup_window * 1000)

    async def append(self, event: Event, body: bytes) -> Appended:
        """Put a verified delivery into the log and return once Redis has acknowledged it. Raises StoreUnavailable.

        Deliveries that arrive while a round trip is under way share the next one: with `appendfsync always` this is
        what turns one disk flush per event into one per group. One that the server refuses fails no other.
        """
        seen, copies = self._known_by(event)
        keys = (seen, self._keys.log, copies)
        args = (self._window, *_fields(event, body))
        [result] = await self._scripts.run_each([("accept", keys, args)])
        if isinstance(result, StoreUnavailable):
            raise result
        fresh, entry = result
        return Appended(entry.decode(), duplicate=not fresh)

    def with_others(self, event: Event) -> Mapping[str, Any]:
        """An event as a script puts it into the log together with what else it does."""
        seen, copies = self._known_by(event)
        fields = [each.decode() if isinstance(each, bytes) else each for each in _fields(event, event.body)]
        return {"seen": seen, "copies": copies, "window": str(self._window), "fields": fields}

    def _known_by(self, event: Event) -> tuple[str, str]:
        named = (event.source, event.id, event.generation)
        return self._keys.seen(*named), self._keys.copies(*named)

    async def join(self, group: str = GROUP) -> None:
        """Create the consumer group at the log's beginning, if there is none."""
        try:
            async with available():
                await self._redis.xgroup_create(self._keys.log, group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def read(self, consumer: str, *, block: float, count: int = BATCH) -> list[Entry]:
        """Take events that no consumer of the group has, waiting up to `block` seconds for the first."""
        async with available():
            reply = await self._redis.xreadgroup(
                GROUP, consumer, {self._keys.log: ">"}, count=count, block=int(block * 1000)
            )
        return list(_entries(reply))

    async def take_over(self, consumer: str, *, idle: float) -> tuple[Entry, int] | None:
        """Take one event that was read at least `idle` seconds ago and not acknowledged; also how often it was read.

        One, so that an event that ends its dispatchers takes none of its neighbours along.
        """
        shortest = int(idle * 1000)
        async with available():
            pending: Any = await self._redis.xpending_range(
                self._keys.log, GROUP, min="-", max="+", count=1, idle=shortest
            )
            if not pending:
                return None
            [found] = pending
            taken: Any = await self._redis.xclaim(self._keys.log, GROUP, consumer, shortest, [found["message_id"]])
        return (_entry(*taken[0]), int(found["times_delivered"])) if taken else None

    async def acknowledge(self, entries: Sequence[str]) -> None:
        """Say that all that follows from these events is stored."""
        if entries:
            async with available():
                await self._redis.xack(self._keys.log, GROUP, *entries)

    async def set_aside(self, entry: Entry) -> None:
        """Give up on an event nobody can decide on: it stays in the log, is noted for a person, and is not read again."""
        async with available():
            pipeline = self._redis.pipeline()
            pipeline.zadd(self._keys.aside, {entry.entry: entry.accepted})
            pipeline.xack(self._keys.log, GROUP, entry.entry)
            await pipeline.execute()

    async def forget_idle_consumers(self, *, idle: float) -> None:
        """Remove consumers that hold nothing and have not asked for `idle` seconds: their processes are gone."""
        await self.join()  # after a FLUSHALL there may be no group to look at
        await self._scripts.run("leave", (self._keys.log,), (GROUP, int(idle * 1000)))

    async def entries(self, *, count: int = 1000) -> list[Entry]:
        """The newest events, oldest first. Changes nothing."""
        async with available():
            newest: Any = await self._redis.xrevrange(self._keys.log, count=count)
        return [_entry(entry, fields) for entry, fields in reversed(newest)]

    async def page(self, first: str, last: str, *, count: int) -> list[Entry]:
        """Events between two places of the log, the oldest first; `(` before a place leaves it out."""
        async with available():
            found: Any = await self._redis.xrange(self._keys.log, min=first, max=last, count=count)
        return [_entry(*each) for each in found]

    async def page_before(self, last: str, *, count: int) -> list[Entry]:
        """Events up to a place of the log, the newest first; `(` before the place leaves it out."""
        async with available():
            found: Any = await self._redis.xrevrange(self._keys.log, max=last, count=count)
        return [_entry(*each) for each in found]

    async def get(self, entry: str) -> Entry | None:
        """The event at one place of the log; None when it is not there, or no longer."""
        found = await self.get_each([entry])
        return found[0] if found else None

    async def get_each(self, entries: Sequence[str]) -> list[Entry]:
        """The events at some places of the log, without those that are not there, or no longer."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for entry in entries:
                pipeline.xrange(self._keys.log, min=entry, max=entry, count=1)
            replies: list[Any] = await pipeline.execute()
        return [_entry(*found[0]) for found in replies if found]

    async def length(self) -> int:
        """How many events the log holds."""
        async with available():
            return int(await self._redis.xlen(self._keys.log))

    async def oldest_unacknowledged(self) -> int | None:
        """When the oldest event that is not acknowledged was accepted (ms since the epoch); None when there is none."""
        async with available():
            pending: Any = await self._redis.xpending(self._keys.log, GROUP)
            groups: Any = await self._redis.xinfo_groups(self._keys.log)
            last = next(group["last-delivered-id"] for group in groups if group["name"] == GROUP.encode())
            unread: Any = await self._redis.xrange(self._keys.log, min=b"(" + last, count=1)
        candidates = [pending["min"]] if pending["pending"] else []
        candidates += [entry for entry, _ in unread]
        return min((int(entry.partition(b"-")[0]) for entry in candidates), default=None)


def _entries(reply: Any) -> Iterator[Entry]:
    """Flatten XREADGROUP's reply, which is a list of streams in RESP2 and a mapping of them in RESP3."""
    streams = reply.values() if isinstance(reply, dict) else [entries for _, entries in reply or ()]
    for entries in streams:
        batches = entries if entries and isinstance(entries[0], list) else [entries]
        for batch in batches:
            for entry, fields in batch:
                yield _entry(entry, fields)


def _fields(event: Event, body: bytes) -> Iterator[str | bytes]:
    """The fields of an entry and their values, in turn."""
    yield from ("source", event.source, "id", event.id, "organization", event.organization, "body", body)
    yield from ("origin", event.origin)
    if event.lineage:
        yield from ("lineage", " ".join(event.lineage))
    if event.generation:
        yield from ("generation", str(event.generation))


def _entry(entry: bytes, fields: dict[bytes, bytes]) -> Entry:
    """Read an entry. One that no reactor wrote has no body, which is found out when an event is made of it."""
    text = {
        name.decode(errors="replace"): value.decode(errors="replace")
        for name, value in fields.items()
        if name != b"body"
    }
    generation = text.get("generation", "")
    return Entry(
        entry.decode(),
        text.get("source", ""),
        text.get("id", ""),
        text.get("organization", ""),
        fields.get(b"body", b""),
        next((each for each in get_args(Origin) if each == text.get("origin")), "webhook"),
        tuple(text.get("lineage", "").split()),
        int(generation) if re.fullmatch(r"[0-9]{1,9}", generation) else 0,
    )
