"""What every test may use: one real server for the session, emptied for each test that asks for a store."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from redis import Redis

from reactor.embedded import EmbeddedServer
from reactor.queue import JobQueue
from reactor.settings import Settings
from reactor.store.store import Store

# The default shows the values of all variables, which takes seconds per stack trace.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

CONFIG = Path(__file__).parent.parent / "config"
ORGANIZATION = "11111111-2222-4333-8444-555555555555"
LOOPBACK = ("127.0.0.0/8",)
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A real server, as in production but for its address."""
    with EmbeddedServer.start(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Redis]:
    """A plain connection to an empty server."""
    connection = Redis.from_url(server.url)
    connection.flushall()
    connection.script_flush()
    yield connection
    connection.close()


@pytest.fixture
def settings(server: EmbeddedServer, redis: Redis) -> Settings:
    """Settings with short times, so that what waits for a lease or a sweep is seen soon."""
    return Settings(redis_url=server.url, config=CONFIG, lease=1.0, takeover=0.3, sweep_after=0.5, backoff=0.05)


@dataclass(frozen=True)
class Opened:
    """A store and its queue."""

    settings: Settings
    store: Store
    queue: JobQueue


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[Opened]:
    """A store and a queue at an empty server."""
    store = Store(settings, blocking=2.0)
    queue = JobQueue(settings.redis_url, settings.instance, store.redis)
    await store.ready()
    await store.log.join()
    yield Opened(settings, store, queue)
    queue.close()
    await store.close()
