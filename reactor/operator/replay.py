"""Replays: logged events are decided on once more, by the rules in force, because a person asks for it.

Owns which events may be replayed, and what would follow. A replay is an entry of the log of its own, so that it goes the way of
every event and no crash loses or repeats it; its jobs are its own, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import structlog

from reactor.config import Config
from reactor.errors import DeliveryRejected, NotFound, NotPossible
from reactor.planning import new_rows
from reactor.rules.cel import Unknown
from reactor.rules.wording import as_written
from reactor.store.log import Entry
from reactor.store.logged import Logged
from reactor.store.store import Store

log = structlog.get_logger("reactor.replay")


@dataclass(frozen=True, slots=True)
class Span:
    """Which events are meant: accepted within a time (ms since the epoch), of a type, which may be a glob."""

    since: int
    until: int | None = None
    type: str = "*"


async def events_in(store: Store, config: Config, span: Span, most: int | None = None) -> list[Logged]:
    """The events of a span, at most one more than `most`; what is a replay itself is left out. Raises StoreUnavailable."""
    found: list[Logged] = []
    async for logged in store.logged.between(span.since, span.until):
        if not logged.entry.generation and _is_of(config, logged.entry, span.type):
            found.append(logged)
        if most is not None and len(found) > most:
            break
    return found


def _is_of(config: Config, entry: Entry, glob: str) -> bool:
    try:
        return fnmatchcase(config.recognise(entry.event()).type, glob)
    except DeliveryRejected:
        return False


def would_follow(config: Config, logged: Logged) -> list[dict[str, Any]]:
    """The jobs that the rules of a configuration ask for, as far as their controls let them; with the rule of each."""
    event = replace(config.recognise(logged.entry.event()), generation=1)
    jobs: list[dict[str, Any]] = []
    for decision in config.rules.fired(event):
        if decision.rule.name in event.lineage or decision.rule.controls.enforce != "on":
            continue
        try:
            jobs += [{"rule": row.rule, **as_written(row)} for row in new_rows(decision, event)]
        except Unknown as error:
            jobs.append({"rule": decision.rule.name, "faulty": str(error)})
    return jobs


def preview(config: Config, logged: Logged) -> dict[str, Any]:
    """A replay that is not done, as programs see it: the event, and the jobs that its rules ask for."""
    return {"entry": logged.entry.entry, "id": logged.entry.id, "jobs": would_follow(config, logged)}


def replayed_value(entry: Entry) -> dict[str, Any]:
    """A replay that is done, as programs see it: its place in the log, and the how many-th of its event it is."""
    return {"entry": entry.entry, "id": entry.id, "generation": entry.generation}


async def replay(store: Store, logged: Sequence[Logged], by: str) -> list[Entry]:
    """Have events decided on once more; returns their new places. Raises NotPossible, NotFound, StoreUnavailable."""
    for each in logged:
        if each.entry.generation:
            raise NotPossible(f"event {each.entry.entry} is a replay itself: replay {each.entry.id}")
        if each.aside:
            raise NotPossible(f"event {each.entry.entry} is set aside: `reactor events retry {each.entry.entry}`")
    entries = []
    for each in logged:
        entry = await store.logged.replay(each.entry.entry, by)
        if entry is None:
            raise NotFound(f"event {each.entry.entry} is in the log no longer")
        log.warning("event replayed", event_id=entry.id, entry=entry.entry, of=each.entry.entry, by=by)
        entries.append(entry)
    return entries
