"""What was done with the events of the log, read for a backtest. Changes no key."""

from collections.abc import Mapping
from dataclasses import replace

from reactor.rehearsal.backtest import Came, Then, told
from reactor.rehearsal.rehearse import Job
from reactor.rules.cel import Unknown
from reactor.rules.late import LATE, filled
from reactor.rules.wording import as_written
from reactor.store.ledger import Row
from reactor.store.logged import Logged
from reactor.store.resources import Verdict
from reactor.store.store import Store


async def note(then: Then, store: Store, logged: Logged) -> None:
    """Note the jobs that followed from an event, at once or later. Raises StoreUnavailable."""
    rows = await store.plans.rows_of(logged.entry.entry) if logged.plan else []
    then.came.update({row.id: row.result for row in rows if isinstance(row.result, Mapping)})
    then.unheard.update(row.id for row in rows if row.action == "emit" and row.state != "done")
    for row in rows:
        action = as_written(_filled(row, then.came))
        then.jobs[row.id] = Job(row.id, row.created, row.rule, logged.entry.entry, action)


def _filled(row: Row, came: Came) -> Row:
    """A row with what earlier ones came to."""
    if LATE not in row.what:
        return row
    try:
        return replace(row, what=filled(row.what, told(came, row.what[LATE])))
    except Unknown:
        return row


def verdict_of(logged: Logged) -> Verdict | None:
    """The verdict that stands for an event."""
    return Verdict(**logged.verdict) if logged.verdict else None
