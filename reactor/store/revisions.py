"""Revisions of the configuration: their texts, who runs which, and which smaller one a person has accepted.

Owns keeping what is needed to decide again as it was decided then. Understands no text.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys

ALIVE = 30.0
"""Seconds after its last sign of life that a process is taken to be gone."""

ACCEPTED = 24 * 3600.0
"""Seconds that an acknowledgement of a smaller set of rules waits for the processes to see that set."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a process last said of itself. `loaded` is in seconds since the epoch.

    `refused` says why what is on disk is not in force there, and `remedy` what to type then; empty when it is. `deliveries` is
    what became of those that it got: by source and outcome, how many, and when the last one came (ms since the epoch).
    """

    name: str
    role: str
    host: str
    revision: str
    loaded: float
    rules: int
    refused: str = ""
    remedy: str = ""
    deliveries: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)


class Revisions:
    """Keeps revisions. `lifetime` is in seconds, from when a revision was last in force."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, lifetime: float) -> None:
        self._redis = redis
        self._keys = keys
        self._lifetime = int(lifetime * 1000)

    async def keep(self, revision: str, texts: Mapping[str, bytes]) -> None:
        """Keep a revision's texts from now on for their lifetime; texts that revisions share are kept once.

        Raises StoreUnavailable.
        """
        digests = {name: hashlib.sha256(text).hexdigest()[:32] for name, text in texts.items()}
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for digest in digests.values():
                pipeline.pexpire(self._keys.text(digest), self._lifetime)
            known = await pipeline.execute()
        missing = [
            (texts[name], digest) for (name, digest), there in zip(digests.items(), known, strict=True) if not there
        ]
        packed = await asyncio.to_thread(lambda: [(zlib.compress(text), digest) for text, digest in missing])
        async with available():
            pipeline = self._redis.pipeline(transaction=True)
            for text, digest in packed:
                pipeline.set(self._keys.text(digest), text, px=self._lifetime)
            pipeline.set(self._keys.revision(revision), orjson.dumps(digests), px=self._lifetime)
            await pipeline.execute()

    async def texts(self, revision: str) -> dict[str, bytes] | None:
        """The texts of a revision by their names; None when they are no longer kept. Raises StoreUnavailable."""
        async with available():
            listed: Any = await self._redis.get(self._keys.revision(revision))
            digests: dict[str, str] = orjson.loads(listed) if listed else {}
            kept: Any = await self._redis.mget([self._keys.text(digest) for digest in digests.values()] or [""])
        if not digests or None in kept:
            return None
        return {name: zlib.decompress(text) for name, text in zip(digests, kept, strict=True)}

    async def report(self, process: Process, now: float) -> None:
        """Say what a process runs, and forget those that say nothing any more. Raises StoreUnavailable."""
        value = orjson.dumps(asdict(process))
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.set(self._keys.process(process.name), value, px=int(ALIVE * 1000))
            pipeline.zadd(self._keys.processes, {process.name: now})
            pipeline.zremrangebyscore(self._keys.processes, "-inf", now - 10 * ALIVE)
            await pipeline.execute()

    async def leave(self, name: str) -> None:
        """A process ends. Raises StoreUnavailable."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.delete(self._keys.process(name))
            pipeline.zrem(self._keys.processes, name)
            await pipeline.execute()

    async def processes(self) -> list[Process]:
        """The processes that live, by role and name. Raises StoreUnavailable."""
        async with available():
            names: Any = await self._redis.zrange(self._keys.processes, 0, -1)
            keys = [self._keys.process(name.decode()) for name in names]
            values: Any = await self._redis.mget(keys) if keys else []
        living = [Process(**orjson.loads(value)) for value in values if value]
        return sorted(living, key=lambda process: (process.role, process.name))

    async def accept(self, revision: str) -> None:
        """A person accepts that a revision has far fewer rules than the one before. Raises StoreUnavailable."""
        async with available():
            await self._redis.set(self._keys.accepted(revision), "1", px=int(ACCEPTED * 1000))

    async def accepted(self, revision: str) -> bool:
        """Whether a person has. Raises StoreUnavailable."""
        async with available():
            return bool(await self._redis.exists(self._keys.accepted(revision)))
