"""A dispatcher or due poller may die at any point: another goes on, and what follows from the event happens once."""

import signal
import time

import pytest
from redis import Redis

from e2e.machine import RECOVERY, Machine
from e2e.process import Process, eventually
from reactor.failpoints import NAMES
from reactor.store.keys import Keys


@pytest.fixture(scope="module")
def web(shared_machine: Machine) -> Process:
    return shared_machine.serve("--no-dispatch")


@pytest.fixture(scope="module", autouse=True)
def worker(shared_machine: Machine) -> Process:
    return shared_machine.start("work")


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("dispatch.")))
def test_an_event_whose_dispatcher_is_killed_is_decided_once_by_another(
    machine: Machine, web: Process, point: str
) -> None:
    volume = machine.ready_volume()
    victim = machine.start("dispatch", REACTOR_FAILPOINT=f"{point}:kill")

    event = machine.announce(web, volume)
    assert victim.wait() == -signal.SIGKILL
    machine.start("dispatch")

    eventually(lambda: machine.is_done(event), RECOVERY)
    assert len(machine.jobs(event)) == len(machine.sandboxes_of(volume)) == 1


def test_a_row_whose_due_poller_is_killed_is_swept_again(machine: Machine, web: Process) -> None:
    volume = machine.ready_volume()
    planner = machine.start("dispatch", REACTOR_FAILPOINT="dispatch.after_plan:kill")
    event = machine.announce(web, volume)
    assert planner.wait() == -signal.SIGKILL
    eventually(lambda: something_is_due(machine))

    victim = machine.start("dispatch", REACTOR_FAILPOINT="due.after_sweep:kill")
    assert victim.wait() == -signal.SIGKILL
    assert not something_is_due(machine)
    machine.start("dispatch")

    eventually(lambda: machine.is_done(event), RECOVERY)
    assert len(machine.sandboxes_of(volume)) == 1


def something_is_due(machine: Machine) -> int:
    """How many rows the next sweep will take."""
    with Redis.from_url(machine.server.url) as redis:
        due: int = redis.zcount(Keys("reactor").due, "-inf", time.time() * 1000)
    return due
