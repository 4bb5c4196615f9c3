"""How values and names are shown in messages about files: short, on one line, safe to print."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def expected_one_of(found: str, names: Iterable[str]) -> str:
    """The words for a mistyped name: `found "x", expected one of "a", "b"; did you mean "a"?`"""
    return f"found {quoted(found)}, expected {one_of(found, names)}"


def one_of(found: str, names: Iterable[str]) -> str:
    """What was expected instead of `found`; of more than twenty names only the nearest are listed, or the first."""
    valid = sorted(names)
    near = get_close_matches(clipped(found), valid)
    listed = list(map(quoted, valid)) if len(valid) <= 20 else [*map(quoted, near or valid[:5]), "…"]
    return f"one of {', '.join(listed)}" + (f"; did you mean {quoted(near[0])}?" if near else "")


def shown(value: Any) -> str:
    """A value of a YAML file, as its author would name it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return quoted(value)
        case _:
            return clipped(str(value))


def quoted(text: str) -> str:
    """In quotes and on one line; what isn't printable (terminal escapes, text direction) is spelled out."""
    return repr(clipped(text))


def clipped(text: str) -> str:
    """At most sixty characters."""
    return text if len(text) <= 60 else f"{text[:59]}…"
