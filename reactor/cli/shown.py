"""How commands print: tables, times, JSON; and how they read a length of time. Knows nothing of what is shown."""

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Length(click.ParamType[float]):
    """A length of time like 90s, 10m, 1h or 7d, as seconds."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or say what was expected."""
        if isinstance(value, float):
            return value
        read = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if read is None:
            self.fail(f"found {value!r}, expected a time like 90s, 10m, 1h or 7d", param, ctx)
        return float(read[1]) * UNITS[read[2]]


def clock(milliseconds: int | None) -> str:
    """A time, in UTC."""
    if milliseconds is None:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def print_lines(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table."""
    for line in aligned(rows):
        click.echo(line)


def json_of(value: Any) -> str:
    """One JSON value on one line."""
    return orjson.dumps(value).decode()


def print_json(value: Any) -> None:
    """Print one JSON value."""
    click.echo(json_of(value))


def short(text: str | None, width: int = 80) -> str:
    """The first line of a text, cut where it is too long for a table."""
    line = (text or "").partition("\n")[0]
    return line if len(line) <= width else line[: width - 1] + "…"


def operator() -> str:
    """Who sits at the command line, as rows and logs name them."""
    return f"{os.environ.get('USER') or f'uid {os.getuid()}'} at {os.uname().nodename}"


def since_option(meaning: str) -> Callable[..., Any]:
    """`--since 1h`, as seconds."""
    return click.option("--since", type=Length(), metavar="TIME", help=meaning)
