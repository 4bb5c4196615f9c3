"""Workers may die at every step of a run, one after the other: the next goes on, and every effect happens once."""

import signal

import pytest

from e2e.machine import Machine
from e2e.process import Process
from e2e.volume_run import SOON, deliver_to, start_run

CHAINS = {
    "at the volume": (
        "worker.after_pop",
        "worker.after_claim",
        "worker.after_look",
        "worker.after_call",
        "run.after_advance",
        "worker.after_finish",
    ),
    "at the sandbox": ("worker.after_look@2", "worker.after_call", "run.after_advance"),
}
"""Where each worker of a run dies. Each begins with what the one before it has left."""


@pytest.fixture(scope="module", autouse=True)
def web(shared_machine: Machine) -> Process:
    web = shared_machine.serve(**SOON)
    deliver_to(shared_machine, web)
    return web


@pytest.mark.parametrize("points", CHAINS.values(), ids=CHAINS)
def test_a_run_whose_workers_are_killed_makes_one_volume_and_one_sandbox(
    machine: Machine, points: tuple[str, ...]
) -> None:
    run = start_run(machine)

    for point in points:
        victim = machine.start("work", REACTOR_FAILPOINT=f"{point}:kill", **SOON)
        assert victim.wait() == -signal.SIGKILL, point
    machine.start("work", **SOON)

    assert run.has_made_one_of_each()
