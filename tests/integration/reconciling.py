"""A reconciler in a test: of the shipped configuration, with reads that are never late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from conftest import CONFIG, LOOPBACK, Opened

from reactor.apis.client import Api, ApiClient
from reactor.config import Config, load_config
from reactor.reconcile.reconciler import Reconciler
from reactor.reload import Live

SURE = 0.05
"""Seconds between a difference and the read that confirms it."""


def prompt(config: Config) -> Config:
    """A configuration whose APIs show what is so now."""
    return replace(config, apis={name: _prompt(api) for name, api in config.apis.items()})


def _prompt(api: Api) -> Api:
    resources = {kind: each.model_copy(update={"staleness": 0.0}) for kind, each in api.provider.resources.items()}
    return replace(api, provider=api.provider.model_copy(update={"resources": resources}))


@asynccontextmanager
async def reconciling(opened: Opened, config: Config | None = None) -> AsyncIterator[Reconciler]:
    """A reconciler that is asked to, one round at a time."""
    client = ApiClient(connections=10, private=LOOPBACK)
    live = Live(config or prompt(load_config(CONFIG)))
    try:
        yield Reconciler(opened.store, live, client, opened.settings, sure=SURE)
    finally:
        await client.close()


async def again_and_again(reconciler: Reconciler, api: str = "daytona") -> None:
    """Reconcile until cancelled."""
    while True:
        await reconciler.reconcile(api)
        await asyncio.sleep(0.05)
