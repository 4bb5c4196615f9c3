"""What reconciling remembers: up to when everything of an API was seen, who reconciles it now, when a source was heard.

Knows no API and compares nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an API is reconciled. Times are in milliseconds since the epoch.

    Whatever was made up to `watermark` has been seen; None before the first reconcile, and when this was lost.
    """

    watermark: int | None = None
    ended: int = 0
    told: int = 0
    """How many events were made in all."""
    silent: bool = False
    """Whether its resources changed and no webhook came."""


class Reconciles:
    """Reads and writes marks. `lease` is in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, lease: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._lease = int(lease * 1000)

    async def hold(self, api: str, holder: str) -> bool:
        """Be the one who reconciles an API, or go on being it; False while somebody else is. Raises StoreUnavailable."""
        return bool(await self._scripts.run("lease", (self._keys.reconciling(api),), (holder, self._lease)))

    async def release(self, api: str, holder: str) -> None:
        """Let others reconcile an API. Raises StoreUnavailable."""
        await self._scripts.run("lease", (self._keys.reconciling(api),), (holder, 0))

    async def mark(self, api: str) -> Mark:
        """How far an API is reconciled. Raises StoreUnavailable."""
        async with available():
            stored: Any = await self._redis.hget(self._keys.reconciled, api)
        return Mark(**orjson.loads(stored)) if stored else Mark()

    async def keep(self, api: str, before: Mark, mark: Mark) -> bool:
        """An API is reconciled; False when `before` is not what is known of it any more. Raises StoreUnavailable."""
        since = orjson.dumps(before) if before != Mark() else b""
        return bool(await self._scripts.run("keep", (self._keys.reconciled,), (api, since, orjson.dumps(mark))))

    async def marks(self) -> Mapping[str, Mark]:
        """How far each API is reconciled that ever was. Raises StoreUnavailable."""
        async with available():
            stored: Any = await self._redis.hgetall(self._keys.reconciled)
        return {api.decode(): Mark(**orjson.loads(mark)) for api, mark in sorted(stored.items())}

    async def now(self) -> int:
        """The server's time (ms): the one clock of all who reconcile, whose own may differ. Raises StoreUnavailable."""
        async with available():
            seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def hear(self, source: str, at: int) -> None:
        """A webhook of a source was accepted (ms). Raises StoreUnavailable."""
        async with available():
            await self._redis.hset(self._keys.heard, source, str(at))

    async def heard(self, source: str) -> int | None:
        """When a webhook of a source was last accepted (ms), give or take half a minute. Raises StoreUnavailable."""
        async with available():
            at: Any = await self._redis.hget(self._keys.heard, source)
        return int(at) if at else None
