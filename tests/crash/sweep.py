"""Every failpoint that there is, with a kill and with a pause past the lease: each time all effects happen once.

Owns who passes a point, and what makes them pass it. The names are those of `reactor.failpoints`: a new one is swept as
soon as it is there, or nobody knows how, which fails.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash.fleet import Member
from crash.load import KINDS
from crash.model import Finding, Seen, judge
from crash.nemesis import tell
from crash.nursery import until
from crash.stand import Stand, stand_in
from reactor.failpoints import NAMES, SIGNALS

LEASE = 1.0

ENVIRONMENT = {
    "REACTOR_LEASE": str(LEASE),
    "REACTOR_SWEEP_AFTER": "0.5",
    "REACTOR_TAKEOVER": "0.5",
    "REACTOR_PROBE": "1",
    "REACTOR_RECONCILE": "2",
}

LANES = 6
"""Stands at once: cases wait for leases most of the time."""

REACHED = 30.0
"""Seconds within which a point must be passed."""

DONE = 45.0
"""Seconds within which all must be done after it, on a busy machine."""

ZOMBIE = 3 * LEASE
"""Seconds that a process is paused at the longest; at the least, until another has done its work."""


@dataclass(frozen=True)
class Scene:
    """Who passes the points of a prefix, and what is wrong at Daytona so that it comes to that."""

    role: str
    weather: Mapping[str, Any] = field(default_factory=dict)


SCENES = {
    "web": Scene("web"),
    "dispatch": Scene("dispatch"),
    "due": Scene("dispatch", {"drop": 1.0, "event_before_commit": 0.5}),  # a run must look by itself
    "timer": Scene("dispatch"),
    "worker": Scene("work"),
    "run": Scene("work"),
    "watch": Scene("work"),
    "reconcile": Scene("work", {"drop": 1.0}),  # something must be missing
}

Case = tuple[str, str]

CASES: Sequence[Case] = [
    (point, action) for point in sorted(NAMES) if point.partition(".")[0] in SCENES for action in SIGNALS
]


@dataclass
class Sweep:
    """Cases on one stand, one after the other."""

    stand: Stand
    number: int = 0
    seen: list[Seen] = field(default_factory=list)

    async def case(self, point: str, action: str) -> list[Finding]:
        """Stop whoever passes `point`, let another go on, let what was paused go on, and judge; what is wrong then."""
        scene = SCENES[point.partition(".")[0]]
        fleet, observer = self.stand.fleet, self.stand.observer
        await fleet.retire(scene.role)
        await self.stand.weather(**scene.weather)
        self.stand.story.tell(f"{point}:{action}")
        victim = await fleet.begin(f"{scene.role}-1", armed=f"{point}:{action}")
        work = asyncio.create_task(self._work())
        try:
            if not await until(lambda: _stopped(victim), REACHED):
                return [Finding(f"nobody passed {point}")]
            await fleet.begin(f"{scene.role}-2")
            await self.stand.weather()
            await self._awake(victim)
            if not await until(lambda: self._is_over(work), DONE):
                return [Finding(f"not done {DONE:g} s after {point}: {await observer.left()}")]
        finally:
            work.cancel()
            await fleet.retire(scene.role)
            await fleet.start(f"{scene.role}-{number}" for number in (1, 2))
        return judge(self.seen[-1]).findings

    async def _is_over(self, work: "asyncio.Task[None]") -> bool:
        """Whether all is done, and nothing happened while everything was looked at: a reconciler may find something."""
        observer = self.stand.observer
        if not (work.done() and await observer.is_quiet()):
            return False
        self.seen = [await observer.look(tidied=False)]
        return await observer.is_still_as(self.seen[0])

    async def _work(self) -> None:
        """One of everything."""
        self.number += 1
        names = [f"{kind}{self.number:05}" for kind in KINDS]
        await self.stand.load.ask_for(names, 0.0)

    async def _awake(self, victim: Member) -> None:
        """A paused process goes on once another has done its work, as far as that was its alone to do."""
        assert victim.child is not None
        if victim.child.over.is_set():
            return
        began = time.monotonic()
        await until(self.stand.observer.is_quiet, ZOMBIE)
        await asyncio.sleep(max(0.0, 1.5 * LEASE - (time.monotonic() - began)))
        victim.child.signal(signal.SIGCONT)


async def _stopped(victim: Member) -> bool:
    """Whether a process was stopped where it was to be: it is gone, or the kernel says T."""
    child = victim.child
    if child is None or child.over.is_set():
        return True
    try:
        with open(f"/proc/{child.pid}/stat") as stat:  # noqa: ASYNC230  # a file of the kernel's
            return stat.read().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):  # it was buried meanwhile
        return True


@asynccontextmanager
async def sweeping(directory: Path) -> AsyncIterator[Sweep]:
    """A stand with everything running."""
    async with stand_in(directory, environment=ENVIRONMENT) as stand:
        await stand.begin()
        yield Sweep(stand)


async def sweep_all(directory: Path, cases: Sequence[Case] = CASES) -> list[str]:
    """Try cases on several stands at once; returns those after which something was wrong, told on the terminal."""
    left, wrong = list(reversed(cases)), []

    async def lane(number: int) -> None:
        while left:
            async with sweeping(directory / f"{number}-{len(left)}") as sweep:
                while left:
                    point, action = left.pop()
                    if findings := await sweep.case(point, action):
                        tell(findings, sweep.stand.story)
                        wrong.append(f"{point}:{action}")
                        break  # what is wrong now is wrong in all that follow

    async with asyncio.TaskGroup() as lanes:
        for number in range(LANES):
            lanes.create_task(lane(number))
    return wrong
