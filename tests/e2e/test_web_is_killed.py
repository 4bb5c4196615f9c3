"""A web process may die at any point of a delivery: the sender, not answered, delivers again, and it is one event."""

import signal

import httpx2
import pytest

from e2e.machine import RECOVERY, Machine, volume_event
from e2e.process import Process, eventually
from reactor.failpoints import NAMES


@pytest.fixture(scope="module", autouse=True)
def worker(shared_machine: Machine) -> Process:
    return shared_machine.start("work")


@pytest.mark.parametrize("point", sorted(name for name in NAMES if name.startswith("web.")))
def test_a_delivery_whose_web_process_is_killed_is_one_event_when_it_comes_again(machine: Machine, point: str) -> None:
    volume = machine.ready_volume()
    body, event = volume_event(volume, "ready"), f"msg_{point.replace('.', '_')}"
    victim = machine.serve(REACTOR_FAILPOINT=f"{point}:kill")

    with pytest.raises(httpx2.TransportError):
        machine.deliver(victim, body, event)
    assert victim.wait() == -signal.SIGKILL
    status = machine.deliver(machine.serve(), body, event)

    assert status == 204
    eventually(lambda: machine.is_done(event), RECOVERY)
    assert [entry.id for entry in machine.entries()].count(event) == 1
    assert len(machine.sandboxes_of(volume)) == 1
