"""Events of the log: what is shown of one, and how one that was set aside is decided on again."""

from typing import Any

import orjson
import structlog

from reactor.errors import DeliveryRejected, NotPossible
from reactor.events import Event
from reactor.operator.found import found
from reactor.store.log import Entry
from reactor.store.logged import Logged
from reactor.store.store import Store

log = structlog.get_logger("reactor.events")

REFUSALS = {
    "not aside": "was not set aside; `reactor events ls --aside` lists those that are",
    "gone": "is in the log no longer",
}


async def event_found(store: Store, named: str) -> Logged:
    """An event by its place in the log or its signed id. Raises NotFound, StoreUnavailable."""
    missing = f"the log has no event {named!r}, or no longer; `reactor events ls` lists the newest"
    return await found(store.logged.get(named), missing)


async def retry_event(store: Store, logged: Logged, by: str) -> Logged:
    """Let the dispatchers decide on an event that was set aside. Raises NotPossible, NotFound, StoreUnavailable."""
    said = await store.logged.retake(logged.entry.entry)
    if said in REFUSALS:
        raise NotPossible(f"event {logged.entry.entry} {REFUSALS[said]}")
    log.warning("event to be decided again", entry=logged.entry.entry, event_id=logged.entry.id, by=by)
    return await event_found(store, logged.entry.entry)


def event_value(logged: Logged) -> dict[str, Any]:
    """An event as programs see it; times are in milliseconds since the epoch."""
    entry, verdict = logged.entry, logged.verdict or {}
    return {
        "entry": entry.entry,
        "id": entry.id,
        "source": entry.source,
        "type": _type(entry),
        "accepted": entry.accepted,
        "verdict": verdict.get("verdict"),
        "resource": verdict.get("id"),
        "jobs": len(logged.plan["rows"]) if logged.plan else 0,
        "aside": logged.aside,
    }


def event_detail(logged: Logged) -> dict[str, Any]:
    """All that is known of an event: also its payload, its verdict and its plan."""
    return {
        **event_value(logged),
        "organization": logged.entry.organization,
        "payload": _payload(logged.entry.body),
        "verdict": logged.verdict,
        "plan": logged.plan,
    }


def _type(entry: Entry) -> str | None:
    """What the payload says it is; None for one that does not, or that can't be read."""
    try:
        return Event.from_payload(
            id=entry.id, source=entry.source, organization=entry.organization, body=entry.body
        ).type
    except DeliveryRejected:
        return None


def _payload(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
