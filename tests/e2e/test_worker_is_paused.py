"""A worker may sleep past its lease and wake up as a zombie: another has done the job, and the zombie changes nothing."""

import signal

import pytest

from e2e.machine import RECOVERY, Machine
from e2e.process import Process, eventually
from reactor.failpoints import NAMES


@pytest.fixture(scope="module")
def web(shared_machine: Machine) -> Process:
    return shared_machine.serve()


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("worker.")))
def test_what_a_zombie_finishes_counts_for_nothing(machine: Machine, web: Process, point: str) -> None:
    volume = machine.ready_volume()
    zombie = machine.start("work", REACTOR_FAILPOINT=f"{point}:pause")
    event = machine.announce(web, volume)
    zombie.wait_until_paused()
    machine.start("work")
    eventually(lambda: machine.is_done(event), RECOVERY)
    done = machine.jobs(event)

    zombie.signal(signal.SIGCONT)
    status = zombie.stop()

    assert status == 0
    assert machine.jobs(event) == done
    assert len(machine.sandboxes_of(volume)) == 1
