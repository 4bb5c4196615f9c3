"""The state table: what was last seen of every resource, and the verdict on each event that says something of one.

Owns the order of sightings (in observe.lua). Does not know which states end what: a sighting says so itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import orjson
from redis import asyncio as aioredis

from reactor.events import Known, Sighting
from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Call, Scripts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one event is in the light of all before it. Rules are put to a `fresh` one, and to a `stale` one that a rule wants.

    `stale`: something newer is known of the resource. `repeat`: another event said the same. `late`: older than the
    dedup window. `before` and `after` are the resource's state around the event; `seq` counts its changes,
    and `entered` is the `seq` with which it came to be in its state.
    """

    verdict: Literal["fresh", "stale", "repeat", "late"]
    kind: str | None = None
    id: str | None = None
    before: str | None = None
    after: str | None = None
    seq: int | None = None
    entered: int | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One event to be observed: its place in the log, the hash of what it says, and what it says of a resource.

    `api` is whose resource it is: sources of one API share its table.
    """

    entry: str
    api: str
    meaning: str
    sighting: Sighting | None


class Resources:
    """Reads and writes the state table. `dedup_window` is in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, dedup_window: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._window = int(dedup_window * 1000)

    async def observe(self, observations: Sequence[Observation]) -> list[Verdict]:
        """Store a verdict for each event, or return the one that was stored before. Raises StoreUnavailable."""
        results = await self._scripts.run_many(self._call(observation) for observation in observations)
        return [Verdict(**orjson.loads(result)) for result in results]

    def _call(self, observation: Observation) -> Call:
        api, sighting = observation.api, observation.sighting
        kind = sighting.kind if sighting else ""
        return (
            "observe",
            (
                self._keys.event(observation.entry),
                self._keys.meaning(observation.meaning),
                self._keys.live(api, kind),
            ),
            (
                observation.entry,
                self._window,
                self._keys.resource(api, kind, ""),
                self._keys.alias(api, kind, ""),
                orjson.dumps(_said(sighting)) if sighting else "",
            ),
        )

    async def known(self, api: str, kind: str, ids: Sequence[str]) -> list[Known]:
        """What the table has of resources, in one round trip. Raises StoreUnavailable."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for each in ids:
                pipeline.hmget(self._keys.resource(api, kind, each), "state", "at", "seq", "born")
            rows: Any = await pipeline.execute()
        return [
            Known(state.decode() if state else None, int(at or 0), int(seq or 0), born is not None)
            for state, at, seq, born in rows
        ]

    async def live(self, api: str, kind: str) -> set[str]:
        """The ids of a kind that the table has in a state that is not terminal. Raises StoreUnavailable."""
        async with available():
            ids: Any = await self._redis.smembers(self._keys.live(api, kind))
        return {each.decode() for each in ids}

    async def forget(self, api: str, kind: str, ids: Collection[str]) -> None:
        """Take ids out of those that live: nothing is known of them any more. Raises StoreUnavailable."""
        if ids:
            async with available():
                await self._redis.srem(self._keys.live(api, kind), *ids)

    async def fill(self, api: str, sightings: Sequence[Sighting]) -> int:
        """Enter what the table does not know, and decide nothing; returns how many it did not. Raises StoreUnavailable."""
        filled = await self._scripts.run_many(
            (
                "fill",
                (self._keys.resource(api, each.kind, each.id or ""), self._keys.live(api, each.kind)),
                (orjson.dumps(_said(each)), 2 * self._window, self._keys.alias(api, each.kind, "")),
            )
            for each in sightings
        )
        return sum(filled)

    async def state(self, api: str, kind: str, resource_id: str) -> str | None:
        """The state last seen of a resource, None when it was never seen. Raises StoreUnavailable."""
        async with available():
            state: Any = await self._redis.hget(self._keys.resource(api, kind, resource_id), "state")
        return state.decode() if state else None


def _said(sighting: Sighting) -> dict[str, object]:
    """What the sighting does say: Lua would take a JSON null for something."""
    said = {field.name: getattr(sighting, field.name) for field in fields(sighting)}
    return {name: value for name, value in said.items() if value is not None}
