"""Durations as rule files and command lines write them: `90s`, `10m`, `1h30m`, `7d`. Pure."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

LONGEST = 14 * 86_400_000
"""Milliseconds: what the reactor remembers of resources and events is not kept for much longer than two weeks."""

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PARTS = "".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS)
_WRITTEN = re.compile(_PARTS)


def milliseconds(text: Any) -> int:
    """A duration in milliseconds. Raises ValueError for what is none, is nothing, or is longer than 14 days."""
    total = moment(text)
    if not total:
        raise ValueError(f"found {text!r}, expected a duration of more than nothing and at most 14d")
    return total


def moment(text: Any) -> int:
    """The same for a time that has passed since something, which may be nothing: `0s`. Raises ValueError."""
    total = read(text)
    if total > LONGEST:
        raise ValueError(f"found {text!r}, expected a duration of more than nothing and at most 14d")
    return total


def read(text: Any) -> int:
    """The same for one that is not bounded, as command lines have them. Raises ValueError."""
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) and len(text) < 40 else None
    if not text or found is None:
        raise ValueError(f"found {text!r}, expected a duration like 90s, 10m, 1h30m or 7d")
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS.values(), strict=True))


def written(duration: int) -> str:
    """A duration as it would be written: 5400000 is `1h30m`."""
    parts = []
    for name, unit in _UNITS.items():
        count, duration = divmod(duration, unit)
        parts += [f"{count}{name}"] if count else []
    return "".join(parts) or "0s"


_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{_PARTS}$", "examples": ["10m"]})

Duration = Annotated[int, BeforeValidator(milliseconds), _SCHEMA]
"""A field of a rule file: written as text, known in milliseconds."""

Moment = Annotated[int, BeforeValidator(moment), _SCHEMA]
"""The same where it may be nothing: `0s` is at once."""
