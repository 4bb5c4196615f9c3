"""Compares what an API lists with what the state table knows. Pure: it decides what to ask again, what to fill in.

A difference is a suspicion only. Listings and reads lag, and webhooks may be on their way: an event is made of it when a
second read, later than anything the first may have been late by, says the same and the table still does not know.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reactor.apis.provider import CLOCKS, Resource, look
from reactor.apis.sightings import Read, is_news, made_at, state_now
from reactor.events import Known, Sighting

Why = Literal["changed", "unseen", "unannounced", "gone"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A whole listing of a kind: when it was asked for (ms), what it showed, and what the table knows.

    `table` has what is known of each item, `missing` of each resource that the table has alive and nobody listed.
    """

    kind: str
    at: int
    reads: Sequence[Read]
    table: Mapping[str, Known]
    missing: Mapping[str, Known]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A resource of which an event seems to be missing, and what the first read showed of it."""

    read: Read
    why: Why


def reads_of(resource: Resource, kind: str, items: Iterable[Any], at: int) -> list[Read]:
    """The items of a listing; those without an id are none."""
    named = [(look(resource.id, item), item) for item in items]
    return [Read(kind, each, at, item) for each, item in named if isinstance(each, str) and each]


def suspects_of(resource: Resource, listed: Listed, watermark: int | None) -> list[Suspect]:
    """What to ask again; nothing without a watermark (ms): then this is a baseline, and everything is taken as it is."""
    if watermark is None:
        return []
    found = [
        Suspect(read, why)
        for read in listed.reads
        if (why := _suspicion(resource, read, listed.table[read.id], watermark))
    ]
    latest = listed.at - resource.staleness * 1000 - CLOCKS
    gone = [each for each, known in listed.missing.items() if known.state is not None and known.at < latest]
    return found + [Suspect(Read(listed.kind, each, listed.at, None), "gone") for each in gone]


def _suspicion(resource: Resource, read: Read, known: Known, watermark: int) -> Why | None:
    if known.state is None:
        return "unseen" if is_new(resource, read, watermark) else None
    if is_news(resource, read, known):
        return "changed"
    return "unannounced" if not known.announced and _is_told(resource) and is_new(resource, read, watermark) else None


def is_new(resource: Resource, read: Read, watermark: int) -> bool:
    """Whether a resource was made after everything up to the watermark (ms) had been seen.

    One that the table does not know and that is older has been forgotten by the table, not missed.
    """
    at = made_at(resource, read.data) if read.data is not None else None
    return at is not None and at > watermark


def oldest_new(resource: Resource, suspects: Iterable[Suspect], watermark: int) -> int | None:
    """When the first suspect was made (ms) of those that count as new; None when there are none.

    An event of it may be in the log and not yet in the table, or the second read may leave it in doubt: until the table
    knows it, it must go on counting as new, or the next comparison would take it for forgotten and enter it silently.
    """
    new = (each.read for each in suspects if is_new(resource, each.read, watermark))
    return min((at for read in new if (at := made_at(resource, read.data or {})) is not None), default=None)


def _is_told(resource: Resource) -> bool:
    """Whether an event says that a resource of this kind was made."""
    return any(announced.is_birth for announced in resource.events.values())


def is_confirmed(resource: Resource, suspect: Suspect, second: Read, known: Known) -> bool:
    """Whether a second read says what the first did: one that moves meanwhile is left to its next sighting."""
    now = state_now(resource, second, known)
    return now is not None and (now in resource.terminal or now == state_now(resource, suspect.read, known))


def fills_of(resource: Resource, listed: Listed) -> list[Sighting]:
    """What the table does not know of the items, to be entered without deciding anything; or to be kept, if it does."""
    seen = [(read, state_now(resource, read, listed.table[read.id])) for read in listed.reads]
    return [
        Sighting(
            kind=listed.kind,
            id=read.id,
            name=_text(look(resource.name, read.data)),
            state=state,
            at=read.at - int(resource.staleness * 1000),
            guarded=True,
            terminal=int(state in resource.terminal),
            settled=int(state in resource.settled),
        )
        for read, state in seen
        if state is not None
    ]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
