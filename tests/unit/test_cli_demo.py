"""How `reactor demo --workflow` measures: from the event that ended a wait to the next call, and nothing else."""

from typing import Any

import orjson
import pytest

from reactor.cli.demo_workflow import reactions
from reactor.store.ledger import Row
from reactor.store.log import Entry

RESTING = frozenset({"creating"})


def event(accepted: int, state: str) -> Entry:
    return Entry(f"{accepted}-0", "daytona", f"msg_{accepted}", "o", orjson.dumps({"newState": state}))


def row(created: int, state: str | None, ended: int) -> Row:
    """A row that waited, and was woken by a state."""
    others: dict[str, Any] = dict.fromkeys(("absent_at", "error", "result"))
    others |= dict.fromkeys(("entry", "event", "rule", "api"), "") | {"what": {}, "attempts": 1, "fence": 1}
    saw = {"entry": state} if state and "-" in state else {"state": state, "at": created, "seq": 1} if state else None
    return Row(id=f"row{created}", state="done", action="step", created=created, ended=ended, saw=saw, **others)


@pytest.mark.parametrize(
    ("rows", "entries", "calls", "measured"),
    [
        ([row(100, "ready", 205)], [event(200, "ready")], [90.0, 220.0, 300.0], [20.0]),
        ([row(100, "creating", 205)], [event(200, "creating")], [230.0], []),
        ([row(100, "a", 205), row(205, "b", 305)], [event(200, "a"), event(300, "b")], [310.0], [10.0]),
        ([row(100, "ready", 205)], [event(50, "ready")], [230.0], []),
        ([row(100, None, 205)], [event(200, "ready")], [230.0], []),
        ([row(100, "200-0", 205)], [event(190, "ready"), event(200, "ready")], [215.0], [15.0]),
        ([row(100, "ready", 205)], [event(200, "ready")], [150.0], []),
    ],
    ids=[
        "the next call after the event",
        "an event that ends no wait",
        "of two before one call the last",
        "an event that came before the wait",
        "a wait that an own look ended",
        "a message that was received",
        "no call follows",
    ],
)
def test_a_reaction_is_from_the_event_that_ended_a_wait_to_the_next_call(
    rows: list[Row], entries: list[Entry], calls: list[float], measured: list[float]
) -> None:
    assert reactions(rows, entries, calls, RESTING) == measured
