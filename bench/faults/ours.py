"""The reactor's side of a fault: a stand with web, dispatcher and worker, one event in most cases, effects counted at the API.

Owns causing and judging; what a fault is called and which of these it takes is the table's. Times are the defaults.
"""

import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crash.fleet import Fleet
from crash.load import BUILD
from crash.nursery import until
from crash.observer import KEYS
from crash.stand import Stand, stand_in

from bench.faults.stock import effects
from reactor.embedded import Fsync

DEFAULTS = {"REACTOR_LEASE": "15", "REACTOR_SWEEP_AFTER": "5", "REACTOR_TAKEOVER": "5", "REACTOR_BACKOFF": "2"}
PATIENCE = 120.0
ENDS = {"done", "dead", "cancelled", "unknown"}


@dataclass
class Trial:
    """One fault at one stand. `struck` is when it hit, by the monotonic clock."""

    stand: Stand
    struck: float = 0.0
    said: str = ""

    @property
    def fleet(self) -> Fleet:
        """The processes."""
        return self.stand.fleet

    async def ask(self, name: str = f"{BUILD}1") -> None:
        """Ask for a volume that a rule is about."""
        await self.stand.load.ask_for([name], 0.0)

    async def states(self) -> list[str]:
        """Of all rows."""
        keys = [key async for key in self.stand.redis.scan_iter(KEYS.row("*"))]
        found: list[Any] = [await self.stand.redis.hget(key, "state") for key in keys]
        return sorted(state.decode() for state in found if state)

    async def made(self, kind: str = "sandboxes") -> list[dict[str, Any]]:
        """What there is at the API."""
        return list((await self.stand.observer.told("state"))[kind])

    async def acted(self) -> bool:
        """Whether the API has made something."""
        return bool(await self.made())


Cause = Callable[[Trial], Awaitable[None]]
Judge = Callable[[Trial], Awaitable[str]]


@asynccontextmanager
async def trial(*, fsync: Fsync) -> AsyncIterator[Trial]:
    """A stand, and an end of everything that was started at it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        async with stand_in(Path(directory) / "stand", fsync=fsync, environment=DEFAULTS) as stand:
            yield Trial(stand)


def ended(watch: float = 100.0) -> Judge:
    """How the job ended, after how long, and how often it acted."""

    async def judge(case: Trial) -> str:
        async def over() -> bool:
            states = await case.states()
            return bool(states) and set(states) <= ENDS

        done = await until(over, watch)
        took = time.monotonic() - case.struck
        states = ", ".join(await case.states()) or "no job"
        return f"{'' if done else 'still '}{states} after {took:.0f} s, {effects(len(await case.made()))}"

    return judge


def killed(point: str) -> Cause:
    """The worker is killed at a failpoint; another one is started."""

    async def cause(case: Trial) -> None:
        await case.fleet.start(("web-1", "dispatch-1"))
        victim = await case.fleet.begin("work-1", armed=f"{point}:kill")
        await case.ask()
        assert victim.child
        await victim.child.over.wait()
        case.struck = time.monotonic()
        await case.fleet.begin("work-2")

    return cause


def in_hand(harm: Cause, *, lasts: float = 4.0) -> Cause:
    """A worker has a job in hand whose call has acted and answers later; then it is harmed."""

    async def cause(case: Trial) -> None:
        await case.stand.weather(create_delay=lasts)
        await case.fleet.start(("web-1", "dispatch-1", "work-1"))
        await case.ask()
        assert await until(case.acted, PATIENCE), "nobody has called"
        await case.stand.weather()
        case.struck = time.monotonic()
        await harm(case)

    return cause


def held(name: str, point: str, harm: Cause) -> Cause:
    """A process stands still at a failpoint while something is done to its connections, and goes on then."""

    async def cause(case: Trial) -> None:
        others = {"web-1", "dispatch-1", "work-1"} - {name}
        await case.fleet.start(sorted(others))
        member = await case.fleet.begin(name, armed=f"{point}:pause")
        await case.ask()
        assert member.child
        pid = member.child.pid
        assert await until(lambda: _stopped(pid), PATIENCE), "the fault did not hit"
        case.struck = time.monotonic()
        await harm(case)
        member.child.signal(signal.SIGCONT)

    return cause


async def _stopped(pid: int) -> bool:
    return proc(pid, "State").startswith("T")


def proc(pid: int, what: str) -> str:
    """A line of what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{what}:"))
