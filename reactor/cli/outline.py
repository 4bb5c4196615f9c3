"""How a JSON Schema reads to a person: its fields line by line, and the smallest value that fits it. Pure.

Serves showing, never checking: what is nested too deep, or repeats itself, is left out.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reactor.apis.openapi import OpenApi

Schema = Mapping[str, Any]

DEEPEST = 3
"""Levels of fields that are shown."""

MOST_CHOICES = 12
MOST_ITEMS = 5
LONGEST = 1000
"""Bounds of what is shown and made up, whatever a document asks for."""

_EXAMPLES = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com",
    "email": "somebody@example.com",
}
"""What a text of a format may look like."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object; `path` leads there from the outermost one, through arrays without a step of their own."""

    path: tuple[str, ...]
    type: str
    required: bool


def fields(openapi: OpenApi, schema: Schema, path: tuple[str, ...] = (), *, deepest: int = DEEPEST) -> Iterator[Field]:
    """The fields of an object schema, or of the objects in it, those within a field after it."""
    described = _object(openapi, schema)
    for name, inner in described.get("properties", {}).items():
        place = (*path, name)
        yield Field(place, kind(openapi, inner), name in described.get("required", ()))
        if len(place) < deepest:
            yield from fields(openapi, inner, place, deepest=deepest)


def kind(openapi: OpenApi, schema: Schema, depth: int = 0) -> str:
    """A schema's type in words: `integer`, `array of string`, `"a" | "b"`, `string (date-time)`, `object or null`."""
    if allowed := choices(openapi, schema):
        shown = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in allowed[:MOST_CHOICES])
        return shown + (f" | … ({len(allowed)} in all)" if len(allowed) > MOST_CHOICES else "")
    named = [_named(openapi, each, name, depth) for each in alternatives(openapi, schema) for name in _types(each)]
    return " or ".join(dict.fromkeys(named)) or "any"


def types(openapi: OpenApi, schema: Schema) -> list[str]:
    """The JSON types that a schema allows; none when it does not say."""
    return list(dict.fromkeys(name for each in alternatives(openapi, schema) for name in _types(each)))


def choices(openapi: OpenApi, schema: Schema) -> list[Any]:
    """The only values that a schema allows; none when there are others, too."""
    enums = [each.get("enum", [None] if each.get("type") == "null" else []) for each in alternatives(openapi, schema)]
    every = [choice for enum in enums for choice in enum]
    return [choice for place, choice in enumerate(every) if choice not in every[:place]] if all(enums) else []


def alternatives(openapi: OpenApi, schema: Schema, depth: int = 0) -> list[Schema]:
    """What a schema may stand for, resolved: itself, or each of its `anyOf` and `oneOf` with what stands beside them."""
    described = openapi.resolve(_mapping(schema))
    beside = {key: value for key, value in described.items() if key not in ("anyOf", "oneOf")}
    inner = [*described.get("anyOf", ()), *described.get("oneOf", ())] if depth < DEEPEST else []
    each = [one for other in inner for one in alternatives(openapi, {"allOf": [beside, _mapping(other)]}, depth + 1)]
    return each or [beside]


def sample(openapi: OpenApi, schema: Schema, name: str = "value", depth: int = 0) -> Any:
    """A small value that fits: what is required, with defaults and first choices; `<name>` where any text would do."""
    may_be = alternatives(openapi, schema)
    described = next((each for each in may_be if _types(each) != ["null"]), may_be[0])
    for fixed in ("const", "default"):
        if fixed in described:
            return copy.deepcopy(described[fixed])
    if allowed := [choice for choice in described.get("enum", ()) if choice is not None]:
        return allowed[0]
    match next((each for each in _types(described) if each != "null"), "string"):
        case "object":
            return _sample_object(openapi, described, depth)
        case "array":
            number = min(max(1, described.get("minItems", 1)), MOST_ITEMS) if depth <= DEEPEST else 0
            return [sample(openapi, described.get("items", {}), name, depth + 1) for _ in range(number)]
        case "integer" | "number":
            return described.get("minimum", described.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return False
    return _sample_text(described, name)


def _sample_text(described: Schema, name: str) -> str:
    """A text of the format; where there is a pattern, a word of its own that fits, as of `^(low|high)$`."""
    text = _EXAMPLES.get(described.get("format", ""), f"<{name}>")
    text = text.ljust(min(described.get("minLength", 0), LONGEST), "x")
    pattern = described.get("pattern", "")
    try:
        return next((each for each in (text, *re.findall(r"[\w-]+", pattern)) if re.search(pattern, each)), text)
    except re.error:  # a pattern of another dialect
        return text


def _sample_object(openapi: OpenApi, described: Schema, depth: int) -> dict[str, Any]:
    properties = described.get("properties", {})
    required = dict.fromkeys(described.get("required", ()))
    return {name: sample(openapi, properties.get(name, {}), name, depth + 1) for name in required if depth <= DEEPEST}


def _named(openapi: OpenApi, described: Schema, name: str, depth: int) -> str:
    match name:
        case "array" if depth < DEEPEST:
            return f"array of {kind(openapi, described.get('items', {}), depth + 1)}"
        case "object" if isinstance(values := described.get("additionalProperties"), Mapping) and depth < DEEPEST:
            return f"object of {kind(openapi, values, depth + 1)}"
        case "string" if form := described.get("format"):
            return f"string ({form})"
    return name


def _object(openapi: OpenApi, schema: Schema, depth: int = 0) -> Schema:
    """The schema of the objects in a schema: its first alternative that has fields, or that of an array's items."""
    may_be = alternatives(openapi, schema)
    items = [each["items"] for each in may_be if "items" in each and depth < DEEPEST]
    inside = (_object(openapi, each, depth + 1) for each in items)
    return next((each for each in (*may_be, *inside) if "properties" in each), {})


def _mapping(schema: Any) -> Schema:
    """The schema `true` allows anything, as `{}` does; nobody shows what `false` allows."""
    return schema if isinstance(schema, Mapping) else {}


def _types(described: Schema) -> list[str]:
    said = described.get("type", "object" if "properties" in described else [])
    return [said] if isinstance(said, str) else list(said)
