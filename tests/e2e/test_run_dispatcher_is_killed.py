"""A dispatcher or due poller may die while a run waits: another wakes it, and every effect happens once."""

import signal
import time

import pytest
from redis import Redis

from e2e.machine import Machine
from e2e.process import Process, eventually
from e2e.volume_run import SOON, deliver_to, start_run
from reactor.failpoints import NAMES
from reactor.store.keys import Keys


@pytest.fixture(scope="module", autouse=True)
def worker(shared_machine: Machine) -> Process:
    deliver_to(shared_machine, shared_machine.serve("--no-dispatch", **SOON))
    return shared_machine.start("work", **SOON)


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("dispatch.")))
def test_a_run_whose_dispatcher_is_killed_makes_one_volume_and_one_sandbox(machine: Machine, point: str) -> None:
    victim = machine.start("dispatch", REACTOR_FAILPOINT=f"{point}:kill", **SOON)
    run = start_run(machine)

    assert victim.wait() == -signal.SIGKILL
    machine.start("dispatch", **SOON)

    assert run.has_made_one_of_each()


def test_a_run_whose_due_poller_is_killed_looks_by_itself_all_the_same(machine: Machine) -> None:
    with machine.emulator as emulator:
        emulator.faults(drop=1, event_before_commit=0.5)  # the volume takes a second, and nobody says so
    run = start_run(machine)
    eventually(lambda: a_wait_is_due(machine))

    victim = machine.start("dispatch", REACTOR_FAILPOINT="due.after_sweep:kill", **SOON)
    assert victim.wait() == -signal.SIGKILL
    machine.start("dispatch", **SOON)

    assert run.has_made_one_of_each()


def a_wait_is_due(machine: Machine) -> bool:
    """Whether a row waits for an event, and its time to look by itself has come."""
    keys = Keys("reactor")
    with Redis.from_url(machine.server.url, decode_responses=True) as redis:
        due = redis.zrangebyscore(keys.due, "-inf", time.time() * 1000)
        return any(redis.hget(keys.row(row), "state") == "waiting" for row in due)
