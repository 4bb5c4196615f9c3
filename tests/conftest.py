"""What every test may use: real servers for the session, emptied for each test that asks for a store.

A file that concerns the store says `pytestmark = pytest.mark.every_server`: its tests run against Valkey and against Redis,
the others against the first. `scripts/redis` sees to the second.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis

from reactor.embedded import EmbeddedServer, find_server
from reactor.queue import JobQueue
from reactor.settings import Settings
from reactor.store.store import Store

# The default shows the values of all variables, which takes seconds per stack trace.
LOGS: dict[str, Any] = {
    "processors": [
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
}
structlog.configure(**LOGS)

CONFIG = Path(__file__).parent.parent / "config"
ORGANIZATION = "11111111-2222-4333-8444-555555555555"
LOOPBACK = ("127.0.0.0/8",)
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="


VALKEY, REDIS = "valkey", "redis"


@pytest.fixture(autouse=True)
def _logs_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs within a test sets up the logs of this process; the next test must be able to read them."""
    configure = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **said: configure(**said | {"cache_logger_on_first_use": False}))
    yield
    structlog.reset_defaults()
    configure(**LOGS)


def binaries() -> dict[str, Path]:
    """The servers on this machine, by name: the one that `reactor dev` starts, and the Redis that `scripts/redis` found."""
    found = {VALKEY: find_server()}
    places = os.pathsep.join([str(Path(sys.prefix) / "redis"), os.environ.get("PATH", os.defpath)])
    redis = shutil.which("redis-server", path=places)
    if redis and Path(redis).absolute() != found[VALKEY]:
        found[REDIS] = Path(redis).absolute()
    return found


@cache
def version(binary: Path) -> str:
    """What a server says it is: `Redis server v=7.0.15 …`."""
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split()[:3])


def pytest_report_header() -> list[str]:
    """Say which servers are used."""
    return [f"server: {name}: {version(binary)}" for name, binary in binaries().items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, where it is read, that half of the tests of the store had no server."""
    if REDIS not in binaries():
        terminalreporter.write_line(
            "tests of the store ran on Valkey alone: `scripts/redis` gets a Redis for them, or says what it lacks",
            yellow=True,
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of the store run once for each server."""
    if metafunc.definition.get_closest_marker("every_server") and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", list(binaries()), indirect=True, scope="session")


class Servers:
    """Servers that run until the session ends, each started when it is first asked for."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._running: dict[str, EmbeddedServer] = {}
        self.ends = ExitStack()

    def get(self, name: str) -> EmbeddedServer:
        """The server of this name."""
        if name not in self._running:
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv("REACTOR_VALKEY_BIN", str(binaries()[name]))
                started = EmbeddedServer.start(self._factory.mktemp(name))
            self._running[name] = self.ends.enter_context(started)
        return self._running[name]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of the session."""
    servers = Servers(tmp_path_factory)
    with servers.ends:
        yield servers


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: Servers) -> EmbeddedServer:
    """A real server, as in production but for its address."""
    return servers.get(getattr(request, "param", VALKEY))


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
