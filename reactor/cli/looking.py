"""The store as commands use it that look, or change what somebody points at: opening it writes nothing.

A command that begins something new opens it as the processes do (`processes.opened`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import click

from reactor.cli.catalog import loaded, settings_of
from reactor.config import Config
from reactor.errors import ConfigError, ReactorError, StoreUnavailable
from reactor.operator.status import in_force
from reactor.store.store import Store
from reactor.telemetry import configure_logs

Completion = Callable[[click.Context, click.Parameter, str], list[str]]

Seen = TypeVar("Seen")


@asynccontextmanager
async def looking(config: Path | None) -> AsyncIterator[Store]:
    """The store that the settings name. Raises ConfigError, StoreError."""
    settings = settings_of(config)
    configure_logs(settings)
    store = Store(settings)
    try:
        await store.readable()
        yield store
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}\nREACTOR_REDIS_URL must lead to the reactor's Redis or Valkey.") from error
    finally:
        await store.close()


def looked(config: Path | None, look: Callable[[Store], Awaitable[Seen]]) -> Seen:
    """What is seen in the store that the settings name. Raises ConfigError, StoreError, and what `look` raises."""

    async def run() -> Seen:
        async with looking(config) as store:
            return await look(store)

    return asyncio.run(run())


async def known(store: Store, config: Path | None) -> Config:
    """The configuration in force: that which the processes run; where none lives, the one here.

    It is said where that is not what is here. Raises ConfigError when no process runs one and that here can't be used,
    StoreUnavailable.
    """
    try:
        here, broken = loaded(config), None
    except ConfigError as error:
        here, broken = None, error
    try:
        found = await in_force(store, here)
    except ConfigError:  # made by another version of the reactor
        found = None
    if found is None and broken:
        raise broken
    if found is not None and found is not here:
        why = str(broken.problems[0]) if broken else "what is here is not in force"
        click.echo(f"warning: {why}; what follows is by the revision in force, {found.revision}", err=True)
    return found or cast(Config, here)


def completing(names: Callable[[Store], Awaitable[Iterable[str]]]) -> Completion:
    """Completes the names that are in the store; none without a server, for a shell has no place for messages."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            known = looked(ctx.params.get("config"), names)
        except ReactorError:
            return []
        return [name for name in known if name.startswith(incomplete)]

    return complete
