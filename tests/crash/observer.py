"""Looks at a stand from outside: whether it is quiet, and everything that the model judges.

Owns reading, at the emulator and in Redis. Changes nothing.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from redis import asyncio as aioredis

from crash.load import Load
from crash.model import LogEntry, Seen, body_of
from crash.nursery import until
from reactor.store.keys import Keys
from reactor.store.log import GROUP

KEYS = Keys("reactor")

TABLE = {
    "volumes": ("daytona", "volume", "state"),
    "sandboxes": ("daytona", "sandbox", "state"),
    "devboxes": ("runloop", "devbox", "status"),
}
"""What the emulator has: whose it is, what a rule calls it, and where it says its state."""

CREATES = ("createVolume", "createSandbox", "runloop.createDevbox")
QUEUE = "rq:queue:reactor"

TIDIED = 40.0
"""Seconds within which the due poller has tidied what no work waits for."""


@dataclass(frozen=True)
class Observer:
    """Who looks. `redis` leads past the bad network."""

    emulator: httpx2.AsyncClient
    redis: "aioredis.Redis"
    load: Load

    async def is_quiet(self) -> bool:
        """Whether nothing is left to be done, here and at the emulator."""
        before = await self.told("deliveries")
        try:
            runs: Any = await self.redis.zrange(KEYS.runs, 0, -1)
            running = b"running" in await self._each([("HGET", KEYS.run(run.decode()), "status") for run in runs])
            if running or any((await self.left()).values()):
                return False
        except aioredis.RedisError:
            return False
        after = await self.told("deliveries")
        return not after["underWay"] and len(after["deliveries"]) == len(before["deliveries"])

    async def is_still_as(self, seen: Seen) -> bool:
        """Whether nothing has happened since everything was looked at, one thing after the other."""
        if not await self.is_quiet():
            return False
        attempts = (await self.told("deliveries"))["deliveries"]
        return len(attempts) == len(seen.attempts) and await self.logged() == len(seen.log)

    async def knows_all(self) -> bool:
        """Whether the state table has every volume and sandbox as it is, however that was told."""
        state = await self.told("state")
        known = await self._states(state)
        there = [(each["id"], each[field]) for kind, (_, _, field) in TABLE.items() for each in state[kind]]
        return all(known.get(resource) == now for resource, now in there)

    async def _states(self, state: Any) -> dict[str, str]:
        """What the state table says of what there is, by id."""
        found = [(api, kind, each["id"]) for kinds, (api, kind, _) in TABLE.items() for each in state[kinds]]
        states = await self._each([("HGET", KEYS.resource(*each), "state") for each in found])
        return {each: said.decode() for (*_, each), said in zip(found, states, strict=True) if said}

    async def logged(self) -> int:
        """How many events the log holds."""
        return int(await self.redis.xlen(KEYS.log))

    async def left(self) -> dict[str, int]:
        """Work that is not done yet, at one moment: what moves on meanwhile is in one place or the other."""
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.xinfo_groups(KEYS.log)
            pipeline.zcard(KEYS.due)
            pipeline.llen(QUEUE)
            pipeline.zcard(KEYS.aside)
            pipeline.zcard(KEYS.watches)
            groups, due, queued, aside, watches = await pipeline.execute()
        group = next(group for group in groups if group["name"] == GROUP.encode())
        return {
            "due rows": due,
            "queued jobs": queued,
            "unacknowledged events": group["pending"],
            "unread events": group["lag"] or 0,
            "events set aside": aside,
            "watches": watches,
        }

    async def lengths(self) -> tuple[int, int]:
        """Of the queue and of the due set, at one moment."""
        async with self.redis.pipeline() as pipeline:
            pipeline.llen(QUEUE)
            pipeline.zcard(KEYS.due)
            queued, live = await pipeline.execute()
        return queued, live

    async def look(self, *, tidied: bool = True, reconciled: bool = False) -> Seen:
        """Everything that the model judges; `tidied` also asks for what dead workers left in RQ to be gone.

        `reconciled` asks for what no webhook told to be known, too.
        """
        deliveries, state = await self.told("deliveries"), await self.told("state")
        if tidied:
            await until(self._is_tidy, TIDIED)
        return Seen(
            attempts=deliveries["deliveries"],
            replayed=frozenset(self.load.replayed),
            asked=tuple(self.load.asked),
            log=await self._log(),
            rows=await self._hashes(KEYS.row("")),
            runs=await self._hashes(KEYS.run("")),
            volumes=state["volumes"],
            sandboxes=state["sandboxes"],
            devboxes=state["devboxes"],
            states=await self._states(state),
            reconciled=reconciled,
            left={**await self.left(), **(await self._strays() if tidied else {})},
        )

    async def facts(self) -> dict[str, Any]:
        """What is good to know besides."""
        attempts, calls = (await self.told("deliveries"))["deliveries"], (await self.told("calls"))["calls"]
        return {
            "runs": await self.redis.zcard(KEYS.runs),
            "deliveries": dict(Counter(str(attempt["status"]) for attempt in attempts)),
            "strangers": dict(sorted(self.load.strangers.items())),
            "creates asked of the API": {name: calls.get(name, 0) for name in CREATES},
            "watched": Counter(entry.body.get("newState") for entry in await self._log() if entry.origin == "watch"),
        }

    async def told(self, what: str) -> Any:
        """What the emulator says of itself."""
        answer = await self.emulator.get(f"/emulator/{what}")
        answer.raise_for_status()
        return answer.json()

    async def _is_tidy(self) -> bool:
        return not any((await self._strays()).values())

    async def _strays(self) -> dict[str, int]:
        jobs = len([key async for key in self.redis.scan_iter("rq:job:*", count=1000)])
        return {"jobs that RQ takes for running": await self.redis.zcard("rq:wip:reactor"), "RQ jobs": jobs}

    async def _log(self) -> list[LogEntry]:
        entries: Any = await self.redis.xrange(KEYS.log)
        told = await self._each([("HMGET", KEYS.event(entry.decode()), "verdict", "plan") for entry, _ in entries])
        return [
            LogEntry(
                entry.decode(),
                fields[b"id"].decode(),
                fields[b"origin"].decode(),
                body_of(fields[b"body"]),
                *(orjson.loads(each) if each else None for each in stored),
            )
            for (entry, fields), stored in zip(entries, told, strict=True)
        ]

    async def _hashes(self, prefix: str) -> dict[str, dict[str, str]]:
        keys = [key async for key in self.redis.scan_iter(prefix + "*", count=1000)]
        found = await self._each([("HGETALL", key) for key in keys])
        return {
            key.decode().removeprefix(prefix): {name.decode(): value.decode() for name, value in fields.items()}
            for key, fields in zip(keys, found, strict=True)
        }

    async def _each(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipeline = self.redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())
