"""One instance's data at one server: the log, the state table, the ledger and the due set, opened together."""

from redis import asyncio as aioredis

from reactor.settings import Settings
from reactor.store.brakes import Brakes
from reactor.store.client import ServerCheck, available, connect, ready, refuse_newer
from reactor.store.due import Due
from reactor.store.jobs import Jobs
from reactor.store.keys import Keys, shared_keys
from reactor.store.ledger import Ledger
from reactor.store.log import EventLog
from reactor.store.logged import LoggedEvents
from reactor.store.plans import Plans
from reactor.store.reconciles import Reconciles
from reactor.store.resources import Resources
from reactor.store.retention import Retention
from reactor.store.revisions import Revisions
from reactor.store.runs import Runs
from reactor.store.waits import Waits
from reactor.store.watches import Watches


class Store:
    """Opens connections for a process. `blocking` is the longest time, in seconds, that one of its reads waits."""

    def __init__(self, settings: Settings, *, blocking: float = 0.0) -> None:
        self.redis: aioredis.Redis = connect(settings.redis_url, blocking=blocking)
        self.keys = Keys(settings.instance)
        self._declared = settings.redis_durability == "declared"
        window = settings.dedup_window
        self.log = EventLog(self.redis, self.keys, dedup_window=window)
        self.resources = Resources(self.redis, self.keys, dedup_window=window)
        self.plans = Plans(self.redis, self.keys, dedup_window=window, sweep_after=settings.sweep_after)
        self.ledger = Ledger(
            self.redis, self.keys, lease=settings.lease, dedup_window=window, sweep_after=settings.sweep_after
        )
        self.jobs = Jobs(self.redis, self.keys, dedup_window=window)
        self.logged = LoggedEvents(self.redis, self.keys, self.log, lifetime=2 * window)
        self.brakes = Brakes(self.redis, self.keys)
        self.watches = Watches(
            self.redis, self.keys, lease=settings.lease, lifetime=2 * window, sweep_after=settings.sweep_after
        )
        self.runs = Runs(
            self.redis,
            self.keys,
            lifetime=2 * window,
            sweep_after=settings.sweep_after,
            on_watched=self.watches.bell.set,
        )
        self.waits = Waits(self.redis, self.keys, sweep_after=settings.sweep_after)
        self.revisions = Revisions(self.redis, self.keys, lifetime=2 * window + 86400)
        self.reconciles = Reconciles(self.redis, self.keys, lease=settings.lease)
        self.retention = Retention(
            self.redis, self.keys, retention=settings.retention, lifetime=2 * window, most=settings.keep_failed
        )
        self.due = Due(self.redis, self.keys, sweep_after=settings.sweep_after, lifetime=2 * window)

    async def ready(self) -> ServerCheck:
        """Check server and layout before the first write. Raises StoreError that lists what must change."""
        return await ready(self.redis, self.keys, declared=self._declared)

    async def readable(self) -> None:
        """Check that the layout is one we know, without writing. Raises StoreUnavailable, SchemaError."""
        await refuse_newer(self.redis, self.keys)

    async def foreign(self) -> list[str]:
        """What is to be said of shared keys that hold what no reactor wrote. Raises StoreUnavailable."""
        shared = shared_keys(self.keys.instance)
        async with available():
            pipeline = self.redis.pipeline(transaction=False)
            for key in shared:
                pipeline.type(key)
            found = [kind.decode() for kind in await pipeline.execute()]
        return [
            f"key {key} holds a {kind}, and must hold a {meant}: delete it"
            for (key, meant), kind in zip(shared.items(), found, strict=True)
            if kind not in (meant, "none")
        ]

    async def close(self) -> None:
        """Let go of the connections."""
        await self.redis.aclose()
