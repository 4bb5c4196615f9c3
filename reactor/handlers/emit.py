"""Performs the action `emit`: appends an event of our own to the event log, once however often it is performed.

What follows from it is the dispatcher's, as for every event. No rule of its lineage fires on it.
"""

import orjson

from reactor.errors import DeliveryRejected
from reactor.events import OURSELVES, Event, iso
from reactor.handlers.context import Context
from reactor.store.ledger import Ending, Row

LONGEST_LINEAGE = 16
"""Rules that one event may follow from, by way of emitted events: more of them are a loop that nobody meant."""


async def emit(row: Row, context: Context) -> Ending:
    """Append the event a row asks for. Its id is the row's, so that the log has it once."""
    lineage = tuple(row.what["lineage"])
    if len(lineage) > LONGEST_LINEAGE:
        return Ending("dead", error=f"it follows from {len(lineage)} rules in a row: {', '.join(lineage)}")
    body = orjson.dumps({**row.what["data"], "event": row.what["type"], "timestamp": iso(row.created)})
    try:
        event = Event.from_payload(
            id=f"emit-{row.id}",
            source=OURSELVES,
            organization=row.what["organization"],
            body=body,
            origin="emit",
            lineage=lineage,
        )
    except DeliveryRejected as error:  # its fields are a payload's: an `id` that is no text
        return Ending("dead", error=error.detail)
    appended = await context.log.append(event, body)
    return Ending("done", result={"how": "was emitted" if appended.duplicate else "emitted", "event": event.id})
