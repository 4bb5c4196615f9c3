"""A thousand runs wait at once on one worker process: little memory, one or two reads each, and a burst ends them all."""

import pytest

from bench.waiting import measure

RUNS = 1000


@pytest.mark.timeout(240)
def test_a_thousand_runs_wait_for_little_and_end_with_the_burst_of_their_events() -> None:
    waited = measure(RUNS)

    assert (waited.succeeded, waited.sandboxes) == (RUNS, RUNS)
    assert waited.reads_per_run <= 2
    assert waited.grown_mb < 20
    assert waited.finished_s < 30, "some 4 s on two cores that have nothing else to do"
