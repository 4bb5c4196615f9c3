"""The test stand: a server, an emulated Daytona, a fleet between bad networks, and who asks things of it.

Owns building it and ending it. What is tried on it is the others'.
"""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from redis import asyncio as aioredis

from crash.fleet import Fleet, server_in
from crash.load import ORGANIZATION, RULE, SECRET, Load
from crash.nursery import Nursery, until
from crash.observer import Observer
from crash.story import Story
from reactor.embedded import Fsync
from reactor.emulator import EmulatorSettings
from reactor.emulator.server import running
from reactor.store.keys import Keys

CONFIG = Path(__file__).parents[2] / "config"

LEASE = 2.0

BOOT = 1.0
"""Seconds that a devbox is being provisioned."""

BASELINE = 60.0
"""Seconds within which a fleet that began has reconciled for the first time."""

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "REACTOR_LEASE": str(LEASE),
    "REACTOR_TAKEOVER": "1",
    "REACTOR_SWEEP_AFTER": "1",
    "REACTOR_BACKOFF": "0.2",
    "REACTOR_BACKOFF_LIMIT": "5",
    "REACTOR_ATTEMPTS": "30",
    "REACTOR_PROBE": "3",
    "REACTOR_RECONCILE": "5",
    "REACTOR_DRAIN": "5",
    "REACTOR_OPERATIONS_PORT": "0",
    "REACTOR_PRIVATE_NETWORKS": "127.0.0.0/8",
    "REACTOR_LOG_FORMAT": "json",
    "DAYTONA_API_KEY": EmulatorSettings().api_key,
    "DAYTONA_ORGANIZATION_ID": ORGANIZATION,
    "DAYTONA_WEBHOOK_SECRET": SECRET,
    "RUNLOOP_API_KEY": EmulatorSettings().runloop_api_key,
}
"""Times are short, so that many faults fit into minutes; their relations are those of production."""


@dataclass(frozen=True)
class Stand:
    """What a trial has: the fleet, its customers, who looks at it from outside, and the timeline."""

    fleet: Fleet
    load: Load
    observer: Observer
    story: Story
    emulator: httpx2.AsyncClient
    redis: "aioredis.Redis"
    """Leads past the bad network."""

    async def begin(self) -> None:
        """Start the fleet, and return when it has seen what there is: what is made from now on is news to it."""
        await self.weather()
        await self.fleet.start()
        seen = await until(self._has_its_baseline, BASELINE)
        assert seen, f"no reconciler has seen what there is within {BASELINE:g} s"

    async def _has_its_baseline(self) -> bool:
        return {b"daytona", b"runloop"} <= set(await self.redis.hkeys(Keys("reactor").reconciled))

    async def weather(self, **faults: Any) -> None:
        """Put faults of the emulator in force; those not named are off. Devboxes always boot for long enough to be watched."""
        (await self.emulator.put("/emulator/faults", json={"devbox_boot": BOOT, **faults})).raise_for_status()


@asynccontextmanager
async def stand_in(
    directory: Path, *, seed: int = 0, fsync: Fsync = "always", environment: Mapping[str, str] | None = None
) -> AsyncIterator[Stand]:
    """A stand whose fleet is not started yet; everything ends with the context."""
    config = shutil.copytree(CONFIG, directory / "config")
    (config / "rules" / "orders.yaml").write_text(RULE)
    story = Story(directory)
    settings = EmulatorSettings(time_scale=0.02, retry_scale=0.02, retry_limit=5.0, seed=seed)
    variables = {**ENVIRONMENT, "REACTOR_CONFIG": str(config), **(environment or {})}
    async with (
        running(settings) as url,
        httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {settings.api_key}"},
            trust_env=False,
            timeout=60.0,
            limits=httpx2.Limits(max_keepalive_connections=0),  # a busy loop uses one that is being closed
        ) as emulator,
    ):
        with server_in(directory, fsync) as server:
            nursery = await Nursery.open()
            redis = aioredis.Redis.from_url(server.url)
            fleet = Fleet(directory, variables, story, nursery, server, int(url.rpartition(":")[2]))
            try:
                webhooks = await fleet.connect()
                await emulator.put("/emulator/endpoints", json=[{"url": webhooks, "secret": SECRET}])
                load = Load(fleet, emulator, redis, webhooks, Random(seed))
                yield Stand(fleet, load, Observer(emulator, redis, load), story, emulator, redis)
            finally:
                await fleet.close()
                await nursery.close()
                await redis.aclose()
