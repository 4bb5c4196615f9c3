"""What is forgotten, and when: the event log by age, the lists that name rows and runs, and what failed beyond a number.

Owns nothing else: every other key expires by itself, by the lifetimes in the table of keys.
"""

from dataclasses import astuple, dataclass

from redis import asyncio as aioredis

from reactor.store.keys import Keys
from reactor.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many jobs that ended dead or unknown, and how many events set aside, were too many."""

    dead: int
    unknown: int
    aside: int

    def __bool__(self) -> bool:
        return any(astuple(self))


class Retention:
    """Trims. `retention` is how long the log holds an event, `lifetime` how long what has ended is kept, in seconds.

    `most` is how many dead jobs, unknown ones and events set aside are kept: without it, a storm of what must fail fills Redis.
    """

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, retention: float, lifetime: float, most: int) -> None:
        self._keys = keys
        self._scripts = Scripts(redis)
        self._args = (int(retention * 1000), int(lifetime * 1000), keys.run(""))
        self._most = most

    async def trim(self) -> int:
        """Forget what is old and acknowledged; returns how many events left the log. Raises StoreUnavailable."""
        keys = self._keys
        listed = (keys.log, keys.aside, keys.finished("dead"), keys.finished("unknown"), keys.runs)
        return int(await self._scripts.run("trim", listed, self._args))

    async def bound(self) -> Forgotten:
        """Forget the oldest of what failed, beyond what is kept; returns how many of each. Raises StoreUnavailable."""
        keys = self._keys
        bounded = (keys.finished("dead"), keys.finished("unknown"), keys.aside, keys.count)
        total, left = Forgotten(0, 0, 0), 1
        while left:  # bit by bit, so that the server keeps nobody waiting, and to the end, or a storm would outrun it
            dead, unknown, aside, left = await self._scripts.run("bound", bounded, (self._most, keys.row("")))
            total = Forgotten(total.dead + dead, total.unknown + unknown, total.aside + aside)
        return total
