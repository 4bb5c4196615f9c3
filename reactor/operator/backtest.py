"""What was done with the events of the log, read for a backtest. Changes no key."""

from reactor.rehearsal.rehearse import Job
from reactor.rules.wording import as_written
from reactor.store.logged import Logged
from reactor.store.resources import Verdict
from reactor.store.store import Store


async def jobs_of(store: Store, logged: Logged) -> list[Job]:
    """The jobs that followed from an event, at once or later. Raises StoreUnavailable."""
    rows = await store.plans.rows_of(logged.entry.entry) if logged.plan else []
    return [Job(row.id, row.created, row.rule, logged.entry.entry, as_written(row)) for row in rows]


def verdict_of(logged: Logged) -> Verdict | None:
    """The verdict that stands for an event."""
    return Verdict(**logged.verdict) if logged.verdict else None
