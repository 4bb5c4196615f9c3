"""The timeline of `reactor demo`: what the API, the event log and the ledger know, as one story. Reads nothing itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reactor.store.ledger import Row
from reactor.store.log import Entry

_LONG_ID = re.compile(r"\b([0-9a-f]{8})(?:[0-9a-f]{12}|(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
"""Ids of jobs and of resources; eight digits are enough to tell them apart in one demo."""


@dataclass(frozen=True, order=True)
class Moment:
    """One line: seconds since the first API call, the kind (call, event, rule or job), which one, what happened."""

    at: float
    kind: str
    name: str
    text: str


def moments_of(calls: Sequence[Mapping[str, Any]], entries: Sequence[Entry], rows: Sequence[Row]) -> tuple[Moment, ...]:
    """Everything that happened, in order; the first call, which creates a volume, is at zero."""
    began = calls[0]["at"]
    happened = [*_calls(calls), *_events(entries), *_jobs(rows)]
    return tuple(sorted(Moment(round(at - began, 3), kind, name, text) for at, kind, name, text in happened))


_Happened = tuple[float, str, str, str]


def _calls(calls: Sequence[Mapping[str, Any]]) -> Iterator[_Happened]:
    for call in calls:
        yield call["at"], "call", call["operation"], f"{call['status']}  {call['method']} {call['path']}"


def _events(entries: Sequence[Entry]) -> Iterator[_Happened]:
    for entry in entries:
        data = orjson.loads(entry.body)
        subject = data.get("name") or data.get("id")
        states = [data[field] for field in ("oldState", "newState", "state") if field in data]
        yield entry.accepted / 1000, "event", str(data.get("event")), f"{subject}  {' → '.join(states)}"


def _jobs(rows: Sequence[Row]) -> Iterator[_Happened]:
    for row in rows:
        yield row.created / 1000, "rule", row.rule, f"fired: {row.api}.{row.what['operation']} is job {row.id}"
        if row.ended:
            yield row.ended / 1000, "job", row.id, f"{row.state}: {row.error or _result(row.result)}"


def _result(result: Mapping[str, Any]) -> str:
    """What a job made, as in "created sandbox build-1 1b4e28ba"."""
    made = [f"{kind} {one['name']} {one['id']}" for kind, one in result.items() if isinstance(one, Mapping)]
    return " ".join([str(result["how"]), *made])


def told(timeline: Sequence[Moment]) -> list[str]:
    """The lines to print: aligned, with short ids."""
    short = [(moment.at, moment.kind, _short(moment.name), _short(moment.text)) for moment in timeline]
    width = max(len(name) for _, _, name, _ in short)
    return [f"{at:9.3f} s  {kind:<5}  {name:<{width}}  {text}" for at, kind, name, text in short]


def _short(text: str) -> str:
    return _LONG_ID.sub(r"\1", text)
