"""The brakes: pauses and gates, under which rows are not claimed, and budgets, beyond which an API gets no more creates.

Owns what is paused, the rows that a pause holds, which gates are closed, and counting creates. Claiming heeds pauses and
gates by itself (`claim.lua`); who calls an API without a row asks here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from redis import asyncio as aioredis

from reactor.errors import GateClosed
from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.scripts import Scripts

Kind = Literal["all", "api", "rule"]

TARGETS = "targets/"
"""What the gates of targets are named after; no API has such a name. Nobody waits at one: it is how many find out as one."""

CHUNK = 500
"""Rows that one script lets go, so that it keeps nobody waiting."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is paused: everything, or one API or rule by name."""

    kind: Kind = "all"
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    def holds(self, rule: str, api: str) -> bool:
        """Whether a pause of it keeps rows of this rule and API from being claimed; either may be empty."""
        return self.kind == "all" or self.name == (rule if self.kind == "rule" else api)

    @classmethod
    def read(cls, text: str) -> "Scope":
        """The scope that `str` has written."""
        kind, _, name = text.partition(":")
        return cls(kind, name)  # type: ignore[arg-type]  # written by ourselves only


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause in force. Times are in milliseconds since the epoch; `until` is None where somebody must resume it.

    `held` says how many rows it keeps from being performed.
    """

    scope: Scope
    at: int
    until: int | None
    by: str
    reason: str
    held: int


class Brakes:
    """Pauses and resumes; closes gates; counts creates."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)

    async def pause(self, scope: Scope, *, by: str, reason: str, seconds: float | None = None) -> None:
        """Let no row of a scope be claimed, for a time or until it is resumed. A second pause replaces the first."""
        length = 0 if seconds is None else max(1, int(seconds * 1000))
        await self._scripts.run("pause", (self._keys.pauses,), (str(scope), by, reason, length))
        await self._release(scope)  # what an earlier pause holds is held until then: it is to be held until now's end

    async def resume(self, scope: Scope) -> bool:
        """Let rows of a scope be claimed again, those that were held at once; False when it was not paused."""
        async with available():
            resumed = await self._redis.hdel(self._keys.pauses, str(scope))
        await self._release(scope)
        return bool(resumed)

    async def _release(self, scope: Scope) -> None:
        keys = (self._keys.held(str(scope)), self._keys.due)
        while await self._scripts.run("release", keys, (self._keys.row(""), CHUNK)):
            pass

    async def pauses(self) -> list[Pause]:
        """What is paused now, the first one first. Changes nothing."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.time()
            pipeline.hgetall(self._keys.pauses)
            (seconds, micros), stored = await pipeline.execute()
        now = seconds * 1000 + micros // 1000
        found = [(scope.decode(), orjson.loads(value)) for scope, value in stored.items()]
        live = [(scope, value) for scope, value in found if not value["until"] or value["until"] > now]
        held = await self._held([scope for scope, _ in live])
        pauses = [
            Pause(Scope.read(scope), int(value["at"]), int(value["until"]) or None, value["by"], value["reason"], count)
            for (scope, value), count in zip(live, held, strict=True)
        ]
        return sorted(pauses, key=lambda pause: (pause.at, str(pause.scope)))

    async def _held(self, scopes: list[str]) -> list[int]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for scope in scopes:
                pipeline.scard(self._keys.held(scope))
            counts: list[Any] = await pipeline.execute()
        return [int(count) for count in counts]

    async def closed_for(self, api: str, operation: str = "") -> float:
        """Seconds for which an API, or one operation of it, takes no calls; 0 when it does. Raises StoreUnavailable."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for gate in _gates(api, operation):
                pipeline.pttl(self._keys.gate(gate))
            left: Any = await pipeline.execute()
        return max(0, *map(int, left)) / 1000

    async def closed_gates(self, api: str, *operations: str) -> dict[str, str]:
        """The closed gates that the calls of operations are behind, and why they are closed. Raises StoreUnavailable."""
        names = _gates(api, *operations)
        async with available():
            reasons: Any = await self._redis.mget([self._keys.gate(name) for name in names])
        return {name: reason.decode() for name, reason in zip(names, reasons, strict=True) if reason}

    async def close_gate(self, api: str, reason: str, delay: float, *, operation: str = "") -> bool:
        """Let nobody claim rows of an API, or of one operation of it, for `delay` seconds; False when it was closed already.

        Raises StoreUnavailable.
        """
        gate = f"{api}.{operation}" if operation else api
        async with available():
            before = await self._redis.set(self._keys.gate(gate), reason, px=max(1, int(delay * 1000)), get=True)
        return before is None

    @asynccontextmanager
    async def heeding_gates(self, api: str, operation: str) -> AsyncIterator[None]:
        """Call an operation without a row: heed the gates that jobs wait behind, and close one for all if the API says so.

        Raises GateClosed, StoreUnavailable.
        """
        if closed := await self.closed_for(api, operation):
            raise GateClosed(f"{api} takes no calls for {closed:.0f} s", closed, operation=operation)
        try:
            yield
        except GateClosed as error:
            await self.close_gate(api, str(error), error.delay, operation=error.operation)
            raise

    async def spend(self, api: str, budget: int) -> float:
        """Count one create of an API; 0 when it may go, else in how many seconds to ask again."""
        keys = (self._keys.budget(api), self._keys.count)
        return int(await self._scripts.run("spend", keys, (api, budget))) / 1000


def _gates(api: str, *operations: str) -> tuple[str, ...]:
    """The gates that the calls of operations are behind: the API's, and those of their own."""
    return api, *(f"{api}.{operation}" for operation in operations)
