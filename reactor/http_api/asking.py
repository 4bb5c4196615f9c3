"""Reads what a request asks for. Raises RequestRejected that names the field."""

from collections.abc import Mapping
from typing import Any

from reactor.errors import RequestRejected
from reactor.http_api.api import Asked

MOST = 1000
"""Things that one answer lists."""

LONGEST_NUMBER = 15
"""Digits."""


def limit_of(asked: Asked, default: int = 100) -> int:
    """`limit`: how many things are listed at most."""
    given = asked.query.get("limit", str(default))
    if not _is_number(given) or not 1 <= int(given) <= MOST:
        raise RequestRejected(400, "bad_parameter", f"limit: found {given[:20]!r}, expected 1 to {MOST}")
    return int(given)


def number_of(asked: Asked, name: str) -> int | None:
    """A time in milliseconds since the epoch, None where it is not given."""
    given = asked.query.get(name)
    if given is None:
        return None
    if not _is_number(given):
        raise RequestRejected(400, "bad_parameter", f"{name}: found {given[:20]!r}, expected milliseconds since 1970")
    return int(given)


def _is_number(text: str) -> bool:
    """Whether a text is a number that a time could be; of thousands of digits Python makes none."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def moment_of(body: Mapping[str, Any], name: str) -> int | None:
    """A field that is a time in milliseconds since the epoch, None where it is not given."""
    given = body.get(name)
    if given is not None and (type(given) is not int or not 0 <= given < 10**15):
        raise RequestRejected(400, "bad_field", f"{name}: expected milliseconds since 1970")
    return given


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false; false where it is not given."""
    given = body.get(name, False)
    if not isinstance(given, bool):
        raise RequestRejected(400, "bad_field", f"{name}: expected true or false")
    return given


def text_of(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A field that is a text."""
    given = body.get(name, default)
    if not isinstance(given, str):
        raise RequestRejected(400, "bad_field", f"{name}: expected a text")
    return given
