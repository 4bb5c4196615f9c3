"""What an event is, how the payload of a webhook becomes one, and when two events mean the same.

Owns the shape of `Event` and how liberally a payload is read. It must not decide who may send: only
`reactor.webhook.receive` lets an event in from the network; other callers read payloads that the reactor stored
or made itself. It knows no resource, no state and no list of event types: unknown ones are kept as they are.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from reactor.errors import DeliveryRejected

MAX_DEPTH = 64
"""Objects and lists a payload may nest. orjson reads 1024 levels but writes only 254, and other readers recurse."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_TEXT_FIELDS = ("event", "id", "organizationId")

Origin = Literal["webhook", "watch", "reconcile", "emit"]
"""Where an event comes from: its provider told it, a long poll or a listing showed it, a rule emitted it."""

OURSELVES = "reactor"
"""The source of events that rules emit; no source of deliveries may have this name."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource, as its provider told it."""

    id: str
    """The id that was signed; a delivery made again has the same one. Not the id of the resource."""
    source: str
    """The name of the source that sent it."""
    type: str
    """The payload's `event`; empty for a payload that doesn't say, as Daytona's did before December 2025."""
    organization: str
    data: Mapping[str, Any]
    """The whole payload. Its texts are the sender's: any length, control characters included."""
    time: int | None
    """When the provider made the payload, in milliseconds since the epoch; None if it doesn't say, or not usably."""
    received: int | None
    """When the reactor accepted it, in milliseconds since the epoch."""
    origin: Origin = "webhook"
    lineage: tuple[str, ...] = ()
    """The rules that it follows from, the first one first, where a rule emitted it."""
    generation: int = 0
    """0 for an event as it came; of a replay, its number: the event is decided on once more."""

    @property
    def body(self) -> bytes:
        """The payload, as the event log has it of an event that no webhook told."""
        return orjson.dumps(self.data)

    @classmethod
    def from_payload(
        cls,
        *,
        id: str,
        source: str,
        organization: str,
        body: bytes,
        received: int | None = None,
        origin: Origin = "webhook",
        lineage: tuple[str, ...] = (),
        generation: int = 0,
    ) -> "Event":
        """Read a payload; `organization` stands in where the payload names none.

        Strict where a mistake would change what the event is about: `event`, `id` and `organizationId` are texts
        (null counts as absent) or the payload is refused. Liberal in the rest, which is kept as data.

        Raises DeliveryRejected (400): not_json, not_an_object, too_deep, bad_field.
        """
        data = _parse(body)
        for field in _TEXT_FIELDS:
            if not isinstance(data.get(field), str | None):
                raise DeliveryRejected(400, "bad_field", f"{field} must be a text")
        named = data.get("organizationId")
        return cls(
            id=id,
            source=source,
            type=data.get("event") or "",
            organization=organization if named is None else named,
            data=data,
            time=_milliseconds(data.get("timestamp")),
            received=received,
            origin=origin,
            lineage=lineage,
            generation=generation,
        )


def meaning(event: Event, table: str) -> str:
    """A short hash that two events share if they say the same of one state table, whatever their ids, sources and times.

    Daytona gives its messages no id of their own to Svix, so one change sent twice arrives under two ids; and two sources
    of one organization tell the same changes. What a read showed has an id that says what it saw; that a resource comes from
    one state to another again is no repetition. What is replayed is decided on again whatever was said before.
    """
    if event.origin != "webhook" or event.generation:
        said_once = f"{event.source}\0{event.id}\0{event.generation}"
        return hashlib.blake2b(said_once.encode(), digest_size=16).hexdigest()
    said = {key: value for key, value in event.data.items() if key != "timestamp"}
    canonical = orjson.dumps([table, said], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DeliveryRejected(400, "not_json", f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise DeliveryRejected(400, "not_an_object", "the body must be a JSON object")
    if _nests_deeper(data, MAX_DEPTH):
        raise DeliveryRejected(400, "too_deep", f"the body nests deeper than {MAX_DEPTH} levels")
    return data


def _nests_deeper(data: dict[str, Any], limit: int) -> bool:
    """Walks level by level: recursion would end where Python's stack does."""
    level: list[dict[str, Any] | list[Any]] = [data]
    for _ in range(limit):
        children = (child for node in level for child in (node.values() if isinstance(node, dict) else node))
        level = [child for child in children if isinstance(child, dict | list)]
    return bool(level)


def _milliseconds(timestamp: object) -> int | None:
    """Events are ordered by this, so a time without a zone, or in a year nobody meant, is worse than none."""
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    if moment.tzinfo is None or not _EARLIEST <= moment < _LATEST:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def iso(at: int) -> str:
    """A time (ms since the epoch) as payloads have it: `2026-01-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What an event says of one resource. Its provider's file says where each part stands in the payload."""

    kind: str
    id: str | None
    """None where the payload names the resource only, as Daytona's snapshot.removed does."""
    name: str | None
    state: str | None
    at: int
    """When the resource was in this state, in milliseconds since the epoch."""
    guarded: bool
    """Whether the event is about a change of state, and so worth nothing once a newer one is known."""
    terminal: int
    """1 for a state that nothing follows, else 0: it stands whatever the times say."""
    settled: int
    """1 for a state that a wait may end in, else 0: of two states at one time, it is the later one."""
    birth: bool = False
    """Whether it says that the resource was made, which happens once."""
    upto: int | None = None
    """Of a read, until when (ms) it may have looked: the event that told of this state may be dated anywhere up to it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the state table has of a resource; nothing of one it never saw. `at` is in milliseconds since the epoch."""

    state: str | None = None
    at: int = 0
    seq: int = 0
    announced: bool = False
    """Whether an event said that it was created."""
