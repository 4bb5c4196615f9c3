"""Checks a document against a pydantic model and puts every error of pydantic at its place in the file, in plain words.

Knows nothing of YAML's syntax and nothing of what a model is for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reactor.errors import ConfigError, Problem
from reactor.yaml12.reading import Document, Path
from reactor.yaml12.words import one_of, quoted, shown

Model = TypeVar("Model", bound=BaseModel)

ENOUGH = 500
"""Errors in one file that are told: who wrote it knows by then, and each of thousands would have to be put into words."""

# What people call the types; for other errors pydantic's own words are used.
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "string_type": "a text",
    "none_required": "nothing",
}


def validate(document: Document, model: type[Model]) -> Model:
    """The document as `model`. Raises ConfigError with every mistake, each at its own line and column.

    An unknown field or a mistyped choice is answered with the valid names and the nearest of them, so the models should
    forbid extra fields and use enums or literals for choices.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as invalid:
        raise ConfigError(*_problems(document, model, invalid.errors(include_url=False)[:ENOUGH])) from None


@dataclass(frozen=True, slots=True)
class _Finding:
    """One error of pydantic: where, what was found there, what was expected instead."""

    path: Path
    found: str
    expected: str = ""
    is_key: bool = False
    of_other_member: bool = False
    """Only a less likely member of a union wants this."""


def _problems(document: Document, model: type[BaseModel], errors: list[ErrorDetails]) -> Iterator[Problem]:
    """One problem for each finding at a place; what the members of a union expected there is joined by "or"."""
    findings = list(_findings(document.data, model, errors))
    merged: dict[_Finding, list[str]] = {}
    for finding in [likely for likely in findings if not likely.of_other_member] or findings:
        alternatives = merged.setdefault(replace(finding, expected=""), [])
        if finding.expected not in alternatives:
            alternatives.append(finding.expected)
    for finding, alternatives in merged.items():
        expected = " or ".join(filter(None, alternatives))
        message = f"{finding.found}, expected {expected}" if expected else finding.found
        yield document.problem(finding.path, message, key=finding.is_key)


def _findings(data: Any, model: type[BaseModel], errors: list[ErrorDetails]) -> Iterator[_Finding]:
    about_fields = any(error["type"] in ("extra_forbidden", "missing") for error in errors)
    schema = model.model_json_schema() if about_fields else {}
    found = [_finding(data, schema, error) for error in errors]
    inner = {finding.path[:length] for finding in found for length in range(len(finding.path))}
    for error, finding in zip(errors, found, strict=True):
        # A member of a union that looked inside the value took its type for granted: a better guess.
        wrong_type = error["type"].endswith("_type") and finding.path in inner
        yield replace(finding, of_other_member=True) if wrong_type else finding


def _finding(data: Any, schema: Mapping[str, Any], error: ErrorDetails) -> _Finding:
    path, last = _path_in(data, error["loc"]), str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            around = _mapping_around(data, path, last)
            names = _field_names(schema, data, around)
            found, expected = f"found {quoted(last)}", one_of(last, names)
            return _Finding((*around, last), found, expected, is_key=True, of_other_member=last in names)
        case "missing":
            around = _mapping_around(data, path)
            names = _field_names(schema, data, around)
            found, expected = f"found no {quoted(last)}", "it: the field is required"
            return _Finding((*around, last), found, expected, of_other_member=bool(names) and last not in names)
        case "value_error" | "assertion_error":  # the model's own words
            return _Finding(path, error["msg"].partition(", ")[2], is_key=last == "[key]")
        case _:
            return _Finding(path, f"found {shown(error['input'])}", _expectation(error), is_key=last == "[key]")


def _expectation(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", str(context.get("expected_tags", context.get("expected", ""))))
    if choices:
        return one_of(str(context.get("tag", error["input"])), choices)
    if error["type"] == "too_short":
        return f"at least {context['min_length']} item{'s' * (context['min_length'] != 1)} in it"
    subject, should, wanted = error["msg"].partition(" should ")
    words = f"it to {wanted}" if should else subject
    return _TYPES.get(error["type"], words.removeprefix("it to be "))


def _path_in(data: Any, loc: Path) -> Path:
    """The part of pydantic's location that is in the data: it also names union members, which are passed over.

    A member may be named like a field: when what follows it isn't below that field but beside it, it was a member.
    """
    path: Path = ()
    value: Any = data
    parent: Any = None
    for step in loc:
        if _has(value, step):
            path, parent, value = (*path, step), value, value[step]
        elif _has(parent, step):
            path, value = (*path[:-1], step), parent[step]
    return path


def _mapping_around(data: Any, path: Path, name: str | None = None) -> Path:
    """The nearest mapping at or above `path`, having the key `name` if that is given."""
    while path:
        value = _value_at(data, path)
        if isinstance(value, dict) and (name is None or name in value):
            break
        path = path[:-1]
    return path


def _value_at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and 0 <= step < len(value)
    return isinstance(value, dict) and step in value


def _field_names(schema: Mapping[str, Any], data: Any, path: Path) -> set[str]:
    """The fields the model knows for the mapping at `path`; of a union, those of the members most like the data."""
    nodes = list(_alternatives(schema, schema))
    for step in path:
        nodes = [inner for node in nodes for inner in _alternatives(schema, _child(node, step))]
    present = set(_value_at(data, path))
    known = [set(node.get("properties", ())) for node in nodes]
    likeness = max((len(present & names) for names in known), default=0)
    return {name for names in known if len(present & names) == likeness for name in names}


def _child(node: Mapping[str, Any], step: str | int) -> Mapping[str, Any]:
    inner = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
    inner = node.get("additionalProperties") if inner is None else inner
    return inner if isinstance(inner, dict) else {}


def _alternatives(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The plain schemas that a pydantic schema node stands for (pydantic refers to models as #/$defs/Name)."""
    if reference := node.get("$ref"):
        node = schema["$defs"][reference.removeprefix("#/$defs/")]
    members = node.get("anyOf") or node.get("oneOf")
    if not members:
        yield node
        return
    for member in members:
        yield from _alternatives(schema, member)
