"""What is forgotten, and when: the event log by age, and the lists that name rows and runs.

Owns nothing else: every other key expires by itself, by the lifetimes in the table of keys.
"""

from redis import asyncio as aioredis

from reactor.store.keys import Keys
from reactor.store.scripts import Scripts


class Retention:
    """Trims. `retention` is how long the log holds an event, `lifetime` how long what has ended is kept, in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, retention: float, lifetime: float) -> None:
        self._keys = keys
        self._scripts = Scripts(redis)
        self._args = (int(retention * 1000), int(lifetime * 1000), keys.run(""))

    async def trim(self) -> int:
        """Forget what is old and acknowledged; returns how many events left the log. Raises StoreUnavailable."""
        keys = self._keys
        listed = (keys.log, keys.aside, keys.finished("dead"), keys.finished("unknown"), keys.runs)
        return int(await self._scripts.run("trim", listed, self._args))
