"""The fields that events of a type have, by the webhook documents of all APIs, and which types are known. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from reactor.apis.client import Api
from reactor.apis.openapi import Schema, any_of
from reactor.rules.fault import Fault
from reactor.yaml12 import expected_one_of

NEARLY = 0.8
"""How alike an unknown event type and a known one are (difflib's ratio) to be taken for a slip."""


class EventFields:
    """The fields that events of a type have, from the webhook documents of all APIs."""

    def __init__(self, apis: Iterable[Api]) -> None:
        self._documents = [api.webhooks for api in apis if api.webhooks]
        self._known: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}

    def types(self, globs: Iterable[str]) -> dict[str, str]:
        """Field names and their simple types; nothing for event types that no document knows."""
        return {name: _simple_type(schema) for name, schema in self._schemas(globs).items()}

    def choices(self, globs: Iterable[str]) -> dict[str, Sequence[object]]:
        """The values of the fields that list them."""
        return {name: schema["enum"] for name, schema in self._schemas(globs).items() if "enum" in schema}

    def described(self, globs: Sequence[str]) -> tuple[Mapping[str, str], Mapping[str, Sequence[object]]]:
        """Fields with their types, and choices."""
        return self.types(globs), self.choices(globs)

    def mistyped(self, globs: Sequence[str]) -> list[Fault]:
        """Event types that no document describes and that are nearly one that is: such a rule would be silent for ever."""
        known = [event_type for document in self._documents for event_type in document.webhooks]
        return [
            Fault(
                ("on", number),
                f"{expected_one_of(glob, known)}; a type that is not listed yet can be matched as {glob}*",
            )
            for number, glob in enumerate(globs)
            if glob not in known and "*" not in glob and get_close_matches(glob, known, cutoff=NEARLY)
        ]

    def _schemas(self, globs: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Found once for all rules on the same events."""
        asked = tuple(globs)
        if asked not in self._known:
            described: dict[str, list[Schema]] = {}
            for document in self._documents:
                for name, schema in document.event_fields(_fitting(document.webhooks, asked)).items():
                    described.setdefault(name, []).append(schema)
            self._known[asked] = {name: any_of(alternatives) for name, alternatives in described.items()}
        return self._known[asked]


def _fitting(event_types: Iterable[str], globs: Sequence[str]) -> list[str]:
    return [known for known in event_types if any(fnmatchcase(known, glob) for glob in globs)]


def _simple_type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "string" if "enum" in schema else "")
    return kind if isinstance(kind, str) else ""


def types_of(api: Api) -> set[str]:
    """The event types that an API is known to send."""
    announced = {event for kind in api.provider.resources.values() for event in kind.events}
    return announced | set(api.webhooks.webhooks if api.webhooks else ())
