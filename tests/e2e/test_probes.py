"""Probes of every process: ready when it works, not ready once it was told to end, alive until it has ended."""

import resource
import signal

import httpx2
import pytest

from e2e.machine import LEASE, Machine
from e2e.process import eventually


@pytest.mark.parametrize(
    "command", [["serve", "--port", "0"], ["dispatch"], ["work"]], ids=["serve", "dispatch", "work"]
)
def test_every_process_is_ready_when_it_says_so(machine: Machine, command: list[str]) -> None:
    process = machine.start(*command)

    ready = httpx2.get(f"{process.operations_url}/readyz").json()

    assert (ready["ready"], ready["process"]) == (True, command[0])
    assert httpx2.get(f"{process.operations_url}/livez").text == "ok\n"
    assert "reactor_due_rows" in httpx2.get(f"{process.operations_url}/metrics").text


def test_a_worker_asks_the_system_for_as_many_files_as_it_may_make_calls(machine: Machine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        worker = machine.start("work", REACTOR_CONCURRENCY="1000", REACTOR_WATCHES="2000")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    worker.ready()

    allowed, _ = resource.prlimit(worker.popen.pid, resource.RLIMIT_NOFILE)

    assert allowed >= min(3000, hard)


def test_a_worker_that_ends_is_alive_and_not_ready_until_its_job_is_done(machine: Machine) -> None:
    volume = machine.ready_volume()
    worker = machine.start("work")
    with machine.emulator as emulator:
        emulator.faults(create_delay=LEASE + 1)
        event = machine.announce(machine.serve(), volume)
        eventually(lambda: "createSandbox" in emulator.calls())

        machine.processes[0].signal(signal.SIGSTOP)  # the emulator: its answer comes when we have looked
        worker.popen.terminate()
        ready = eventually(
            lambda: (answer := httpx2.get(f"{worker.operations_url}/readyz")).status_code == 503 and answer
        )
        alive = httpx2.get(f"{worker.operations_url}/livez")

        machine.processes[0].signal(signal.SIGCONT)
        emulator.faults()
    assert ready
    assert "told to end" in ready.json()["error"]
    assert alive.status_code == 200
    assert worker.wait() == 0
    assert machine.is_done(event)
