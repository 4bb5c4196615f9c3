"""The one due set: everything that has a time, by that time.

Owns sweeping it and letting timers ripen. What a due row needs is the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis

from reactor.errors import StoreUnavailable
from reactor.store.client import available
from reactor.store.keys import MAIN, Keys
from reactor.store.scripts import Scripts

LONGEST_PAUSE = 60.0
"""Seconds between two looks at a row that nobody takes."""

COMPARED = 500_000
"""Entries of each queue that one look compares to find out which rows' entries were lost; about 5 ms of the server.

A sweeper that enqueued without looking, row by row as it pleased, once livelocked.
"""

TIMER = "timer/"
"""Before the id of a timer where it stands beside rows."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A row that needs an RQ job now, or a timer whose time has come; `number` makes that job's id new.

    It is 0 for what can't be looked at, and must be left alone: somebody else wrote it; and -1 where `row` is the key of a
    queue of which the same is true.
    """

    row: str
    number: int
    queue: str = MAIN

    @property
    def timer(self) -> str:
        """The timer's id; empty for a row."""
        return self.row.removeprefix(TIMER) if self.row.startswith(TIMER) else ""


@dataclass(frozen=True, slots=True)
class Ripened:
    """What became of a timer: its outcome, empty when it was not its time, and the rows that are due now, with their queues."""

    timer: str
    outcome: str
    rows: tuple[tuple[str, str], ...]


class Due:
    """Sweeps the due set. `sweep_after` and `lifetime`, of what has ended, are in seconds."""

    def __init__(
        self, redis: "aioredis.Redis", keys: Keys, *, sweep_after: float, lifetime: float, compared: int = COMPARED
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._compared = compared
        self._sweep_after = int(sweep_after * 1000)
        self._lifetime = int(lifetime * 1000)

    async def sweep(self, queue_key: str, *, count: int = 200) -> list[Swept]:
        """Take rows that are due, each by one caller only; they are due again, later, should this caller die.

        `queue_key` is RQ's key of the main queue, by which those of the others are known.
        """
        args = (
            self._keys.row(""),
            count,
            self._sweep_after,
            int(LONGEST_PAUSE * 1000),
            self._keys.timer(""),
            self._lifetime,
            self._compared,
        )
        flat = await self._scripts.run("sweep", (self._keys.due, queue_key), args)
        return [
            Swept(row.decode(), int(number), queue.decode() or MAIN)
            for row, number, queue in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]

    async def ripen(self, timers: Sequence[str]) -> list[Ripened | StoreUnavailable]:
        """Let timers act whose time has come, each once, whoever asks; one that Redis refuses is in no other's way.

        Raises StoreUnavailable when the server can't be reached.
        """
        args = (self._sweep_after, self._keys.row(""), self._keys.times("", "").removesuffix(":"), self._lifetime)
        results = await self._scripts.run_each(
            ("ripen", (self._keys.timer(timer), self._keys.due, self._keys.count), (timer, *args)) for timer in timers
        )
        return [_ripened(timer, result) for timer, result in zip(timers, results, strict=True)]

    async def next(self) -> int | None:
        """When the earliest entry is due, in milliseconds since the epoch; None when nothing is. Raises StoreUnavailable."""
        async with available():
            first = await self._redis.zrange(self._keys.due, 0, 0, withscores=True)
        return int(first[0][1]) if first else None

    async def length(self) -> int:
        """How many entries wait for their time. Raises StoreUnavailable."""
        async with available():
            return int(await self._redis.zcard(self._keys.due))


def _ripened(timer: str, result: Any) -> Ripened | StoreUnavailable:
    if isinstance(result, StoreUnavailable):
        return result
    outcome, *rows = [part.decode() for part in result] or [""]
    return Ripened(timer, outcome, tuple(zip(rows[::2], (queue or MAIN for queue in rows[1::2]), strict=True)))
