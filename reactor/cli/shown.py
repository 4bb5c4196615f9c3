"""How commands print: tables, times, JSON; and how they read a length of time. Knows nothing of what is shown."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from reactor.errors import ReactorError
from reactor.rules import durations
from reactor.telemetry import escaped

MOST = 10_000
"""Things that one command lists or changes at most; the next one takes the rest."""

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


class Length(click.ParamType[float]):
    """A duration, written as in rule files, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or say what was expected."""
        if isinstance(value, float):
            return value
        try:
            return durations.read(value) / 1000
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
    print_text(aligned([[escaped(cell) for cell in row] for row in rows]))


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their heading. On a terminal a line is cut at its edge, so that columns stay columns."""
    lines = aligned([heading, *([escaped(cell) for cell in row] for row in rows)])
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print_text(line if edge is None or len(line) <= edge else line[: edge - 1] + "…" for line in lines)


def print_text(lines: Iterable[str]) -> None:
    """Print lines, in which what names and errors say can neither end a line nor steer the terminal."""
    for line in lines:
        click.echo(escaped(line))


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


def together(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Several options as one decorator, in their order in `--help`."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def since_option(meaning: str) -> Callable[..., Any]:
    """`--since 1h`, as seconds."""
    return click.option("--since", type=Length(), help=meaning)


def limit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--limit`, the same for every command that lists what there may be many of."""
    return click.option(
        "--limit", type=click.IntRange(1, MOST), default=100, show_default=True, help="So many at most."
    )(command)


def agreed(question: str) -> None:
    """Ask. Raises ReactorError where there is nobody to ask, click.Abort for a no."""
    if not sys.stdin.isatty():
        raise ReactorError(f"{question} Nobody is here to ask, and nothing was done: --yes does it, --dry-run shows it")
    click.confirm(question, abort=True, err=True)
