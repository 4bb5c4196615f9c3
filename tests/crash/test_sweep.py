"""Whoever is killed or paused past the lease, and wherever that is possible: every effect happens once."""

from pathlib import Path

import pytest

from crash.recovery import PROMISED, percentile, recoveries
from crash.sweep import CASES, SCENES, sweep_all
from reactor.failpoints import NAMES

ACTS = ("worker.", "run.", "watch.")

SHORT = [(point, action) for point, action in CASES if action == "kill" or point.startswith(ACTS)]
"""Every point with a kill, and with a pause where it makes a zombie of who acts; `make crash` sweeps the others, too."""


def test_it_is_known_who_passes_each_failpoint() -> None:
    """Calls that go out once have tests of their own: nobody here forks."""
    assert {name.partition(".")[0] for name in NAMES} == {*SCENES, "once"}


@pytest.mark.timeout(300)
async def test_every_effect_happens_once_whatever_is_killed_or_paused_at_any_failpoint(tmp_path: Path) -> None:
    assert await sweep_all(tmp_path, SHORT) == []


async def test_a_killed_workers_jobs_are_done_by_another_soon(tmp_path: Path) -> None:
    assert percentile(await recoveries(tmp_path, 12), 99) < PROMISED
