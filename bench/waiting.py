"""Many runs that wait at once, on one worker process: what they cost while they wait, and how fast a burst ends them.

Starts a server, an emulated Daytona, `reactor serve` and `reactor work`, and begins runs that make a volume, wait for it and
then make a sandbox. Daytona says nothing of the volumes until all runs wait and all volumes are ready; then it says
everything at once. Of the sandboxes it says nothing: their events would be work of another kind.

    python -m bench.waiting
    python -m bench.waiting --runs 5000 --json

docs/workflows.md says what it is for.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson
from standardwebhooks import Webhook

from bench import command
from reactor.cli.fleet import Fleet, FleetPlan
from reactor.cli.processes import opened
from reactor.config import load_config
from reactor.emulator.client import Emulator
from reactor.queue import JobQueue
from reactor.runs.runner import Runner
from reactor.store.store import Store

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "config" / "workflows" / "volume-and-sandbox.arazzo.yaml"
WORKFLOW = "volume-and-sandbox"

UNSEEN = 3.0
"""Seconds that a volume stays in each state before the next is shown, so that every run has begun to wait."""

PACE = 0.01
"""How long the emulator's own states last, against Daytona's: what is measured is the reactor."""

PROBE = 600.0
"""Seconds between two looks of a wait: none comes while it lasts. What is measured is how events end waits, and a run that
looked would be over before all others wait, where a machine needs longer than a probe's time to begin them all.
"""

SENDERS = 64
"""Deliveries under way at once, as a provider with many customers has them."""

PATIENCE = 300.0


@dataclass(frozen=True)
class Waited:
    """What was seen. Memory is the resident set of the worker process, in MB; times are in seconds.

    `accepted_s` is from the first delivery to the answer to the last one, `finished_s` from the first delivery to the
    end of the last run; `reads_per_run` counts getVolume at the API; `cpu_s` is what each process spent from the burst on.
    """

    runs: int
    succeeded: int
    sandboxes: int
    reads_per_run: float
    worker_idle_mb: float
    worker_waiting_mb: float
    grown_mb: float
    worker_peak_mb: float
    started_s: float
    accepted_s: float
    finished_s: float
    cpu_s: Mapping[str, float]


def measure(runs: int) -> Waited:
    """Let so many runs wait and then end."""
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as directory, ExitStack() as stack:
        config = _without_rules(Path(directory))
        fleet = FleetPlan(Path(directory), config, time_scale=PACE, probe=PROBE).start(stack)
        emulator = stack.enter_context(Emulator(fleet.emulator_url))
        return asyncio.run(_Bench(fleet, emulator, runs).run())


def _without_rules(directory: Path) -> Path:
    config = directory / "config"
    config.mkdir()
    for path in (ROOT / "config").iterdir():
        if path.name != "rules":
            (config / path.name).symlink_to(path)
    return config


@dataclass(frozen=True)
class _Bench:
    fleet: Fleet
    emulator: Emulator
    runs: int

    async def run(self) -> Waited:
        self.emulator.faults(drop=1, event_before_commit=UNSEEN)
        async with opened(self.fleet.settings) as (store, queue):
            return await self._measured(store, queue)

    async def _measured(self, store: Store, queue: JobQueue) -> Waited:
        idle, began = self._memory(), time.monotonic()
        runner = Runner(load_config(self.fleet.settings.config), store, queue, probe=PROBE)
        await self._start(runner)
        await _until(lambda: self._all_wait(store))
        started = time.monotonic() - began
        payloads = await _until(self._all_ready)
        waiting = self._memory()

        self.emulator.faults(drop=1)
        burst, spent = time.monotonic(), self._processor()
        await self._deliver(payloads)
        accepted = time.monotonic() - burst
        statuses = await _until(lambda: self._all_over(store))
        finished = time.monotonic() - burst
        return Waited(
            runs=self.runs,
            succeeded=statuses.count("succeeded"),
            sandboxes=len(self.emulator.sandboxes()),
            reads_per_run=self.emulator.calls().get("getVolume", 0) / self.runs,
            worker_idle_mb=round(idle, 1),
            worker_waiting_mb=round(waiting, 1),
            grown_mb=round(waiting - idle, 1),
            worker_peak_mb=round(self._memory("VmHWM"), 1),
            started_s=round(started, 2),
            accepted_s=round(accepted, 2),
            finished_s=round(finished, 2),
            cpu_s={name: round(total - spent[name], 2) for name, total in self._processor().items()},
        )

    async def _start(self, runner: Runner) -> None:
        text = DOCUMENT.read_bytes()
        for number in range(self.runs):
            inputs = {"volumeName": f"data-{number}", "snapshot": "base", "mountPath": "/data"}
            await runner.start(f"run-{number}", text, WORKFLOW, inputs)

    async def _all_wait(self, store: Store) -> bool:
        """Whether every run waits; or is over, as those are that a busy machine looked after too late to wait for anything."""
        keys: Any = [key async for key in store.redis.scan_iter(store.keys.waits("daytona", "volume", "*"), count=1000)]
        return len(keys) + self.runs - (await self._statuses(store)).count("running") >= self.runs

    async def _all_ready(self) -> list[Mapping[str, Any]]:
        """What Daytona had to say when all volumes are ready."""
        if sum(volume["state"] == "ready" for volume in self.emulator.volumes()) < self.runs:
            return []
        dropped: Sequence[Mapping[str, Any]] = self.emulator.deliveries()["dropped"]
        return [payload for payload in dropped if payload.get("newState") == "ready"]

    async def _deliver(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        secret = self.fleet.environment["DAYTONA_WEBHOOK_SECRET"]
        turn = asyncio.Semaphore(SENDERS)

        async def deliver(number: int, payload: Mapping[str, Any]) -> None:
            body = orjson.dumps(payload)
            async with turn:
                headers = _signed(secret, f"msg_{number}", body)
                answer = await http.post(f"{self.fleet.web_url}/webhooks/daytona", content=body, headers=headers)
                answer.raise_for_status()

        limits = httpx2.Limits(max_connections=SENDERS)
        async with httpx2.AsyncClient(limits=limits, timeout=60.0) as http, asyncio.TaskGroup() as tasks:
            for number, payload in enumerate(payloads):
                tasks.create_task(deliver(number, payload))

    async def _all_over(self, store: Store) -> list[str]:
        statuses = await self._statuses(store)
        return [] if "running" in statuses else statuses

    async def _statuses(self, store: Store) -> list[str]:
        pipeline = store.redis.pipeline(transaction=False)
        for number in range(self.runs):
            pipeline.hget(store.keys.run(f"run-{number}"), "status")
        return [status.decode() for status in await pipeline.execute()]

    def _processor(self) -> dict[str, float]:
        """Seconds of processor time that each process has spent so far."""
        pids = {"valkey": self.fleet.server.pid} | {name: child.pid for name, child in self.fleet.children.items()}
        fields = {
            name: Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split() for name, pid in pids.items()
        }
        return {name: (int(each[11]) + int(each[12])) / os.sysconf("SC_CLK_TCK") for name, each in fields.items()}

    def _memory(self, field: str = "VmRSS") -> float:
        """Megabytes of the worker process, as the kernel counts them."""
        lines = Path(f"/proc/{self.fleet.children['work'].pid}/status").read_text("ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
        return int(kilobytes) / 1024


def _signed(secret: str, event_id: str, body: bytes) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "svix-id": event_id,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(secret).sign(event_id, now, body.decode()),
    }


async def _until(look: Any) -> Any:
    """Look until there is something to see, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := await look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {PATIENCE:g} s")
        await asyncio.sleep(0.1)
    return seen


if __name__ == "__main__":
    command(__doc__, measure, runs=1000)
