"""Connections to Redis or Valkey, with timeouts and retries chosen on purpose, and the checks before anything is stored.

Owns how we connect and what the server must be. Knows no key but the schema.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import asyncio as aioredis
from redis import exceptions
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from reactor.errors import ConfigError, SchemaError, StoreError, StoreRefused, StoreUnavailable
from reactor.store.keys import SCHEMA, Keys

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
"""`SET … NX GET` and `#!lua` script flags came with Redis 7.0."""

CONNECTIONS = 32
"""Of one process. A crowd of jobs waits for its turn: a pool without a queue refuses the 101st, as if Redis were down."""

NEARLY_FULL = 0.7
"""Of maxmemory, from which on it is warned of."""

UNABLE = (
    exceptions.ConnectionError,  # also LOADING, NOAUTH, WRONGPASS
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.NoPermissionError,
    exceptions.ClusterDownError,  # also MASTERDOWN
)
UNABLE_CODES = re.compile(r"(?:^|caused error: \W*)(?:BUSY|MISCONF|NOGROUP|NOREPLICAS|UNBLOCKED)\b")
"""What else says "not now", whatever the command, and has no class in redis-py; in a pipeline the words stand further on.

NOGROUP: the data was flushed under a reader, who begins again by making the group.
"""

FOREIGN = re.compile(r"\bWRONGTYPE\b")
"""Somebody else wrote a key of ours: what needs it goes on, and nobody ends, when it is gone."""


def connect(url: str, *, blocking: float = 0.0) -> "aioredis.Redis":
    """Open a pool for `url`; commands of it may block for `blocking` seconds at the server.

    No automatic retries: redis-py 8 repeats a command whose reply was lost up to ten times, also those that must not
    be repeated. Its default read timeout of 5 s ends blocking reads, so it is set from what the caller blocks for.
    Raises ConfigError for a URL of another kind.
    """
    if not re.match(r"^(rediss?|unix)://", url):
        found = f"(found {_without_password(url)!r})" if url else "and is not set"
        raise ConfigError(
            f"REACTOR_REDIS_URL must start with redis://, rediss:// or unix:// {found}: it names the reactor's Redis or "
            "Valkey. Without one, `reactor dev` and `reactor demo` bring their own."
        )
    try:
        pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=5.0,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=5.0 + blocking,
            socket_connect_timeout=3.0,
            health_check_interval=15,
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        )
        pool.connection_class = _cancellable(pool.connection_class)
        return aioredis.Redis.from_pool(pool)
    except ValueError as error:  # a port that is no number, a path that is no database
        raise ConfigError(f"REACTOR_REDIS_URL is no URL of a server ({_without_password(url)!r}): {error}") from None


def _cancellable(connection_class: "type[AbstractConnection]") -> "type[AbstractConnection]":
    """A connection whose user can be cancelled at any moment.

    redis-py waits for a command to be sent by `asyncio.wait_for`, which in Python 3.11 forgets that its caller was cancelled
    if that happens in the moment in which all is sent: a process that was told to end would go on for ever, and a worker
    that lost its lease would act on.
    """

    class Cancellable(connection_class):  # type: ignore[misc, valid-type]  # the class depends on the URL
        """Looks after each command whether it was cancelled meanwhile."""

        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            """Send, or be cancelled; then the connection is of no more use, as its reply was not read."""
            task = asyncio.current_task()
            before = task.cancelling() if task else 0
            await super().send_packed_command(command, check_health)
            if task and task.cancelling() > before:
                await self.disconnect(nowait=True)
                raise asyncio.CancelledError

    return Cancellable


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """Turn every way in which Redis can be unable to answer or to write into StoreUnavailable."""
    try:
        yield
    except UNABLE as error:
        raise StoreUnavailable(f"Redis is unable: {error}") from error
    except exceptions.ResponseError as error:
        if UNABLE_CODES.search(str(error)):
            raise StoreUnavailable(f"Redis refuses: {error}") from error
        if FOREIGN.search(str(error)):
            raise StoreRefused(f"Redis refuses: {error}") from error
        raise


def refused_script(name: str, error: Exception) -> StoreUnavailable:
    """How one script ended that others beside it did not: the server is unable, or can't make anything of its keys."""
    unable = isinstance(error, UNABLE) or UNABLE_CODES.search(str(error))
    return (StoreUnavailable if unable else StoreRefused)(f"Redis refuses {name}: {error}")


@dataclass(frozen=True)
class ServerCheck:
    """What the server is, and what of it the reactor can't rely on."""

    name: str
    version: tuple[int, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


async def check_server(redis: "aioredis.Redis", *, declared: bool) -> ServerCheck:
    """Look whether the server is recent enough, keeps an append-only file and never evicts. Raises StoreUnavailable."""
    async with available():
        info: dict[str, Any] = await redis.info("server")
    name = "valkey" if "valkey_version" in info else "redis"
    version = tuple(int(part) for part in str(info[f"{name}_version"]).split(".")[:3])
    problems = []
    if version[:2] < OLDEST[name]:
        problems.append(f"{name} {'.'.join(map(str, version))} is too old: use Redis 7.0 or Valkey 7.2, or newer")
    nearly_full = (await read_memory(redis)).warnings
    if declared:
        return ServerCheck(
            name, version, tuple(problems), ("AOF and noeviction are declared, not checked", *nearly_full)
        )
    durable, warnings = await _durability(redis)
    return ServerCheck(name, version, (*problems, *durable), (*warnings, *nearly_full))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes the server uses, and may use at most; a limit of 0 is none."""

    used: int
    limit: int

    @property
    def ratio(self) -> float:
        """How much of the limit is used, from 0 to 1 and more; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell the operator, in time: of a full server every write is refused."""
        if self.ratio < NEARLY_FULL:
            return ()
        return (
            f"{self.ratio:.0%} of maxmemory is used, and a full server takes no event: raise maxmemory, "
            "or lower REACTOR_RETENTION",
        )


async def read_memory(redis: "aioredis.Redis") -> Memory:
    """Ask how full the server is. Changes nothing. Raises StoreUnavailable."""
    async with available():
        info: dict[str, Any] = await redis.info("memory")
    return Memory(int(info["used_memory"]), int(info["maxmemory"]))


async def _durability(redis: "aioredis.Redis") -> tuple[list[str], list[str]]:
    """What makes the server unfit, and what it is only warned of."""
    async with available():
        try:
            config = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except exceptions.ResponseError:
            return [
                "CONFIG GET is refused: set REACTOR_REDIS_DURABILITY=declared if the server keeps an AOF and never evicts"
            ], []
    problems, warnings = [], []
    if config.get("appendonly") != "yes":
        problems.append("appendonly is off: a restart loses accepted events; set `appendonly yes`")
    elif config.get("appendfsync") != "always":
        warnings.append(
            f"appendfsync is {config.get('appendfsync')}: when the machine fails, the last accepted events are lost; "
            "set `appendfsync always`"
        )
    if config.get("maxmemory-policy") != "noeviction":
        problems.append(
            f"maxmemory-policy is {config.get('maxmemory-policy')}: eviction forgets jobs; set `noeviction`"
        )
    return problems, warnings


async def check_schema(redis: "aioredis.Redis", keys: Keys) -> None:
    """Write the layout's version if there is none; refuse data of a newer one. Raises SchemaError, StoreUnavailable."""
    async with available():
        await redis.set(keys.schema, SCHEMA, nx=True)
    await refuse_newer(redis, keys)


async def refuse_newer(redis: "aioredis.Redis", keys: Keys) -> None:
    """Refuse data of a layout that is not ours to touch; changes nothing. Raises SchemaError, StoreUnavailable."""
    async with available():
        found: Any = await redis.get(keys.schema)
    layout = (found or b"%d" % SCHEMA).decode(errors="replace")
    if not layout.isdecimal() or int(layout) > SCHEMA:
        raise SchemaError(
            f"the data of instance {keys.instance!r} has layout {layout[:20]}, this reactor knows {SCHEMA}: "
            "run the newer reactor, or choose another REACTOR_INSTANCE"
        )


async def ready(redis: "aioredis.Redis", keys: Keys, *, declared: bool) -> ServerCheck:
    """Check server and layout before the first write. Raises StoreError that lists what must change."""
    found = await check_server(redis, declared=declared)
    if found.problems:
        raise StoreError(
            f"the {found.name} server can't be relied on:\n" + "\n".join(f"  - {p}" for p in found.problems)
        )
    await check_schema(redis, keys)
    return found


def _without_password(url: str) -> str:
    return re.sub(r"//.*@", "//…@", url)
