"""A short nemesis: real processes are killed, paused and cut while they work, and nothing is lost, missing or doubled."""

from pathlib import Path

from crash.nemesis import Asked, torment
from crash.schedule import schedule


async def test_a_tormented_reactor_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    outcome = await torment(tmp_path, Asked(kills=16, events=160, runs=8, seed=3))

    assert outcome.good, f"{outcome}: {outcome.judgement.findings}"
    assert outcome.judgement.events >= 160
    assert outcome.kills == 16


def test_the_same_seed_draws_the_same_faults() -> None:
    assert schedule(7, 100) == schedule(7, 100) != schedule(8, 100)
    assert sum(fault.kind in {"kill", "skew"} for fault in schedule(7, 100)) == 100
