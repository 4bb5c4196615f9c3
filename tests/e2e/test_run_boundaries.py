"""Web, dispatcher, worker or server is killed at every step boundary of a run: it succeeds, and makes everything once."""

from collections.abc import Iterator

import pytest
from ports import ReservedPort

from e2e.boundaries import SEEDS, VICTIMS, Crew, Seed, Victim, made
from e2e.machine import Machine
from reactor.emulator import EmulatorSettings


@pytest.fixture(scope="module")
def crew(shared_machine: Machine) -> Iterator[Crew]:
    base = shared_machine.environment["DAYTONA_API_URL"].removesuffix("/api")
    shared_machine.environment |= {
        "RUNLOOP_API_URL": f"{base}/runloop",
        "RUNLOOP_API_KEY": EmulatorSettings().runloop_api_key,
    }
    with ReservedPort() as port, shared_machine.ending_what_starts():
        yield Crew(shared_machine, port.number)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_run_survives_a_kill_at_every_step_boundary(crew: Crew, seed: Seed, victim: Victim) -> None:
    run = crew.sweep(seed, victim)

    assert (run.status, run.because) == ("succeeded", "every step is done")
    assert made(crew.machine, seed) == [1] * len(seed.makes)
    assert crew.kills >= run.generation - 2 >= 2, "all its generations but the first and the last"
