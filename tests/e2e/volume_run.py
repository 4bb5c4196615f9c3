"""A run that makes a volume and then a sandbox with it, as tests of killed processes see it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from redis import Redis

from e2e.machine import SECRET, Machine
from e2e.process import Process, eventually
from reactor.store.keys import Keys

DOCUMENT = Path(__file__).parents[1] / "data" / "arazzo" / "000.arazzo.yaml"

SOON = {"REACTOR_LEASE": "1", "REACTOR_SWEEP_AFTER": "0.5", "REACTOR_PROBE": "2"}
"""Shorter times than the machine's, since several processes die one after the other."""


@dataclass(frozen=True)
class VolumeRun:
    """One run and what it made."""

    machine: Machine
    volume_name: str

    def status(self) -> str:
        with Redis.from_url(self.machine.server.url, decode_responses=True) as redis:
            status: Any = redis.hget(Keys("reactor").run(self.volume_name), "status")
        return str(status)

    def has_made_one_of_each(self) -> bool:
        """Whether the run has succeeded, with one volume and one sandbox, counted at the API."""
        eventually(lambda: self.status() != "running")
        with self.machine.emulator as emulator:
            volumes = [volume for volume in emulator.volumes() if volume["name"] == self.volume_name]
        return self.status() == "succeeded" and [len(self.machine.sandboxes_of(volume)) for volume in volumes] == [1]


def deliver_to(machine: Machine, web: Process) -> None:
    """Let the emulator send its events to a web process."""
    with machine.emulator as emulator:
        emulator.deliver_to(f"{web.url}/webhooks/daytona", SECRET)


def start_run(machine: Machine) -> VolumeRun:
    """Start a run, whose id is the name of its volume; it is submitted this once."""
    name = f"data-{uuid4().hex[:8]}"
    inputs = [f"--input={each}" for each in (f"volumeName={name}", "snapshot=base", "mountPath=/data")]
    started = machine.run("runs", "start", str(DOCUMENT), *inputs, "--id", name)
    assert started.returncode == 0, started.stderr
    return VolumeRun(machine, name)
