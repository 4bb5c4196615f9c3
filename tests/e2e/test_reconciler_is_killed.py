"""A reconciler may die at any point: the next makes the missing event, and its effect happens once."""

import signal

import pytest

from e2e.machine import Machine
from e2e.process import eventually
from reactor.failpoints import NAMES

TIMES = {"reconcile.after_list": 4, "reconcile.after_append": 1, "reconcile.after_keep": 2}
"""The first round, over three kinds, takes everything as it is: each point is passed for the volume after it."""

OFTEN = {"REACTOR_RECONCILE": "1"}
PATIENCE = 40.0
"""Seconds: a difference is believed after five, and the successor may have to wait for a lease first."""


@pytest.fixture(scope="module", autouse=True)
def deaf(shared_machine: Machine) -> None:
    """No webhook ever comes."""
    shared_machine.serve()
    with shared_machine.emulator as emulator:
        emulator.faults(drop=1)


def test_every_point_of_the_reconciler_is_swept() -> None:
    assert set(TIMES) == {name for name in NAMES if name.startswith("reconcile.")}


@pytest.mark.parametrize(("point", "times"), TIMES.items())
def test_what_a_killed_reconciler_was_to_tell_is_told_by_another(machine: Machine, point: str, times: int) -> None:
    machine.forget_reconciles()
    victim = machine.start("work", REACTOR_FAILPOINT=f"{point}@{times}:kill", **OFTEN)
    eventually(machine.is_reconciled)
    volume = machine.ready_volume()

    assert victim.popen.wait(PATIENCE) == -signal.SIGKILL
    machine.start("work", **OFTEN)

    eventually(lambda: machine.sandboxes_of(volume), PATIENCE)
    assert len(machine.sandboxes_of(volume)) == 1
