"""The nemesis: real processes do real work while a seeded schedule kills, pauses, cuts and confuses them; then it is judged.

Owns the course of a run: build, harm, heal, drain, look, judge, tell.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
import httpx2
import orjson
from redis import asyncio as aioredis

from crash.fleet import SERVER, Fleet, server_in
from crash.load import ORGANIZATION, RULE, SECRET, Load, names_for
from crash.model import Finding, Judgement, LogEntry, Seen, body_of, judge
from crash.nursery import Nursery, until
from crash.schedule import WEATHER, Fault, schedule
from crash.story import Story
from reactor.embedded import Fsync
from reactor.emulator import EmulatorSettings, Endpoint
from reactor.emulator.server import running
from reactor.store.keys import Keys
from reactor.store.log import GROUP

CONFIG = Path(__file__).parents[2] / "config"

DRAINED = 60.0
"""Seconds after the last fault within which everything must be done."""

PATIENCE = 150.0
"""Seconds after the last fault at which we stop looking."""

LEASE = 2.0

TIDIED = 40.0
"""Seconds within which the due poller has tidied what no work waits for."""

ENVIRONMENT = {
    "REACTOR_LEASE": str(LEASE),
    "REACTOR_TAKEOVER": "1",
    "REACTOR_SWEEP_AFTER": "1",
    "REACTOR_BACKOFF": "0.2",
    "REACTOR_BACKOFF_LIMIT": "5",
    "REACTOR_ATTEMPTS": "30",
    "REACTOR_PROBE": "3",
    "REACTOR_DRAIN": "5",
    "REACTOR_PRIVATE_NETWORKS": "127.0.0.0/8",
    "REACTOR_LOG_FORMAT": "json",
    "DAYTONA_API_KEY": EmulatorSettings().api_key,
    "DAYTONA_ORGANIZATION_ID": ORGANIZATION,
    "DAYTONA_WEBHOOK_SECRET": SECRET,
}
"""Times are short, so that many faults fit into minutes; their relations are those of production."""

KEYS = Keys("reactor")

WATCHED = 0.5
"""Seconds between two looks at the length of the queue."""


@dataclass(frozen=True)
class Asked:
    """What a run shall be."""

    kills: int
    events: int
    runs: int
    seed: int
    fsync: Fsync = "always"


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    judgement: Judgement
    kills: Counter[str]
    drained: float
    facts: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether nothing was lost, missing, extra or late."""
        return not self.judgement.findings and self.drained <= DRAINED

    def __str__(self) -> str:
        judgement = self.judgement
        return (
            f"events={judgement.events} kills={self.kills.total()} lost={len(judgement.lost)} "
            f"missing={len(judgement.missing)} extra={len(judgement.extra)} drained_s={self.drained:.1f}"
        )


@dataclass
class Nemesis:
    """One run."""

    asked: Asked
    fleet: Fleet
    load: Load
    story: Story
    emulator: httpx2.AsyncClient
    redis: "aioredis.Redis"
    most_queued: int = 0
    amplified: int = 0

    async def run(self) -> Outcome:
        """Harm while there is work, heal, wait until it is quiet, and judge."""
        plan = schedule(self.asked.seed, self.asked.kills)
        names = names_for(self.asked.events, self.asked.runs, Random(self.asked.seed))
        self.story.tell(f"{len(plan)} faults until {plan[-1].at:.0f} s, {len(names)} volumes and runs")
        self.load.dice = Random(self.asked.seed)
        watchers = [asyncio.create_task(self.load.disturb()), asyncio.create_task(self._watch_queue())]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.load.ask_for(names, plan[-1].at))
            tasks.create_task(self._harm(plan))
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        self.fleet.heal()
        await self._put_weather({})
        drained = await self._drain()
        judgement = judge(await self._look())
        judgement.others += [Finding(what) for what in self.load.wrong]
        judgement.others += [Finding(f"{name} died by itself {count} times") for name, count in self.fleet.died.items()]
        if self.amplified > 1:
            judgement.others.append(Finding(f"the queue was longer than twice the live rows, {self.amplified} times"))
        return Outcome(judgement, self.fleet.kills, drained, await self._facts())

    async def _harm(self, plan: list[Fault]) -> None:
        """Let every fault come at its time. A kill that finds nobody waits until there is somebody."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            for fault in plan:
                await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
                under_way.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        fleet, dice = self.fleet, Random(fault.seed)
        if fault.kind in {"kill", "skew", "pause", "stop"}:
            await until(lambda: _true(fleet.can_be_killed(fault.target)), 60.0)
        self.story.tell(str(fault))
        match fault.kind:
            case "kill":
                fleet.kill(fault.target)
            case "skew":
                fleet.skew(fault.target, fault.amount)
            case "stop":
                fleet.stop(fault.target)
            case "pause":
                await fleet.pause(fault.target, fault.amount)
            case "cut":
                fleet.proxies[fault.target].cut(dice, fault.amount)
            case "lose replies":
                fleet.proxies[fault.target].lose_replies(dice, fault.amount)
            case "weather":
                await self._put_weather(dict(WEATHER[int(fault.amount)]))
            case _:
                await self._trouble(fault)

    async def _trouble(self, fault: Fault) -> None:
        """A network that is bad for a while, and then good, or cut."""
        proxy = self.fleet.proxies[fault.target]
        if fault.kind == "swallow":
            proxy.swallow()
            await asyncio.sleep(fault.amount)
        else:
            proxy.slow(fault.amount)
            await asyncio.sleep(5.0)
        proxy.heal()
        if fault.seed % 2:
            proxy.cut(Random(fault.seed), 1.0)

    async def _put_weather(self, faults: dict[str, Any]) -> None:
        (await self.emulator.put("/emulator/faults", json=faults)).raise_for_status()

    async def _watch_queue(self) -> None:
        """Invariant 18: a queue is never long longer than it has reason to be."""
        over = 0
        while True:
            await asyncio.sleep(WATCHED)
            try:
                async with self.redis.pipeline() as pipeline:
                    pipeline.llen("rq:queue:reactor")
                    pipeline.zcard(KEYS.due)
                    queued, live = await pipeline.execute()
            except aioredis.RedisError:
                continue
            self.most_queued = max(self.most_queued, queued)
            over = over + 1 if queued > max(2 * live, 20) else 0
            self.amplified += over > 1

    async def _drain(self) -> float:
        """Seconds until it is quiet, or until we stop looking."""
        began = time.monotonic()
        quiet_since: list[float] = []

        async def stays_quiet() -> bool:
            quiet_since[:] = [*quiet_since, time.monotonic()] if await self._is_quiet() else []
            return len(quiet_since) > 2

        if not await until(stays_quiet, PATIENCE, every=0.3):
            self.story.tell(f"not quiet after {PATIENCE:g} s: {await self._left()}")
            return time.monotonic() - began
        self.story.tell("quiet")
        return quiet_since[0] - began

    async def _is_quiet(self) -> bool:
        try:
            if any((await self._left()).values()):
                return False
            runs: Any = await self.redis.zrange(KEYS.runs, 0, -1)
            statuses = await self._each([("HGET", KEYS.run(run.decode()), "status") for run in runs])
            if b"running" in statuses:
                return False
        except aioredis.RedisError:
            return False
        return not (await self._asked_emulator("deliveries"))["underWay"]

    async def _left(self) -> dict[str, int]:
        groups = await self.redis.xinfo_groups(KEYS.log)
        group = next(group for group in groups if group["name"] == GROUP.encode())
        return {
            "due rows": await self.redis.zcard(KEYS.due),
            "queued jobs": await self.redis.llen("rq:queue:reactor"),
            "unacknowledged events": group["pending"],
            "unread events": group["lag"] or 0,
            "events set aside": await self.redis.zcard(KEYS.aside),
        }

    async def _look(self) -> Seen:
        deliveries, state = await self._asked_emulator("deliveries"), await self._asked_emulator("state")
        resources = [*state["volumes"], *state["sandboxes"]]
        kinds = ["volume"] * len(state["volumes"]) + ["sandbox"] * len(state["sandboxes"])
        keys = [KEYS.resource("daytona", kind, each["id"]) for kind, each in zip(kinds, resources, strict=True)]
        states = await self._each([("HGET", key, "state") for key in keys])
        await until(lambda: self._is_tidy(), TIDIED)
        return Seen(
            attempts=deliveries["deliveries"],
            replayed=frozenset(self.load.replayed),
            asked=tuple(self.load.asked),
            log=await self._log(),
            rows=await self._hashes(KEYS.row("")),
            runs=await self._hashes(KEYS.run("")),
            volumes=state["volumes"],
            sandboxes=state["sandboxes"],
            states={each["id"]: said.decode() for each, said in zip(resources, states, strict=True) if said},
            left={**await self._left(), **await self._strays()},
        )

    async def _is_tidy(self) -> bool:
        return not any((await self._strays()).values())

    async def _strays(self) -> dict[str, int]:
        """What dead workers left in RQ, which the due poller tidies now and then."""
        jobs = len([key async for key in self.redis.scan_iter("rq:job:*", count=1000)])
        return {"jobs that RQ takes for running": await self.redis.zcard("rq:wip:reactor"), "RQ jobs": jobs}

    async def _log(self) -> list[LogEntry]:
        entries: Any = await self.redis.xrange(KEYS.log)
        told = await self._each([("HMGET", KEYS.event(entry.decode()), "verdict", "plan") for entry, _ in entries])
        return [
            LogEntry(
                entry.decode(),
                fields[b"id"].decode(),
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

    async def _asked_emulator(self, what: str) -> Any:
        answer = await self.emulator.get(f"/emulator/{what}")
        answer.raise_for_status()
        return answer.json()

    async def _facts(self) -> dict[str, Any]:
        """What is good to know besides."""
        attempts = (await self._asked_emulator("deliveries"))["deliveries"]
        calls = (await self._asked_emulator("calls"))["calls"]
        return {
            "seed": self.asked.seed,
            "appendfsync": self.asked.fsync,
            "seconds": round(time.time() - self.story.began),
            "runs": await self.redis.zcard(KEYS.runs),
            "kills": dict(self.fleet.kills),
            "starts refused while there was no server": self.fleet.not_started.total(),
            "deliveries": dict(Counter(str(attempt["status"]) for attempt in attempts)),
            "strangers": dict(sorted(self.load.strangers.items())),
            "creates asked of the API": {name: calls.get(name, 0) for name in ("createVolume", "createSandbox")},
            "longest queue": self.most_queued,
        }


async def _true(value: bool) -> bool:
    return value


@asynccontextmanager
async def fleet_in(directory: Path, asked: Asked) -> AsyncIterator[Nemesis]:
    """Everything that a run needs, started; everything ends with the context."""
    config = shutil.copytree(CONFIG, directory / "config")
    (config / "rules" / "orders.yaml").write_text(RULE)
    story = Story(directory)
    emulated = EmulatorSettings(time_scale=0.02, retry_scale=0.02, retry_limit=2.0, seed=asked.seed)
    async with (
        running(emulated) as url,
        httpx2.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {emulated.api_key}"}, trust_env=False, timeout=60.0
        ) as emulator,
    ):
        with server_in(directory, asked.fsync) as server:
            nursery = await Nursery.open()
            redis = aioredis.Redis.from_url(server.url)
            fleet = Fleet(
                directory,
                {"PATH": "/usr/bin:/bin", "REACTOR_CONFIG": str(config), **ENVIRONMENT},
                story,
                nursery,
                server,
                int(url.rpartition(":")[2]),
            )
            try:
                webhooks = await fleet.start()
                endpoint = Endpoint(webhooks, SECRET)
                await emulator.put("/emulator/endpoints", json=[{"url": endpoint.url, "secret": endpoint.secret}])
                load = Load(fleet, emulator, redis, webhooks, Random(asked.seed))
                yield Nemesis(asked, fleet, load, story, emulator, redis)
            finally:
                await fleet.close()
                await nursery.close()
                await redis.aclose()


async def torment(directory: Path, asked: Asked) -> Outcome:
    """Run once; what went wrong is told on the terminal."""
    async with fleet_in(directory, asked) as nemesis:
        outcome = await nemesis.run()
    if not outcome.good:
        tell(outcome, nemesis.story)
    return outcome


MOST_FINDINGS = 20


def tell(outcome: Outcome, story: Story) -> None:
    """The story of what went wrong: the findings, what the logs say of them, and the faults of that time."""
    for finding in outcome.judgement.findings[:MOST_FINDINGS]:
        click.echo(f"\n=== {finding.what}")
        for line in story.about(*finding.ids) if finding.ids else ():
            click.echo(f"  {line}")
    if more := outcome.judgement.findings[MOST_FINDINGS:]:
        click.echo(f"\n=== and {len(more)} more")
    click.echo(f"\ntimeline and logs are in {story.directory}")


__all__ = ["SERVER", "Asked", "Outcome", "torment"]
