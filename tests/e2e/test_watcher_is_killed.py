"""A watcher may die at any point: another takes its watch over, the run goes on, and every effect happens once."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis

from e2e.machine import Machine
from e2e.process import eventually
from reactor.emulator import EmulatorSettings
from reactor.failpoints import NAMES
from reactor.store.keys import Keys

DOCUMENT = Path(__file__).parents[1] / "data" / "arazzo" / "001.arazzo.yaml"

BOOT = 1.0
"""Seconds that a devbox boots for: less than a lease, so that it is up when the next watcher asks."""

SOON = {"REACTOR_LEASE": "1", "REACTOR_SWEEP_AFTER": "0.5"}


@pytest.fixture(scope="module", autouse=True)
def runloop(shared_machine: Machine) -> None:
    url = shared_machine.environment["DAYTONA_API_URL"].removesuffix("/api")
    shared_machine.environment["RUNLOOP_API_URL"] = f"{url}/runloop"
    shared_machine.environment["RUNLOOP_API_KEY"] = EmulatorSettings().runloop_api_key
    shared_machine.serve(**SOON)
    with shared_machine.emulator as emulator:
        emulator.faults(devbox_boot=BOOT)


def status(machine: Machine, run: str) -> str:
    with Redis.from_url(machine.server.url, decode_responses=True) as redis:
        return str(redis.hget(Keys("reactor").run(run), "status"))


def made(machine: Machine) -> tuple[int, int]:
    """How many devboxes and commands there were ever asked for."""
    with machine.emulator as emulator:
        calls = emulator.calls()
    return calls.get("runloop.createDevbox", 0), calls.get("runloop.execAsyncCommand", 0)


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("watch.")))
def test_a_run_whose_watcher_is_killed_boots_one_devbox_and_runs_one_command(machine: Machine, point: str) -> None:
    run, before = f"run-{uuid4().hex[:8]}", made(machine)
    started = machine.run("runs", "start", str(DOCUMENT), "--input=command=echo hello", "--id", run)
    assert started.returncode == 0, started.stderr
    victim = machine.start("work", REACTOR_FAILPOINT=f"{point}:kill", **SOON)
    assert victim.wait() == -signal.SIGKILL
    machine.start("work", **SOON)

    assert eventually(lambda: (found := status(machine, run)) != "running" and found) == "succeeded"
    assert made(machine) == (before[0] + 1, before[1] + 1)
