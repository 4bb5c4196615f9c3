"""Rewrites the schemas of OpenAPI documents as plain JSON Schema 2020-12, without prose. Pure.

Owns what OpenAPI 3.0 says in its own dialect (`nullable`, bounds that are flags, what counts beside a $ref), so that nobody
else has to know two dialects. Knows schemas only, not the documents around them.
"""

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

_PROSE = ("title", "description", "summary", "example", "examples", "externalDocs", "xml", "discriminator", "$comment")

# How the parts of a schema that are schemas themselves are held; everything else is data.
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
_ONE_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")


def json_schema(schema: Any) -> Any:
    """A JSON Schema without prose; `nullable` is understood here too, for many 3.1 documents still say it."""
    return _mapped(schema, json_schema)


def json_schema_of_3_0(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema. Beside a $ref nothing counts there, but `nullable` is meant."""
    if isinstance(schema, dict) and "$ref" in schema:
        schema = {key: value for key, value in schema.items() if key in ("$ref", "nullable")}
    return _mapped(schema, json_schema_of_3_0)


def without_prose(value: Mapping[str, Any]) -> Json:
    """Without descriptions, examples and vendors' extensions."""
    return {key: inner for key, inner in value.items() if key not in _PROSE and not str(key).startswith("x-")}


def _mapped(schema: Any, inner: Callable[[Any], Any]) -> Any:
    if not isinstance(schema, dict):
        return schema
    plain: Json = {}
    for key, value in without_prose(schema).items():
        if key in (*_ONE, *_ONE_UNEVALUATED):
            plain[key] = inner(value)
        elif key in _LISTS:
            plain[key] = [inner(member) for member in value]
        elif key in _MAPS:
            plain[key] = {str(name): inner(member) for name, member in value.items()}
        else:
            plain[key] = value
    return _with_null(_with_exclusive_bounds(plain))


def _with_exclusive_bounds(schema: Json) -> Json:
    """`minimum: 0, exclusiveMinimum: true` of OpenAPI 3.0 is `exclusiveMinimum: 0`."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)
    return schema


def _with_null(schema: Json) -> Json:
    """`nullable: true` of OpenAPI 3.0 is one more type, or one more alternative to a reference or composition."""
    if not schema.pop("nullable", False):
        return schema
    if any(key in schema for key in ("$ref", *_LISTS)):
        return {"anyOf": [schema, {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if None not in schema.get("enum", [None]):
        schema["enum"] = [*schema["enum"], None]
    return schema
