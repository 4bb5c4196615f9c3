"""Daytona and Svix at their worst: events twice, out of order and too early, replies lost. One sandbox all the same."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from e2e.machine import SECRET, Machine
from e2e.process import Process, eventually
from reactor.emulator.client import Emulator
from reactor.store.ledger import Row

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "each delivery comes three times": ({"duplicate": 1, "copies": 3}, "created"),
    "each event comes under two ids": ({"twin": 1}, "created"),
    "events come in any order": ({"reorder": 0.3}, "created"),
    "the reply to the create is lost": ({"lost_reply": 1, "operations": ["createSandbox"]}, "adopted"),
    "creates are answered 503 at times": ({"api_error": 0.4, "operations": ["createSandbox"]}, "created"),
}
"""What goes wrong, and how the job then comes by its sandbox."""


@pytest.fixture(scope="module")
def web(shared_machine: Machine) -> Process:
    return shared_machine.serve()


@pytest.fixture(scope="module", autouse=True)
def worker(shared_machine: Machine) -> Process:
    return shared_machine.start("work")


@pytest.fixture
def emulator(machine: Machine, web: Process) -> Iterator[Emulator]:
    """The emulated Daytona, whose events go to the web process."""
    with machine.emulator as emulator:
        emulator.deliver_to(f"{web.url}/webhooks/daytona", SECRET)
        yield emulator
        emulator.faults()


def job_of(machine: Machine, volume: dict[str, Any]) -> Row:
    """The one job about a volume, once it has ended."""

    def ended() -> list[Row]:
        jobs = [job for entry in machine.entries() for job in machine.jobs(entry.id)]
        return [job for job in jobs if job.ended and volume["name"] in job.what["body"]["name"]]

    [job] = eventually(ended)
    return job


@pytest.mark.parametrize(("faults", "how"), FAULTS.values(), ids=FAULTS)
def test_a_volume_gets_one_sandbox_although(
    machine: Machine, emulator: Emulator, faults: dict[str, Any], how: str
) -> None:
    emulator.faults(**faults)

    volume = emulator.create_volume(f"build-{uuid4().hex[:8]}")

    job = job_of(machine, volume)
    assert (job.state, job.result["how"]) == ("done", how)
    eventually(lambda: emulator.deliveries()["underWay"] == 0)
    assert len(machine.sandboxes_of(volume)) == 1


def test_an_event_that_comes_before_its_state_is_tried_again(machine: Machine, emulator: Emulator) -> None:
    emulator.faults(event_before_commit=0.5)

    volume = emulator.create_volume(f"build-{uuid4().hex[:8]}")

    job = job_of(machine, volume)
    statuses = [call["status"] for call in emulator.call_log() if call["operation"] == "createSandbox"]
    assert (job.state, statuses[-1]) == ("done", 200)
    assert 400 in statuses
    assert job.attempts > 1
    assert len(machine.sandboxes_of(volume)) == 1
