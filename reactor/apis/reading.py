"""Reads a vendor's OpenAPI document, JSON or YAML, into plain values of bounded size.

Unlike the files that `yaml12` reads, these are written by machines: aliases are expanded, not refused, and no place is kept.
Knows nothing of OpenAPI, writes nothing, fetches nothing.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from reactor.apis.dialect import Json
from reactor.errors import ReactorError

MAX_BYTES = 8 * 1024 * 1024
MAX_VALUES = 2_000_000
MAX_DEPTH = 200


class _Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a base chosen at run time
    """YAML 1.2 core: an enum of country codes keeps its `NO`, a version `2024-01-01` stays a text."""

    yaml_implicit_resolvers: Mapping[str, list[tuple[str, re.Pattern[str]]]] = {}


_Yaml.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Yaml.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?$"), list("-+0123456789")
)


def load_document(source: Path) -> Json:
    """Read an OpenAPI document from a file. Raises ReactorError as `parse_document`, or if the file can't be read."""
    try:
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ReactorError(f"{source}: can't be read: {error.strerror}") from error
    return parse_document(content, str(source))


def parse_document(content: bytes, source: str) -> Json:
    """Read an OpenAPI document, JSON or YAML, that an operator chose to trust (aliases are allowed, and expanded).

    `source` names it in messages. Raises ReactorError if it is larger than MAX_BYTES, unreadable or no mapping.
    """
    if len(content) > MAX_BYTES:
        raise ReactorError(f"{source}: found a longer document, expected at most {MAX_BYTES} bytes")
    content = content.removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        document: object = orjson.loads(content) if content.startswith(b"{") else yaml.load(content, _Yaml)  # noqa: S506
    except (UnicodeDecodeError, orjson.JSONDecodeError, yaml.YAMLError) as error:
        raise ReactorError(f"{source}: can't be read: {error}") from error
    if not isinstance(document, dict):
        raise ReactorError(f"{source}: found no mapping, expected an OpenAPI document")
    plain: Json = _Plain(source).copy(document)
    return plain


class _Plain:
    """A document as JSON would have it: aliases written out, keys as texts (YAML reads the status 200 as a number)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.left = MAX_VALUES

    def copy(self, value: Any, depth: int = 0) -> Any:
        """A copy. Raises ReactorError when aliases, perhaps of what holds them, make it too large."""
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise ReactorError(
                f"{self.source}: found more than {MAX_VALUES} values or {MAX_DEPTH} levels, expected fewer"
            )
        if isinstance(value, dict):
            return {str(key): self.copy(inner, depth + 1) for key, inner in value.items()}
        return [self.copy(inner, depth + 1) for inner in value] if isinstance(value, list) else value
