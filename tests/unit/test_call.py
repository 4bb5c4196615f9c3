"""When a call is tried again, and when not any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import TemporaryError
from reactor.handlers.call import again
from reactor.settings import Settings
from reactor.store.ledger import Ending, Row


def row(attempts: int) -> Row:
    return Row(
        id="row1",
        state="running",
        entry="1-0",
        event="msg_1",
        rule="rule",
        action="call",
        api="daytona",
        what={},
        attempts=attempts,
        fence=attempts,
        created=1,
        ended=None,
        absent_at=None,
        saw=None,
        error=None,
        result=None,
    )


def ending(attempts: int, delay: float | None = None, *, most: int = 5000) -> Ending:
    settings = Settings(attempts=most, backoff=2.0, backoff_limit=300.0)
    return again(row(attempts), TemporaryError("busy", delay), settings)


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (8, 256.0), (9, 300.0)])
def test_the_pause_doubles_up_to_its_limit_with_jitter_in_its_upper_half(attempts: int, longest: float) -> None:
    delays = [ending(attempts).delay for _ in range(200)]

    assert longest / 2 <= min(delays) < max(delays) <= longest


@given(st.integers(0, 4999))
def test_no_number_of_attempts_makes_the_pause_longer_than_its_limit(attempts: int) -> None:
    assert 0 < ending(attempts).delay <= 300.0


@pytest.mark.parametrize("delay", [0.0, 0.5, 1000.0])
def test_a_pause_that_the_api_asks_for_is_kept(delay: float) -> None:
    assert ending(1, delay) == Ending("due", error="busy", delay=delay, spent=True)


@pytest.mark.parametrize("delay", [None, 5.0])
def test_the_last_attempt_ends_dead_with_its_reason(delay: float | None) -> None:
    assert ending(2, delay, most=3).state == "due"
    assert ending(3, delay, most=3) == Ending("dead", error="after 3 attempts: busy")


@pytest.mark.parametrize(("attempts", "longest"), [(1, 0.2), (2, 1.0), (3, 3.0), (4, 10.0), (5, 32.0)])
def test_what_passes_by_itself_is_tried_again_soon(attempts: int, longest: float) -> None:
    error = TemporaryError("not in a ready state", passing=True)
    settings = Settings(attempts=99)

    delays = [again(row(attempts), error, settings).delay for _ in range(200)]

    assert longest / 2 <= min(delays) < max(delays) <= longest
