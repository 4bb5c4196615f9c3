"""Events of the log: what is shown of one, and how one that was set aside is decided on again."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson
import structlog

from reactor.errors import NotFound, NotPossible
from reactor.store.log import Entry
from reactor.store.logged import Logged
from reactor.store.store import Store

log = structlog.get_logger("reactor.events")

REFUSALS = {
    "not aside": "was not set aside; `reactor events ls --aside` lists those that are",
    "gone": "is in the log no longer",
}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which events: of a type, which may be a glob; of the resource with this id or name. Empty: of any."""

    type: str = ""
    resource: str = ""

    def has(self, entry: Entry) -> bool:
        """Whether an event is one of them, as its payload says."""
        told = told_by(entry)
        return (not self.type or fnmatchcase(told.type or "", self.type)) and (
            not self.resource or self.resource in (told.id, told.name)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a payload says in the fields that most have; None, or no states, where it does not say."""

    type: str | None = None
    id: str | None = None
    name: str | None = None
    states: tuple[str, ...] = ()
    """The one before and the one after, as far as they are told."""


def told_by(entry: Entry) -> Told:
    """Read a payload for people; one that can't be read says nothing."""
    payload = _payload(entry.body)
    if not isinstance(payload, dict):
        return Told()
    texts = {name: value for name, value in payload.items() if isinstance(value, str)}
    states = tuple(texts[field] for field in ("oldState", "newState", "state") if field in texts)
    return Told(texts.get("event"), texts.get("id"), texts.get("name"), states)


async def listed(store: Store, sought: Sought, *, aside: bool, count: int) -> list[Logged]:
    """The newest events that are sought, or of those that are set aside. Raises StoreUnavailable."""
    listing = store.logged.aside if aside else store.logged.newest
    return await listing(count=count, meant=sought.has)


async def event_found(store: Store, named: str) -> Logged:
    """An event by its place in the log or its signed id. Raises NotFound, StoreUnavailable."""
    [event] = await events_found(store, [named])
    return event


async def events_found(store: Store, named: Sequence[str]) -> list[Logged]:
    """Events by their places in the log or their signed ids, each once. Raises NotFound for any missing, StoreUnavailable."""
    known = await store.logged.get_each(named)
    for each in named:
        if each not in known:
            raise NotFound(f"the log has no event {each!r}, or no longer; `reactor events ls` lists the newest")
    return list({known[each].entry.entry: known[each] for each in named}.values())


async def retry_event(store: Store, logged: Logged, by: str) -> Logged:
    """Let the dispatchers decide on an event that was set aside. Raises NotPossible, NotFound, StoreUnavailable."""
    said = await store.logged.retake(logged.entry.entry)
    if said in REFUSALS:
        raise NotPossible(f"event {logged.entry.entry} {REFUSALS[said]}")
    log.warning("event to be decided again", entry=logged.entry.entry, event_id=logged.entry.id, by=by)
    return await event_found(store, logged.entry.entry)


def event_value(logged: Logged) -> dict[str, Any]:
    """An event as programs see it; times are in milliseconds since the epoch."""
    entry, verdict, told = logged.entry, logged.verdict or {}, told_by(logged.entry)
    return {
        "entry": entry.entry,
        "id": entry.id,
        "source": entry.source,
        "type": told.type,
        "name": told.name,
        "states": list(told.states),
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


def _payload(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
