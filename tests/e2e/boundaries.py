"""Kills at every step boundary of a run: each time it has moved on, and before anybody has taken its next step.

The worker stops itself at each boundary; then the victim is killed and begins anew, and the worker goes on. When the
worker is the victim it is killed there itself. Owns who is killed and how it comes back; what must hold is the caller's.
"""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from e2e.machine import CONFIG, SECRET, Machine
from e2e.process import Process, eventually, state_of
from reactor.config import load_config
from reactor.queue import JobQueue
from reactor.runs.runner import Runner
from reactor.settings import Settings
from reactor.store.runs import StoredRun
from reactor.store.store import Store

Victim = Literal["web", "dispatch", "work", "server"]
VICTIMS: Final[tuple[Victim, ...]] = ("server", "dispatch", "web", "work")
"""The worker last: until then one and the same worker stops at every boundary."""

BOUNDARY = "run.after_advance"

SOON = {"REACTOR_LEASE": "1", "REACTOR_SWEEP_AFTER": "0.5", "REACTOR_PROBE": "1"}

SLOW = 0.5
"""Seconds that a state lasts, so that a wait is a step of its own; events of it come as much too early."""

DOCUMENTS = Path(__file__).parents[1] / "data" / "arazzo"


@dataclass(frozen=True)
class Seed:
    """A document, how it is started, and what it makes once."""

    name: str
    workflow: str
    inputs: dict[str, Any]
    makes: tuple[str, ...]

    @property
    def text(self) -> bytes:
        return (DOCUMENTS / f"{self.name}.arazzo.yaml").read_bytes()


SEEDS: Final = (
    Seed(
        "000",
        "provision-volume-and-sandbox",
        {"volumeName": "data", "snapshot": "base", "mountPath": "/data"},
        ("volumes", "sandboxes"),
    ),
    Seed("001", "provision-and-run-command", {"command": "echo hello"}, ("devboxes",)),
)


@dataclass
class Crew:
    """The processes of one reactor, of which one is killed again and again."""

    machine: Machine
    port: int
    members: dict[Victim, Process] = field(default_factory=dict)
    kills: int = 0

    def sweep(self, seed: Seed, victim: Victim) -> StoredRun:
        """Start a run of a document, kill the victim at each of its boundaries, and return the run when it is over."""
        run_id = f"{seed.name}-{victim}"
        with self.machine.emulator as emulator:
            emulator.reset()
            emulator.faults(event_before_commit=SLOW, devbox_boot=SLOW)
            emulator.deliver_to(f"http://127.0.0.1:{self.port}/webhooks/daytona", SECRET)
        for role in ("web", "dispatch"):
            self._present(role)
        self._armed("kill" if victim == "work" else "pause")
        self.kills = 0
        self._start(run_id, seed)
        while True:
            run = eventually(lambda: self._stopped_or_over(run_id))
            if run is None or run.status != "running":
                return self._ask(run_id)
            self._kill(victim)

    def _present(self, role: Victim, **armed: str) -> None:
        if role not in self.members or self.members[role].popen.poll() is not None:
            web = ("serve", "--no-dispatch", "--port", str(self.port))
            words = {"web": web, "dispatch": ("dispatch",), "work": ("work",)}[role]
            self.members[role] = self.machine.start(*words, **{**SOON, **armed})

    def _armed(self, action: str) -> None:
        """A worker that stops at boundaries so; a paused one that was to be killed, or the reverse, goes."""
        worker = self.members.get("work")
        if worker and action == "kill":
            worker.kill()
        self._present("work", REACTOR_FAILPOINT=f"{BOUNDARY}@*:{action}")

    def _kill(self, victim: Victim) -> None:
        """Kill the victim and let it begin anew, and the worker go on if it only stopped."""
        self.kills += 1
        if victim == "work":
            self._armed("kill")
            return
        if victim == "server":
            os.kill(self.machine.server.pid, signal.SIGKILL)
            self.machine.server.restart()
        else:
            self.members[victim].kill()
            self._present(victim)
        self.members["work"].signal(signal.SIGCONT)

    def _stopped_or_over(self, run_id: str) -> StoredRun | None:
        """The run, once its worker stands at a boundary or it is over."""
        worker = self.members["work"]
        stopped = worker.popen.poll() is not None or state_of(worker.popen.pid) == "T"
        run = self._ask(run_id)
        return run if stopped or run.status != "running" else None

    def _ask(self, run_id: str) -> StoredRun:
        async def ask() -> StoredRun:
            store = Store(Settings(redis_url=self.machine.server.url))
            try:
                run = await store.runs.get(run_id)
                assert run is not None
                return run
            finally:
                await store.close()

        return asyncio.run(ask())

    def _start(self, run_id: str, seed: Seed) -> None:
        async def start() -> None:
            settings = Settings(redis_url=self.machine.server.url, config=CONFIG)
            store = Store(settings)
            queue = JobQueue(settings.redis_url, settings.instance, store.redis)
            try:
                runner = Runner(load_config(CONFIG), store, queue, probe=settings.probe)
                assert await runner.start(run_id, seed.text, seed.workflow, seed.inputs)
            finally:
                queue.close()
                await store.close()

        asyncio.run(start())


def made(machine: Machine, seed: Seed) -> list[int]:
    """How many there are of what a document makes once."""
    with machine.emulator as emulator:
        return [len(getattr(emulator, kind)()) for kind in seed.makes]
