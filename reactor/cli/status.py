"""`reactor status`: the whole reactor on one screen, and by its exit status whether anything is wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from reactor.cli.catalog import config_option, json_option, loaded
from reactor.cli.looking import looked
from reactor.cli.shown import print_json, print_text
from reactor.config import Config
from reactor.errors import ConfigError
from reactor.operator.status import Line, Seen, in_force, judged, look, status_value
from reactor.store.store import Store

MARKS = {"ok": "ok", "note": "note", "wrong": "WRONG"}


@click.command(
    short_help="Is anything wrong, and what to look at next.",
    epilog="""\b
Examples:
  reactor status
  reactor status --json | python -m json.tool
  reactor status >/dev/null || page-somebody      for a monitor
Exit status: 0 when nothing is wrong (notes are nothing wrong), 1 when something is, or the server can't be asked.
""",
)
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> None:
    """Look at everything once: server, processes, configuration, webhooks, events, jobs, gates, pauses and runs.

    Below what is wrong stands what to type or to do next. Changes nothing.
    """
    here, problems = _here(config)

    async def see(store: Store) -> Seen:
        try:
            known = await in_force(store, here)
        except ConfigError:  # made by another version of the reactor
            known = None
        return await look(store, known or here, problems)

    lines = judged(looked(config, see))
    if as_json:
        print_json(status_value(lines))
    else:
        print_text(_told(lines))
    if any(line.level == "wrong" for line in lines):
        raise SystemExit(1)


def _here(config: Path | None) -> tuple[Config | None, Sequence[str]]:
    """The configuration on disk, or what is wrong with it: that keeps nobody from looking."""
    try:
        return loaded(config), ()
    except ConfigError as error:
        return None, [str(problem) for problem in error.problems[:1]]


def _told(lines: Sequence[Line]) -> Iterator[str]:
    about = max(len(line.about) for line in lines)
    for line in lines:
        yield f"{MARKS[line.level]:<5}  {line.about:<{about}}  {line.says}"
        if line.remedy:
            yield f"{'':<5}  {'':<{about}}  → {line.remedy}"
    wrong = sum(line.level == "wrong" for line in lines)
    yield f"{wrong} wrong" if wrong else "nothing is wrong"
