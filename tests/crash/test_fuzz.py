"""Anything at all: it is read, or refused with the reason."""

from collections.abc import Callable

import pytest

from crash.fuzz import fuzzes


@pytest.mark.parametrize("fuzz", [pytest.param(check, id=name) for name, check in fuzzes(60)])
def test_at_random(fuzz: Callable[[], None]) -> None:
    fuzz()
