"""The two published workflows on real processes, event-driven, and beside them a runtime that polls as they are written.

Starts a server, an emulated Daytona and Runloop at a pace at which a volume is ready after ten seconds in the median,
`reactor serve` and `reactor work`. Runs `tests/data/arazzo/000` and `001` through good and bad times and counts what the
APIs were asked; then lets a plain poller do the same on the same emulator. Takes about five minutes.

    python -m bench.seed
    python -m bench.seed --runs 20 --json
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import orjson

from bench import command
from bench.waiting import _until, _without_rules
from reactor.cli.fleet import Fleet, FleetPlan
from reactor.cli.processes import opened
from reactor.config import load_config
from reactor.emulator import EmulatorSettings
from reactor.emulator.client import Emulator
from reactor.runs.runner import Runner
from reactor.store.runs import StoredRun
from reactor.store.store import Store

ARAZZO = Path(__file__).parents[1] / "tests" / "data" / "arazzo"

PACE = 2.74
"""Times the emulator's usual pace: a volume, which then takes 0.3 to 7 s, is ready after ten seconds on average."""

PROBE = 30.0
"""Seconds, give or take a fifth, between two looks of a wait: what the reactor has unless told otherwise."""

LONG_BOOT = 33.0
"""Seconds at the emulator's usual pace: longer than the 30 for which the document has the server hold its call."""

LONG_COMMAND = "sleep 11"
"""At this pace 30 s: longer than the 25 for which the document has the server hold its call."""

QUIRK = 0.5
"""Seconds by which an event comes before the state that it tells of."""

ANSWER = 0.1
"""Seconds between a poller and an API over the internet; on loopback there are none."""


@dataclass(frozen=True)
class Reads:
    """So many runs of 000: reads of the volume a run, and milliseconds from its readiness to the request for a sandbox."""

    runs: int
    succeeded: int
    ready_s: float
    reads_median: float
    reads_most: int
    reads_total: int
    reaction_ms_median: float
    reaction_ms_most: float


@dataclass(frozen=True)
class Measured:
    """Everything that was seen. The polling ones follow the document without a pause, or pause for a second."""

    reactor: Reads
    event_before_commit: Reads
    webhooks_dropped: Reads
    probe_s: float
    ends: Mapping[str, str]
    polling_without_pause: Reads
    polling_every_second: Reads


def measure(runs: int) -> Measured:
    """Try everything, one thing after the other."""
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as directory, ExitStack() as stack:
        config = _without_rules(Path(directory))
        fleet = FleetPlan(Path(directory), config, time_scale=PACE, probe=PROBE).start(stack)
        emulator = stack.enter_context(Emulator(fleet.emulator_url))
        return asyncio.run(_with_store(fleet, emulator, runs))


async def _with_store(fleet: Fleet, emulator: Emulator, runs: int) -> Measured:
    async with opened(fleet.settings) as (store, queue):
        runner = Runner(load_config(fleet.settings.config), store, queue, probe=PROBE)
        return await _Bench(fleet, emulator, store, runner, runs).run()


@dataclass(frozen=True)
class _Bench:
    fleet: Fleet
    emulator: Emulator
    store: Store
    runner: Runner
    runs: int

    async def run(self) -> Measured:
        seen: dict[str, Any] = {"probe_s": PROBE}
        for name, part in self._parts().items():
            seen[name] = await part()
            print(name, seen[name], file=sys.stderr, flush=True)
        return Measured(**seen)

    def _parts(self) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        return {
            "reactor": lambda: self._volumes("plain"),
            "event_before_commit": lambda: self._volumes("quirk", event_before_commit=QUIRK),
            "webhooks_dropped": lambda: self._volumes("dropped", drop=1),
            "polling_without_pause": lambda: self._polled("eager", pause=0.0),
            "polling_every_second": lambda: self._polled("polite", pause=1.0),
            "ends": self._ends,
        }

    async def _volumes(self, name: str, **faults: Any) -> Reads:
        """Runs of 000, all begun at once; their volumes are ready at different times."""
        self._begin(**faults)
        for number in range(self.runs):
            await self._provision(f"{name}-{number}")
        ended = [await self._ended(f"{name}-{number}") for number in range(self.runs)]
        return await self._reads(name, [run.status for run in ended])

    def _begin(self, **faults: Any) -> None:
        self.emulator.reset()
        self.emulator.deliver_to(
            f"{self.fleet.web_url}/webhooks/daytona", self.fleet.environment["DAYTONA_WEBHOOK_SECRET"]
        )
        self.emulator.faults(**faults)

    async def _provision(self, run_id: str) -> None:
        inputs = {"volumeName": run_id, "snapshot": "base", "mountPath": "/data"}
        text = (ARAZZO / "000.arazzo.yaml").read_bytes()
        await self.runner.start(run_id, text, "provision-volume-and-sandbox", inputs)

    async def _command(self, run_id: str, command: str) -> None:
        text = (ARAZZO / "001.arazzo.yaml").read_bytes()
        await self.runner.start(run_id, text, "provision-and-run-command", {"command": command})

    async def _ended(self, run_id: str) -> StoredRun:
        async def over() -> StoredRun | None:
            run = await self.store.runs.get(run_id)
            return run if run and run.status != "running" else None

        run: StoredRun = await _until(over)
        return run

    async def _reads(self, name: str, statuses: Sequence[str]) -> Reads:
        log = self.emulator.call_log()
        volumes = {volume["id"]: volume for volume in self.emulator.volumes() if volume["name"].startswith(f"{name}-")}
        reads = {id: sum(id in call["path"] and call["method"] == "GET" for call in log) for id in volumes}
        ready = await self._ready_at()
        made = {
            mount["volumeId"]: _seconds(sandbox["createdAt"])
            for sandbox in self.emulator.sandboxes()
            for mount in sandbox["volumes"]
        }
        reactions = [(made[id] - ready[id]) * 1000 for id in volumes if id in made and id in ready]
        return Reads(
            runs=len(statuses),
            succeeded=statuses.count("succeeded"),
            ready_s=round(median(ready[id] - _seconds(volume["createdAt"]) for id, volume in volumes.items()), 1),
            reads_median=median(reads.values()),
            reads_most=max(reads.values()),
            reads_total=sum(reads.values()),
            reaction_ms_median=round(median(reactions), 1),
            reaction_ms_most=round(max(reactions), 1),
        )

    async def _ready_at(self) -> dict[str, float]:
        """When each volume was ready, by the emulator's own clock: as its event says, delivered or dropped."""
        told = [orjson.loads(entry.body) for entry in await self.store.log.entries(count=100_000)]
        events = [*told, *self.emulator.deliveries()["dropped"]]
        return {event["id"]: _seconds(event["timestamp"]) for event in events if event.get("newState") == "ready"}

    async def _ends(self) -> dict[str, str]:
        """What becomes of both documents when something goes wrong or takes long."""
        self._begin(volume_error=1)
        await self._provision("error")
        ends = {"000, volume in error": f"{await self._end('error')}, {len(self.emulator.sandboxes())} sandboxes"}
        self._begin(devbox_error=1)
        await self._command("failure", "true")
        ends["001, boot fails"] = await self._end("failure")
        self._begin(devbox_boot=LONG_BOOT * PACE)  # holds are paced, this fault is not
        await self._command("boot", "true")
        polling = asyncio.create_task(poll_devbox(self.fleet.emulator_url))
        ends[f"001, boot of {LONG_BOOT:g} s"] = await self._end("boot")
        ends[f"001 by polling, boot of {LONG_BOOT:g} s"] = await polling
        self._begin()
        await self._command("command", LONG_COMMAND)
        return ends | {"001, command of 30 s": await self._end("command")}

    async def _end(self, run_id: str) -> str:
        run = await self._ended(run_id)
        return f"{run.status} after {(run.updated - run.started) / 1000:.0f} s: {run.because}"

    async def _polled(self, name: str, *, pause: float) -> Reads:
        self._begin()
        names = [f"{name}-{number}" for number in range(self.runs)]
        statuses = await poll_volumes(self.fleet.emulator_url, names, answer=ANSWER, pause=pause)
        return await self._reads(name, statuses)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


async def poll_volumes(url: str, names: Sequence[str], *, answer: float, pause: float) -> list[str]:
    """Document 000 for each name at once; `answer` and `pause` are the seconds a reply takes and between two reads."""
    headers = {"Authorization": f"Bearer {EmulatorSettings().api_key}"}
    async with httpx2.AsyncClient(base_url=f"{url}/api", headers=headers, timeout=60.0) as http:
        return await asyncio.gather(*(_volume(http, name, answer, pause) for name in names))


async def _volume(http: httpx2.AsyncClient, name: str, answer: float, pause: float) -> str:
    volume = (await http.post("/volumes", json={"name": name})).raise_for_status().json()
    while volume["state"] not in ("ready", "error"):
        await asyncio.sleep(answer + pause)
        volume = (await http.get(f"/volumes/{volume['id']}")).raise_for_status().json()
    mount = {"volumeId": volume["id"], "mountPath": "/data"}
    made = await http.post("/sandbox", json={"snapshot": "base", "volumes": [mount]})
    return "succeeded" if made.is_success else "failed"


async def poll_devbox(url: str) -> str:
    """Document 001 as far as its long poll: any answer but 200 fails the step, which has no failure action."""
    headers = {"Authorization": f"Bearer {EmulatorSettings().runloop_api_key}"}
    async with httpx2.AsyncClient(base_url=f"{url}/runloop", headers=headers, timeout=60.0 * PACE) as http:
        devbox = (await http.post("/v1/devboxes", json={})).raise_for_status().json()
        asked = {"statuses": ["running"], "timeout_seconds": 30}
        status = (await http.post(f"/v1/devboxes/{devbox['id']}/wait_for_status", json=asked)).status_code
        return "went on" if status == 200 else f"failed: its call was answered {status} before the boot was over"


if __name__ == "__main__":
    command(__doc__, measure, runs=20)
