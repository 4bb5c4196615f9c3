"""What a run needs next, as it is stored with it: the row that moves it on, and what that row waits for. Pure.

Owns the translation between the engine and the store: a call becomes a row that is due, a wait a row that waits for its
resource and looks by itself now and then, or a long poll. Stores nothing and performs no call.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from reactor.config import Config
from reactor.runs.watching import REST, SHORTEST_HOLD, watch_of
from reactor.store.histogram import measured
from reactor.store.ledger import Row
from reactor.store.runs import NextRow
from reactor.store.waits import Awaited, Message
from reactor.workflows.asking import command_of, operation_of, poll_of
from reactor.workflows.program import Program
from reactor.workflows.run import Call, Command, End, Happened, Replied, Run, Wait

WATCHED = 10
"""Times the probe interval: a wait that is long-polled looks by itself so rarely, should its watch be lost."""

READ_LATE = 15.0
"""Seconds by which a read may be behind the events: a provider's cache, an event sent before its commit, other clocks."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a run knows of a resource: the newest change it has seen, and when it read it (seconds since the epoch).

    The last message that it `heard` is at this log entry.
    """

    resource: str = ""
    seen: int = 0
    read: float = 0.0
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A run that has moved and is to be stored, with what it knows.

    `rest` (seconds) is how long a long poll is left alone before it goes out again, `woken` since when (ms) the run has been
    woken, `label` the row whose work the next one does again, `counts` what the move counts.
    """

    id: str
    program: Program
    run: Run
    known: Known
    rest: float = 0.0
    woken: int = 0
    label: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Needs:
    """What is stored with a run: its fields, the row that moves it on (None: it is over), and what that row waits for."""

    fields: Mapping[str, str]
    row: NextRow | None
    awaited: Awaited | Message | None


def needs_of(moved: Moved, config: Config, *, probe: float, now: float) -> Needs:
    """What a run needs next; a wait that nobody wakes looks by itself every `probe` seconds. `now` is since the epoch."""
    run, known = moved.run, moved.known
    command, operation = command_of(moved.program, run), operation_of(moved.program, run)
    watched = watch_of(config, command, operation, poll_of(moved.program, run)) if operation else None
    patience = probe * (WATCHED if watched else 1)
    polls_itself = isinstance(command, Wait) and operation is not None and operation.holds and not watched
    awaited = _resource(command, known, patience) if isinstance(command, Wait) and not polls_itself else None
    fields = {
        "state": run.to_json().decode(),
        "generation": str(run.generation),
        "status": run.status,
        "phase": "waiting" if run.waits else run.status,
        "because": run.because,
        "resource": f"{awaited.kind}/{awaited.resource}" if awaited else known.resource,
        "heard": known.heard,
        "seen": str(awaited.seen if awaited else known.seen),
    }
    if isinstance(command, End):
        return Needs(fields, None, None)
    delay = moved.rest if polls_itself else _delay(command, patience, now)
    row = NextRow(
        row_id(moved.id, run.generation),
        run.generation,
        operation.api if operation else "",
        operation.id if operation else "",
        delay,
        moved.woken if isinstance(command, Call) and not delay else 0,
        moved.label,
        watched,
        moved.rest,
    )
    return Needs(fields, row, awaited or _message(command, known))


def _delay(command: Call | Wait, patience: float, now: float) -> float:
    """Seconds until a call may go out, or until a wait that nobody wakes looks by itself."""
    if isinstance(command, Call):
        return max(0.0, command.not_before - now)
    left = max(0.0, command.deadline - now)
    if command.probe is None:
        return left
    sparse = patience * random.uniform(0.8, 1.2)  # noqa: S311  # so that a crowd spreads; no secret
    return min(left, sparse if command.probe_in is None else command.probe_in)


def _resource(wait: Wait, known: Known, patience: float) -> Awaited | None:
    """The resource of a wait in the state table; None for a wait that only its own looks can end.

    What the table had long before the run read otherwise is no evidence: an event that would say so was lost.
    """
    if not wait.resource or not wait.events or not wait.probe:
        return None
    seen = known.seen if known.resource == f"{wait.kind}/{wait.resource}" else 0
    return Awaited(
        wait.api,
        wait.kind,
        wait.resource,
        seen,
        max(wait.after, known.read - READ_LATE),
        wait.may_be_name,
        knows=wait.state or "",
        probe=patience if wait.probe_in is None else 0.0,
        deadline=wait.deadline,
    )


def _message(command: Command, known: Known) -> Message | None:
    """The message that a run waits for, if it does. A correlation is the id or the name of the resource it is about."""
    if not isinstance(command, Wait) or command.probe or not command.events:
        return None
    about = "" if command.correlation is None else str(command.correlation)
    return Message(command.api, command.kind, command.events[0], about, known.heard)


def asked_at(happened: Happened) -> float:
    """When the call went out whose reply this is, in seconds since the epoch; 0 for anything else."""
    if not isinstance(happened, Replied):
        return 0.0
    return happened.at if happened.asked is None else happened.asked


def reaction(row: Row | None, happened: Happened) -> dict[str, int]:
    """The time from the waking of a run to its next call, as the histogram counts it; of a first attempt only."""
    woken = row.what.get("woken", 0) if row and row.attempts == 1 else 0
    if not woken or not isinstance(happened, Replied):
        return {}
    return measured("run_woken", max(0, int(asked_at(happened) * 1000) - woken))


def rest_of(before: Run, after: Run, happened: Happened) -> float:
    """Seconds until a long poll goes out again."""
    polled = isinstance(happened, Replied) and before.waits and after.waits and before.top.step == after.top.step
    return REST if polled and happened.at - asked_at(happened) < SHORTEST_HOLD else 0.0


def row_id(run_id: str, generation: int) -> str:
    """The id of the row that moves a run on from a generation: the same whoever stores it, and safe in labels."""
    return hashlib.sha256(f"run\0{run_id}\0{generation}".encode()).hexdigest()[:20]
