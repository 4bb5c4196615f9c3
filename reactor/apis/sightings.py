"""Makes events of what a read shows: the inverse of a provider file's `events`. Pure.

A webhook that never came, and an API that sends none, leave the state table behind. A read that shows more than the table
knows becomes the event that would have announced it, and goes the way of every event. Owns what such an event says, when
it is dated and its id; whether the read may be believed (a second one, a watermark) is its caller's.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from reactor.apis.client import Api
from reactor.apis.provider import Resource, look, put
from reactor.events import Event, Known, Origin, iso


@dataclass(frozen=True, slots=True)
class Read:
    """A resource as a read showed it. `at` is when the read was asked for, in milliseconds since the epoch."""

    kind: str
    id: str
    at: int
    data: Mapping[str, Any] | None
    """The resource; None when the API says that there is none of this id."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose events a read becomes: the source that tells of the API, the organization, and what made the read."""

    api: Api
    source: str
    organization: str
    origin: Origin


def made_at(resource: Resource, data: Mapping[str, Any]) -> int | None:
    """When a resource was made, by the API's clock, in milliseconds since the epoch; None if it does not say."""
    value = look(resource.created, data) if resource.created else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return int(at.timestamp() * 1000) if at and at.tzinfo else None


def state_now(resource: Resource, read: Read, known: Known) -> str | None:
    """The state that a read shows, in the words of events; None if it shows none.

    A read may show early what is only desired (`derived`): then it says no more than the table knew.
    """
    if read.data is None:
        return next(iter(resource.terminal), None)
    state = look(resource.state, read.data)
    if not isinstance(state, str) or not state:
        return None
    return known.state if known.state in resource.derived.get(state, ()) else state


def is_news(resource: Resource, read: Read, known: Known) -> bool:
    """Whether a read shows another state than the table, and is newer."""
    state = state_now(resource, read, known)
    return state is not None and state != known.state and read.at - _lag(resource) > known.at


def events_of(teller: Teller, read: Read, known: Known, *, creation: bool = False) -> list[Event]:
    """The events that would have told what a read shows; none when the table knows it all.

    With `creation`, also the one that says that the resource was made, unless an event said so. It is dated like the read,
    and says nothing of the state before. A resource that is only being made has no change of state to tell of yet.
    """
    resource = teller.api.provider.resources[read.kind]
    state = state_now(resource, read, known)
    if state is None:
        return []
    unsaid = creation and read.data is not None and not known.announced
    types = list(_births(resource))[:1] if unsaid else []
    begins = bool(types) and known.state is None and state not in {*resource.settled, *resource.terminal}
    if not begins and is_news(resource, read, known):
        types += _announcing(resource, state)
    return [_event(teller, resource, each, read, known, state) for each in types]


def _births(resource: Resource) -> Iterator[str]:
    """The event types that say that a resource was made."""
    return (name for name, announced in resource.events.items() if announced.is_birth)


def _announcing(resource: Resource, state: str) -> list[str]:
    """The event type that announces a state: one of its own, or the one for changes."""
    own = [name for name, announced in resource.events.items() if announced.state == state]
    changes = [name for name, announced in resource.events.items() if announced.before]
    return (own or changes)[:1]


def _event(teller: Teller, resource: Resource, name: str, read: Read, known: Known, state: str) -> Event:
    announced = resource.events[name]
    payload: dict[str, Any] = {"event": name, "timestamp": iso(read.at - _lag(resource))}
    payload |= _described(teller, resource, name, read.data or {})
    payload = put(announced.id, payload, read.id)
    if announced.state.startswith("$"):
        payload = put(announced.state, payload, state)
    if announced.before and known.state:
        payload = put(announced.before, payload, known.state)
    return Event.from_payload(
        id=_id(read, name, state, known),
        source=teller.source,
        organization=teller.organization,
        body=orjson.dumps(payload),
        origin=teller.origin,
    )


def _described(teller: Teller, resource: Resource, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What else the event says: the fields of its type that the resource has, or where no document lists any, what it
    is called, marked with and broken by."""
    webhooks = teller.api.webhooks
    fields = webhooks.event_fields([name]) if webhooks and name in webhooks.webhooks else None
    if fields is not None:
        said = {field: data[field] for field in fields if field not in ("event", "timestamp") and field in data}
        return {field: value for field, value in said.items() if value is not None}
    said = {}
    for path in (resource.name, resource.labels, resource.error):
        if path and (value := look(path, data)) is not None:
            said = put(path, said, value)
    return said


def _id(read: Read, name: str, state: str, known: Known) -> str:
    """The same for all who see the same with the same knowledge, so that the log has it once."""
    said = orjson.dumps([name, read.kind, read.id, state, known.seq])
    return "seen-" + hashlib.blake2b(said, digest_size=16).hexdigest()


def _lag(resource: Resource) -> int:
    return int(resource.staleness * 1000)
