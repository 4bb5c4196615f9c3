"""The nemesis: real processes do real work while a seeded schedule kills, pauses, cuts and confuses them; then it is judged.

Owns the course of a run: harm, heal, drain, look, judge, tell.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
from redis import asyncio as aioredis

from crash.load import names_for
from crash.model import Finding, Judgement, judge
from crash.nursery import until
from crash.proxy import Proxy
from crash.schedule import WEATHER, Fault, schedule
from crash.stand import Stand, stand_in
from crash.story import Story
from reactor.embedded import Fsync

DRAINED = 60.0
"""Seconds after the last fault within which everything must be done."""

PATIENCE = 150.0
"""Seconds after the last fault at which we stop looking."""

WATCHED = 0.5
"""Seconds between two looks at the length of the queue."""

BAD_FOR = 5.0
"""Seconds that a network is slow."""

MOST_FINDINGS = 20


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
    kills: int
    drained: float
    facts: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether nothing was lost, missing, extra or late."""
        return not self.judgement.findings and self.drained <= DRAINED

    def __str__(self) -> str:
        judgement = self.judgement
        return (
            f"events={judgement.events} kills={self.kills} lost={len(judgement.lost)} "
            f"missing={len(judgement.missing)} extra={len(judgement.extra)} drained_s={self.drained:.1f}"
        )


@dataclass
class Nemesis:
    """One run on a stand."""

    asked: Asked
    stand: Stand
    most_queued: int = 0
    amplified: int = 0

    async def run(self) -> Outcome:
        """Harm while there is work, heal, wait until it is quiet, and judge."""
        fleet, load = self.stand.fleet, self.stand.load
        plan = schedule(self.asked.seed, self.asked.kills)
        names = names_for(self.asked.events, self.asked.runs, Random(self.asked.seed))
        self.stand.story.tell(f"{len(plan)} faults until {plan[-1].at:.0f} s, {len(names)} volumes and runs")
        watchers = [asyncio.create_task(load.disturb()), asyncio.create_task(self._watch_queue())]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.ask_for(names, plan[-1].at))
            tasks.create_task(self._harm(plan))
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        fleet.heal()
        await self.stand.weather()
        drained = await self._drain()
        judgement = judge(await self.stand.observer.look(reconciled=True))
        judgement.others += [Finding(what) for what in load.wrong]
        judgement.others += [Finding(f"{name} died by itself {count} times") for name, count in fleet.died.items()]
        if self.amplified:
            judgement.others.append(Finding(f"the queue was longer than twice the live rows, {self.amplified} times"))
        return Outcome(judgement, fleet.kills.total(), drained, await self._facts())

    async def _harm(self, plan: list[Fault]) -> None:
        """Let every fault come at its time."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            for fault in plan:
                await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
                under_way.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        """Do it. A kill that finds nobody waits until there is somebody."""
        fleet, dice = self.stand.fleet, Random(fault.seed)
        if fault.kind in {"kill", "skew", "pause", "stop"}:
            await until(lambda: _true(fleet.is_there(fault.target)), math.inf)
        self.stand.story.tell(str(fault))
        acts: dict[str, Callable[[], Any]] = {
            "kill": lambda: fleet.kill(fault.target),
            "skew": lambda: fleet.skew(fault.target, fault.amount),
            "stop": lambda: fleet.stop(fault.target),
            "pause": lambda: fleet.pause(fault.target, fault.amount),
            "cut": lambda: fleet.proxies[fault.target].cut(dice, fault.amount),
            "lose replies": lambda: fleet.proxies[fault.target].lose_replies(dice, fault.amount),
            "swallow": lambda: _swallow(fleet.proxies[fault.target], fault),
            "slow": lambda: _slow(fleet.proxies[fault.target], fault),
            "weather": lambda: self.stand.weather(**WEATHER[int(fault.amount)]),
        }
        if (lasting := acts[fault.kind]()) is not None:
            await lasting

    async def _watch_queue(self) -> None:
        """Invariant 18: the queue is never long longer than it has reason to be."""
        over = 0
        while True:
            await asyncio.sleep(WATCHED)
            try:
                queued, live = await self.stand.observer.lengths()
            except aioredis.RedisError:
                continue
            self.most_queued = max(self.most_queued, queued)
            over = over + 1 if queued > max(2 * live, 20) else 0
            self.amplified += over > 1

    async def _drain(self) -> float:
        """Seconds until it is quiet, or until we stop looking."""
        began = time.monotonic()
        quiet_since: list[float] = []
        observer = self.stand.observer

        async def is_done() -> bool:
            return await observer.is_quiet() and await observer.knows_all()

        async def stays_quiet() -> bool:
            quiet_since[:] = [*quiet_since, time.monotonic()] if await is_done() else []
            return len(quiet_since) > 2

        if not await until(stays_quiet, PATIENCE, every=0.3):
            self.stand.story.tell(f"not quiet after {PATIENCE:g} s: {await observer.left()}")
            return time.monotonic() - began
        self.stand.story.tell("quiet")
        return quiet_since[0] - began

    async def _facts(self) -> dict[str, Any]:
        fleet = self.stand.fleet
        return {
            "seed": self.asked.seed,
            "appendfsync": self.asked.fsync,
            "seconds": round(time.time() - self.stand.story.began),
            "kills": dict(fleet.kills),
            "starts refused while there was no server": fleet.not_started.total(),
            "longest queue": self.most_queued,
            **await self.stand.observer.facts(),
        }


async def _true(value: bool) -> bool:
    return value


async def _swallow(proxy: Proxy, fault: Fault) -> None:
    """Nothing passes for a while; then what was held back arrives, or all is cut."""
    proxy.swallow()
    await asyncio.sleep(fault.amount)
    proxy.heal()
    if fault.seed % 2:
        proxy.cut(Random(fault.seed), 1.0)


async def _slow(proxy: Proxy, fault: Fault) -> None:
    proxy.slow(fault.amount)
    await asyncio.sleep(BAD_FOR)
    proxy.heal()


async def torment(directory: Path, asked: Asked) -> Outcome:
    """Run once; what went wrong is told on the terminal."""
    async with stand_in(directory, seed=asked.seed, fsync=asked.fsync) as stand:
        await stand.begin()
        outcome = await Nemesis(asked, stand).run()
    if not outcome.good:
        tell(outcome.judgement.findings, stand.story)
    return outcome


def tell(findings: Sequence[Finding], story: Story) -> None:
    """The story of what went wrong: the findings, what the logs say of them, and where the rest is."""
    for finding in findings[:MOST_FINDINGS]:
        click.echo(f"\n=== {finding.what}")
        for line in story.about(*finding.ids) if finding.ids else ():
            click.echo(f"  {line}")
    if more := findings[MOST_FINDINGS:]:
        click.echo(f"\n=== and {len(more)} more")
    if findings:
        click.echo(f"\ntimeline and logs are in {story.directory}")
