"""The store as commands use it that look, or change what somebody points at: opening it writes nothing.

A command that begins something new opens it as the processes do (`processes.opened`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from reactor.cli.catalog import settings_of
from reactor.errors import StoreUnavailable
from reactor.store.store import Store
from reactor.telemetry import configure_logs


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
