"""`reactor reload`: which revision of the configuration each process runs, and what keeps the one on disk out of force."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from reactor.cli.catalog import config_option, json_option, loaded
from reactor.cli.looking import looked
from reactor.cli.shown import Length, print_json, print_text
from reactor.config import Config
from reactor.errors import ConfigError, ReactorError
from reactor.store.revisions import Process
from reactor.store.store import Store

LOOK = 0.2
"""Seconds between two looks while waiting."""


@click.command(
    short_help="Which revision each process runs.",
    epilog="""\b
Examples:
  reactor reload                   who runs what, and what is refused
  reactor reload --wait 90s        until every process runs what is in the directory here
  reactor reload --accept-shrink   most of the rules are meant to go
""",
)
@config_option
@click.option("--wait", type=Length(), help="Wait so long until all run what is here; exit with 1 if they do not.")
@click.option("--accept-shrink", is_flag=True, help="More than half of the rules are meant to go.")
@json_option
def reload(config: Path | None, wait: float | None, accept_shrink: bool, as_json: bool) -> None:
    """Compare the directory here with what the processes run.

    Processes look at their directories by themselves every few seconds and bring what is sound into force; nothing has
    to be told to them but that a much smaller set of rules is meant.
    """
    try:
        here = loaded(config)
    except ConfigError as error:
        print_text(_table(looked(config, lambda store: store.revisions.processes()), ""))
        raise ReactorError(f"what is here can't come into force:\n{error}") from error
    processes = looked(config, lambda store: _compared(store, here, wait or 0.0, accept_shrink))
    if as_json:
        print_json({"here": here.revision, "processes": [asdict(each) for each in processes]})
    else:
        print_text(_lines(here, processes, accept_shrink))
    if wait is not None and not _everywhere(here, processes):
        raise ReactorError(f"after {wait:g} s not every process runs revision {here.revision}")


async def _compared(store: Store, here: Config, wait: float, accept: bool) -> list[Process]:
    deadline = time.monotonic() + wait
    if accept:
        await store.revisions.accept(here.revision)
    while True:
        processes = await store.revisions.processes()
        if _everywhere(here, processes) or time.monotonic() >= deadline:
            return processes
        await asyncio.sleep(LOOK)


def _everywhere(here: Config, processes: list[Process]) -> bool:
    return bool(processes) and all(process.revision == here.revision for process in processes)


def _lines(here: Config, processes: list[Process], accepted: bool) -> list[str]:
    lines = [f"here        {here.revision}  {len(here.rules.rules)} rules"]
    if accepted:
        lines.append(
            f"Accepted: revision {here.revision} may have far fewer rules. It comes into force within seconds."
        )
    return [*lines, *_table(processes, here.revision)]


def _table(processes: Sequence[Process], here: str) -> Iterator[str]:
    """A line for each process, and what it refuses; `here` is the revision of the directory here, if it has one."""
    for process in processes:
        said = "" if process.revision == here else "  (not what is here)"
        yield f"{process.role:<12}{process.revision}  {process.rules} rules  on {process.host}{said}"
        yield from (f"  refuses: {line}" for line in process.refused.splitlines())
    if not processes:
        yield "no process runs"
