"""The timeline of `reactor demo`: what the API, the event log and the ledger know, as one story. Reads nothing itself."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reactor.operator.events import told_by
from reactor.rules.wording import summary
from reactor.store.ledger import Row
from reactor.store.log import Entry

_LONG_ID = re.compile(r"\b([0-9a-f]{8})(?:[0-9a-f]{12}|(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
"""Ids of jobs and of resources; eight digits are enough to tell them apart in one demo."""


@dataclass(frozen=True, order=True)
class Moment:
    """One line: seconds since the first API call, the kind (call, event, rule, job or step), which one, what happened."""

    at: float
    kind: str
    name: str
    text: str


def moments_of(calls: Sequence[Mapping[str, Any]], entries: Sequence[Entry], rows: Sequence[Row]) -> tuple[Moment, ...]:
    """Everything that happened, in order; the first call, which creates a volume, is at zero."""
    began = calls[0]["at"]
    happened = [*calls_of(calls), *events_of(entries), *_jobs(rows)]
    return tuple(sorted(moment_of(began, each) for each in happened))


Happened = tuple[float, str, str, str]
"""A moment in seconds since the epoch."""


def moment_of(began: float, happened: Happened) -> Moment:
    """What happened, in seconds since the beginning of the story."""
    at, kind, name, text = happened
    return Moment(round(at - began, 3), kind, name, text)


def calls_of(calls: Sequence[Mapping[str, Any]]) -> Iterator[Happened]:
    """The calls that reached the API. One without a status is not answered yet."""
    for call in calls:
        status = "…" if call["status"] is None else call["status"]
        yield call["at"], "call", call["operation"], f"{status}  {call['method']} {call['path']}"


def events_of(entries: Sequence[Entry]) -> Iterator[Happened]:
    """The events that were accepted."""
    for entry in entries:
        told = told_by(entry)
        yield entry.accepted / 1000, "event", str(told.type), f"{told.name or told.id}  {' → '.join(told.states)}"


def _jobs(rows: Sequence[Row]) -> Iterator[Happened]:
    for row in rows:
        yield row.created / 1000, "rule", row.rule, f"fired: {summary(row)} is job {row.id}"
        if row.ended:
            yield row.ended / 1000, "job", row.id, f"{row.state}: {row.error or _result(row.result)}"


def _result(result: Mapping[str, Any]) -> str:
    """What a job made, as in "created sandbox build-1 1b4e28ba"."""
    made = [f"{kind} {one['name']} {one['id']}" for kind, one in result.items() if isinstance(one, Mapping)]
    return " ".join([str(result["how"]), *made])


def told(timeline: Sequence[Moment]) -> list[str]:
    """The lines to print: aligned, with short ids."""
    width = max(len(_short(moment.name)) for moment in timeline)
    return [line_of(moment, width) for moment in timeline]


def line_of(moment: Moment, width: int) -> str:
    """One line, its name as wide as the others."""
    return f"{moment.at:9.3f} s  {moment.kind:<5}  {_short(moment.name):<{width}}  {_short(moment.text)}"


def _short(text: str) -> str:
    return _LONG_ID.sub(r"\1", text)


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """The median and the 95th percentile; null where there is nothing to measure."""
    ordered = sorted(values)
    return {
        name: round(ordered[math.ceil(len(ordered) * share) - 1], 1) if ordered else None
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }
