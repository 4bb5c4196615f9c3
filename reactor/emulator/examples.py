"""Answers for the rest of an API: an example of what its document says a success looks like. Data, no behaviour.

What the emulator keeps no state for (organizations, limits, logs, keys) is answered so; a value of the path appears where
the answer has a field of its name.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from reactor.apis.openapi import OpenApi, Schema
from reactor.apis.openapi import Operation as Described
from reactor.emulator.api import Handler, Operation

MAX_DEPTH: Final = 8
_PLAIN: Final[Mapping[str, Any]] = {"integer": 1, "number": 1, "boolean": True, "null": None}


@dataclass(frozen=True, slots=True)
class Examples:
    """The operations of a document that nothing else answers. `below` is where its paths begin."""

    document: OpenApi
    below: str = ""

    @classmethod
    def of(cls, path: Path, below: str = "") -> "Examples":
        """Those of a compact OpenAPI document."""
        return cls(OpenApi.parse(json.loads(path.read_bytes())), below)

    def operations(self, answered: Collection[str]) -> Iterator[Operation]:
        """The rows of the table, without those that are answered by others. Fixed paths come before those with names."""
        rest = [each for each in self.document.operations.values() if each.id not in answered]
        for operation in sorted(rest, key=lambda each: each.path.count("{")):
            path = operation.path.removeprefix(self.below)
            yield Operation(operation.method, path, operation.id, self._answers(operation))

    def _answers(self, operation: Described) -> Handler:
        schemas = (schema for status, schema in sorted(operation.responses.items()) if status.startswith("2"))
        schema = next(schemas, None)
        example = None if schema is None else self.example(schema)

        async def answer(request: Request) -> object:
            if not isinstance(example, dict):
                return example
            told = {name: value for name, value in request.path_params.items() if name in example}
            return {**example, **told}

        return answer

    def example(self, schema: Schema, depth: int = 0) -> Any:
        """A value that fits a schema: the first choice, one item, and every field there is."""
        resolved = self.document.resolve(schema)
        if "const" in resolved:
            return resolved["const"]
        if resolved.get("enum"):
            return resolved["enum"][0]
        for word in ("anyOf", "oneOf"):
            if resolved.get(word):
                return self.example(resolved[word][0], depth)
        kind = resolved.get("type", "object")
        return self._of_kind(kind[0] if isinstance(kind, list) else kind, resolved, depth)

    def _of_kind(self, kind: str, schema: Schema, depth: int) -> Any:
        match kind:
            case "object":
                fields = schema.get("properties", {}) if depth < MAX_DEPTH else {}
                return {name: self.example(each, depth + 1) for name, each in fields.items()}
            case "array":
                return [self.example(schema["items"], depth + 1)] if "items" in schema and depth < MAX_DEPTH else []
            case "string":
                return "2026-01-01T00:00:00.000Z" if schema.get("format") == "date-time" else "example"
        return _PLAIN[kind]
