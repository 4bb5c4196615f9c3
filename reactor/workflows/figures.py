"""What one move of a run counts: reads by why they were made, and the polls that a wait has saved. Pure.

A poll is saved where the document's own interval would have made one more read of the resource than the wait did.
"""

import math
from typing import Final

from reactor.workflows.asking import operation_of, poll_of, step_of
from reactor.workflows.polls import is_plain_retry
from reactor.workflows.program import Program
from reactor.workflows.run import Happened, Replied, Run
from reactor.workflows.stepping import PACE

Reason = str

REASONS: Final[tuple[Reason, ...]] = ("first", "confirm", "doubt", "probe")
"""Why a poll reads: its step begins, it leaves, a read disagreed with the event before it, or no event came."""


def figures_of(program: Program, before: Run, after: Run, happened: Happened) -> dict[str, int]:
    """The counts of a move; long polls are the document's own, so they count for nothing."""
    operation = operation_of(program, before)
    if poll_of(program, before) is None or operation is None or operation.holds:
        return {}
    counts = {}
    if isinstance(happened, Replied):
        counts[f"run_reads_{reason_of(before)}"] = 1
    if before.waiting and _left(before, after):
        counts["run_reads_saved"] = saved(program, before, happened)
    return {name: count for name, count in counts.items() if count}


def reason_of(run: Run) -> Reason:
    """Why a poll reads now."""
    if run.waiting is None:
        return "first"
    if run.waiting.reading:
        return "confirm"
    return "doubt" if run.waiting.doubts else "probe"


def saved(program: Program, run: Run, happened: Happened) -> int:
    """Reads that the document's interval would have made in the time of a wait, less those that were made."""
    if run.waiting is None:
        return 0
    made = run.waiting.reads + isinstance(happened, Replied)
    return max(0, math.ceil((happened.at - run.waiting.since) / interval_of(program, run)) - made)


def interval_of(program: Program, run: Run) -> float:
    """Seconds between two reads as the document has it: what its retry says, or the pace of a goto."""
    retries = [action.after for action in step_of(program, run).actions if is_plain_retry(action) and action.after]
    return min(retries, default=PACE)


def _left(before: Run, after: Run) -> bool:
    """Whether a wait is over: the run is, or has begun another step (maybe the same one again)."""
    return after.status != "running" or after.steps != before.steps or after.waiting is None
