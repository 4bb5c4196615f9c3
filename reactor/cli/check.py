"""`reactor check`: everything that is wrong or odd with a configuration directory, in one pass."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from reactor.cli.catalog import directory_of, json_option
from reactor.cli.shown import print_json
from reactor.config import Inspection
from reactor.errors import Problem
from reactor.rehearsal.suite import inspect_with_tests
from reactor.review import masked

WIDEST = 110
"""Characters of a line that are shown around a problem."""


@click.command(
    short_help="Find everything that is wrong with a configuration.",
    epilog="""\b
Examples:
  reactor check                    the directory that would be loaded
  reactor check config --strict    for CI: warnings fail, too
""",
)
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@json_option
def check(directory: Path | None, strict: bool, as_json: bool) -> None:
    """Read, check and compile DIRECTORY as a process that starts would, and say all there is to say at once.

    The tests beside the rules are run, too: one that fails is an error.

    Needs no server, no keys and no environment. Exits with 1 if there are errors: such a configuration is never brought
    into force.
    """
    directory = directory_of(directory)
    found = inspect_with_tests(directory)
    if as_json:
        print_json(_value(found))
    else:
        click.echo("\n".join(_lines(found, directory)))
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if errors or (strict and found.problems):
        raise SystemExit(1)


def _value(found: Inspection) -> dict[str, Any]:
    problems = [asdict(problem) for problem in found.problems]
    revision = found.config.revision if found.config else None
    return {"revision": revision, "problems": problems}


def _lines(found: Inspection, directory: Path) -> Iterator[str]:
    for problem in found.problems:
        yield from _shown(problem, found.texts)
    errors = sum(problem.severity == "error" for problem in found.problems)
    warnings = len(found.problems) - errors
    if found.config is None:
        yield f"{directory}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
        return
    config = found.config
    parts = (len(config.rules.rules), "rule"), (len(config.apis), "API"), (len(config.workflows), "workflow document")
    yield f"{directory}: sound, {_counted(warnings, 'warning')}; revision {config.revision}"
    yield ", ".join(_counted(*part) for part in parts)


def _shown(problem: Problem, texts: Mapping[str, bytes]) -> Iterator[str]:
    """A problem, and the line it is in, with a mark below the place."""
    where, _, message = str(problem).partition(": ")
    yield f"{where}: {problem.severity}: {message}"
    lines = texts.get(problem.file, b"").decode("utf-8", "replace").splitlines()
    if 0 < problem.line <= len(lines):
        line, column = masked(lines[problem.line - 1]), problem.column
        start = max(0, column - WIDEST // 2) if len(line) > WIDEST else 0
        number = f"{problem.line:>5} | "
        yield number + "".join(_printable(character) for character in line[start : start + WIDEST])
        yield " " * (len(number) - 2) + "| " + " " * (column - 1 - start) + "^"
    yield ""


def _printable(character: str) -> str:
    """What moves no cursor and changes no colour."""
    return character if character.isprintable() else " "


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
