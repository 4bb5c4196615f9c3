"""Watches: what is long-polled, for which waiting rows, and by which process now.

Owns that a watch lasts as long as a row waits for it, whoever dies, and that one process at a time holds it. Calls nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """A long poll: the operation, the resource that it is a sighting of, and what it is asked with but for the states."""

    api: str
    operation: str
    kind: str
    resource: str
    parameters: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The same for all who wait for the same resource by the same operation."""
        said = [self.api, self.operation, sorted(self.parameters.items())]
        return sha256(orjson.dumps(said)).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A long poll, and the states in which it is to be answered."""

    spec: WatchSpec
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A watch as its holder finds it: the states that rows wait for; whether it is kept for its own sake, too."""

    spec: WatchSpec
    states: frozenset[str]
    standing: bool


class Watches:
    """Reads and writes watches. `lease` and `lifetime` are in seconds."""

    def __init__(
        self, redis: "aioredis.Redis", keys: Keys, *, lease: float, lifetime: float, sweep_after: float
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._lease = int(lease * 1000)
        self._lifetime = int(lifetime * 1000)
        self._sweep_after = int(sweep_after * 1000)
        self.bell = asyncio.Event()
        """Rings when this process has registered a wait, so that its watcher need not look all the time."""

    async def take(self, holder: str, count: int) -> list[str]:
        """Take watches that nobody holds, or whose waits changed, for a lease. Raises StoreUnavailable."""
        args = (self._keys.watch(""), holder, self._lease, count)
        return [watch.decode() for watch in await self._scripts.run("watch_take", (self._keys.watches,), args)]

    async def held(self, watch: str, holder: str) -> Held | None:
        """What a watch is for now; None when it is over, or somebody else's. Raises StoreUnavailable."""
        keys, args = (self._keys.watches, self._keys.watch(watch)), (watch, holder, self._lease, self._keys.row(""))
        ours, *rest = await self._scripts.run("watch_read", keys, args)
        if not ours:
            return None
        spec, standing, *rows = rest
        states = frozenset(state for row in rows for state in orjson.loads(row))
        return Held(WatchSpec(**orjson.loads(spec)), states, bool(standing))

    async def prolong(self, watches: Sequence[str], holder: str) -> list[bool]:
        """Prolong leases; False for a watch that is over or somebody else's. Raises StoreUnavailable."""
        return [
            bool(ours)
            for ours in await self._scripts.run_many(
                ("watch_renew", (self._keys.watches, self._keys.watch(each)), (each, holder, self._lease))
                for each in watches
            )
        ]

    async def tell(
        self, watch: str, state: str, saw: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = ()
    ) -> list[str]:
        """Make the rows due that wait for this state (empty: all), with the answer; returns them. Raises StoreUnavailable.

        `events`, as the log gives them to scripts, are in the log then.
        """
        args = (
            self._keys.row(""),
            self._sweep_after,
            state,
            orjson.dumps(dict(saw)),
            orjson.dumps([dict(event) for event in events]),
        )
        keys = (self._keys.due, self._keys.watch(watch), self._keys.log)
        rows = await self._scripts.run("watch_answer", keys, args)
        return [row.decode() for row in rows]

    async def count(self) -> int:
        """How many resources are long-polled, or are to be. Raises StoreUnavailable."""
        async with available():
            return int(await self._redis.zcard(self._keys.watches))

    async def next(self) -> int | None:
        """When the first watch is free to be taken (ms since the epoch). Raises StoreUnavailable."""
        async with available():
            first: Any = await self._redis.zrange(self._keys.watches, 0, 0, withscores=True)
        return int(first[0][1]) if first else None

    async def stand(self, specs: Sequence[WatchSpec]) -> list[bool]:
        """Keep watches until what they watch rests; False for one that is kept already. Raises StoreUnavailable."""
        fresh = await self._scripts.run_many(
            ("watch_stand", (self._keys.watches, self._keys.watch(each.id)), (each.id, said, self._lifetime))
            for each in specs
            for said in (orjson.dumps(asdict(each)),)
        )
        if any(fresh):
            self.bell.set()
        return [bool(each) for each in fresh]

    async def settle(self, watch: str) -> None:
        """Keep a watch for those who wait only. Raises StoreUnavailable."""
        await self._scripts.run(
            "watch_stand", (self._keys.watches, self._keys.watch(watch)), (watch, "", self._lifetime)
        )
