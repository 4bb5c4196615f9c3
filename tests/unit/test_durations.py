"""Durations are written one way, and what is none is refused with what one looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.rules.durations import LONGEST, milliseconds, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90_000), ("10m", 600_000), ("1h", 3_600_000), ("1h30m", 5_400_000), ("14d", LONGEST), ("250ms", 250)],
)
def test_a_duration_is_read(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "m", "10 m", "1.5h", "-5m", "5x", "30m1h", "10M", "٣m", "1h" * 30, 10, None]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration like 90s, 10m, 1h30m or 7d"):
        milliseconds(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "15d", "337h", "99999999999999999999d"])
def test_a_duration_that_is_nothing_or_beyond_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than nothing and at most 14d"):
        milliseconds(text)


@given(st.integers(1, LONGEST))
def test_what_is_written_is_read_again(duration: int) -> None:
    assert milliseconds(written(duration)) == duration
