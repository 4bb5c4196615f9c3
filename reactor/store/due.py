"""The one due set: everything that has a time, by that time. Owns sweeping it; what a due row needs is the caller's."""

from dataclasses import dataclass

from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Scripts

LONGEST_PAUSE = 60.0
"""Seconds between two looks at a row that nobody takes."""

FULL = 20
"""A queue with so many entries gets no second entry of a row: a sweeper without this gate once livelocked."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A row that needs an RQ job now; `number` makes that job's id new."""

    row: str
    number: int


class Due:
    """Sweeps the due set. `sweep_after` is in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, sweep_after: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._sweep_after = int(sweep_after * 1000)

    async def sweep(self, queue_key: str, *, count: int = 200) -> list[Swept]:
        """Take rows that are due, each by one caller only; they are due again, later, should this caller die."""
        args = (self._keys.row(""), count, self._sweep_after, int(LONGEST_PAUSE * 1000), FULL)
        flat = await self._scripts.run("sweep", (self._keys.due, queue_key), args)
        return [Swept(row.decode(), int(number)) for row, number in zip(flat[::2], flat[1::2], strict=True)]

    async def next(self) -> int | None:
        """When the earliest entry is due, in milliseconds since the epoch."""
        async with available():
            first = await self._redis.zrange(self._keys.due, 0, 0, withscores=True)
        return int(first[0][1]) if first else None

    async def length(self) -> int:
        """How many entries wait for their time."""
        async with available():
            return int(await self._redis.zcard(self._keys.due))
