"""A worker may die at any point: the job is done by another within a lease and a little, and its effect happens once."""

import signal

import pytest

from e2e.machine import RECOVERY, Machine
from e2e.process import Process, eventually
from reactor.failpoints import NAMES


@pytest.fixture(scope="module")
def web(shared_machine: Machine) -> Process:
    return shared_machine.serve()


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("worker.")))
def test_a_job_whose_worker_is_killed_is_done_once_by_another(machine: Machine, web: Process, point: str) -> None:
    volume = machine.ready_volume()
    victim = machine.start("work", REACTOR_FAILPOINT=f"{point}:kill")

    event = machine.announce(web, volume)
    assert victim.wait() == -signal.SIGKILL
    machine.start("work")

    eventually(lambda: machine.is_done(event), RECOVERY)
    assert len(machine.sandboxes_of(volume)) == 1
