"""Jobs: what is shown of one, and when it may be retried or cancelled. Owns the reasons; the store does it."""

from collections.abc import Mapping, Sequence
from typing import Any

from reactor.errors import NotPossible
from reactor.operator.brakes import resuming
from reactor.operator.found import found
from reactor.rules.wording import subject
from reactor.store.brakes import Scope
from reactor.store.jobs import FINISHED, Job
from reactor.store.ledger import Row
from reactor.store.store import Store

STEP = "step"
"""The action of rows that move runs: a run is mended as a whole."""

FINAL = ("done", "cancelled")

REMEDIES = {
    "dead": "mend what the error says, then `reactor jobs retry {id}`; `reactor jobs cancel {id}` gives it up",
    "unknown": "look at {api} whether it acted: if not, `reactor jobs retry {id}`; if so, `reactor jobs cancel {id}`",
    "running": "a worker performs it",
    "due": "a worker takes it when its time has come",
    "waiting": "it waits for an event, and looks by itself when its time has come",
}


async def job_found(store: Store, job_id: str) -> Job:
    """A job by its id. Raises NotFound, StoreUnavailable."""
    missing = f"there is no job {job_id!r}; `reactor jobs ls` lists them, done ones are kept for a time"
    return await found(store.jobs.get(job_id), missing)


async def retry_job(store: Store, job: Job, by: str) -> Job:
    """Make a dead or unknown job due again, with all its attempts. Raises NotPossible, NotFound, StoreUnavailable."""
    if refused := why_no_retry(job.row):
        raise NotPossible(f"job {job.row.id} {refused}")
    return await _became(store, job, await store.jobs.redrive(job.row, by), "due")


async def cancel_job(store: Store, job: Job, by: str) -> Job:
    """Cancel a job for good. What a call that is under way does stands. Raises NotPossible, NotFound, StoreUnavailable."""
    if refused := why_no_cancel(job.row):
        raise NotPossible(f"job {job.row.id} {refused}")
    return await _became(store, job, await store.jobs.cancel(job.row, by), "cancelled")


async def _became(store: Store, job: Job, state: str, wanted: str) -> Job:
    if state != wanted:
        raise NotPossible(f"job {job.row.id} has changed meanwhile: it is {state or 'gone'} now; look again")
    return await job_found(store, job.row.id)


def why_no_retry(row: Row) -> str:
    """Why a job can't be retried; empty if it can. A run whose move is dead has failed: no row of it moves it again."""
    if row.state in FINAL:
        return f"is {row.state}: that is final"
    if row.state not in FINISHED:
        return f"is {row.state}: there is nothing to retry yet"
    return f"moved run {row.event}, which has failed: `reactor runs retry {row.event}`" if row.action == STEP else ""


def why_no_cancel(row: Row) -> str:
    """Why a job can't be cancelled; empty if it can."""
    if row.state in FINAL:
        return f"is {row.state}: that is final"
    if row.action == STEP:
        return f"moves run {row.event}: `reactor runs cancel {row.event}`"
    return ""


def job_value(job: Job) -> dict[str, Any]:
    """A job as programs see it; times are in milliseconds since the epoch."""
    row = job.row
    return {
        "id": row.id,
        "state": row.state,
        "rule": row.rule or None,
        "action": row.action,
        "api": row.api or None,
        "queue": row.queue,
        "operation": row.operation or None,
        "about": subject(row),
        "event": row.event if row.action != STEP else None,
        "run": row.event if row.action == STEP else None,
        "attempts": row.attempts,
        "created": row.created,
        "due": job.due,
        "ended": row.ended,
        "error": row.error,
    }


async def job_detail(store: Store, job: Job) -> dict[str, Any]:
    """All that is known of a job: also what it asks for, its event, what people did to it, and what to do now."""
    row = job.row
    entry = await store.log.get(row.entry) if row.action != STEP else None
    gates = await store.brakes.closed_gates(row.api, row.operation)
    paused = [pause.scope for pause in await store.brakes.pauses() if pause.scope.holds(row.rule, row.api)]
    holding = paused if row.state in ("due", "waiting") else []
    return {
        **job_value(job),
        "entry": row.entry if row.action != STEP else None,
        "accepted": entry.accepted if entry else None,
        "asks": row.what,
        "result": row.result,
        "fence": row.fence,
        "absent_at": row.absent_at,
        "gates": gates,
        "audit": [dict(each) for each in row.audit],
        "paused": [str(scope) for scope in holding],
        "remedy": remedy(row, gates, holding),
    }


def remedy(row: Row, gates: Mapping[str, str], pauses: Sequence[Scope]) -> str:
    """What a person can do about a job as it is; empty where there is nothing to do."""
    if row.action == STEP and row.state in ("dead", "unknown"):
        return f"its run has failed: see `reactor runs show {row.event}`; `reactor runs retry {row.event}` goes on"
    if row.state == "due" and pauses:
        return "it waits until this is no longer paused: " + "; ".join(f"`{resuming(scope)}`" for scope in pauses)
    if row.state == "due" and gates:
        return "it waits, and spends no attempt, until this gate opens: " + "; ".join(gates.values())
    return REMEDIES.get(row.state, "").format(id=row.id, api=row.api or "its API")
