"""Tells the type of a payload that does not say it, by its shape. Pure.

Daytona's payloads before December 2025 had neither `event` nor `timestamp`, and private installations still send them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reactor.apis.openapi import OpenApi
from reactor.events import Event

UNSAID = frozenset({"event", "timestamp"})
"""Fields that such a payload lacks, whatever its type."""


def recognise(event: Event, documents: Iterable[OpenApi]) -> Event:
    """The event with its type, where exactly one described type has this shape; else the event as it is."""
    if event.type:
        return event
    fitting = [
        event_type
        for document in documents
        for event_type in document.webhooks
        if _fits(event.data, document, event_type)
    ]
    return replace(event, type=fitting[0]) if len(fitting) == 1 else event


def _fits(data: Mapping[str, Any], document: OpenApi, event_type: str) -> bool:
    """The payload has what the type needs and nothing else than its fields; a field with listed values has one of them."""
    fields = document.event_fields([event_type])
    needed = set(document.resolve(document.webhooks[event_type]).get("required", ())) - UNSAID
    if not needed <= set(data) <= set(fields):
        return False
    return all(data[name] in schema["enum"] for name, schema in fields.items() if name in data and "enum" in schema)
