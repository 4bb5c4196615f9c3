"""`reactor replay` and `reactor backtest`: decide on logged events again, in earnest or by way of trial."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from reactor.cli.catalog import config_option, json_option, type_option
from reactor.cli.events import complete_event
from reactor.cli.looking import known, looked
from reactor.cli.shown import Length, agreed, json_of, operator, print_json, since_option, yes_option
from reactor.config import Config, load_config
from reactor.errors import ReactorError
from reactor.operator.backtest import note, verdict_of
from reactor.operator.events import events_found
from reactor.operator.replay import Span, events_in, preview, replayed_value
from reactor.operator.replay import replay as replay_events
from reactor.rehearsal.backtest import Change, Then, changes, memory, rehearsed
from reactor.store.log import Entry
from reactor.store.logged import Logged
from reactor.store.store import Store

DIFFERS = 3
"""The exit status of a backtest in which something differs."""


def _ago(seconds: float | None) -> int | None:
    """So long ago, in milliseconds since the epoch."""
    return None if seconds is None else int((time.time() - seconds) * 1000)


@click.command(
    short_help="Decide on logged events once more.",
    epilog="""\b
Examples:
  reactor replay msg_2abc --dry-run              what the rules of now ask for
  reactor replay --since 2h --type 'volume.*'    asks before it does so
""",
)
@click.argument("event", nargs=-1, metavar="[EVENT]...", shell_complete=complete_event)
@since_option("Events accepted so long ago or later: 2h, 7d.")
@click.option("--until", type=Length(), help="Events accepted so long ago or earlier.")
@type_option("Of this type only; `*` matches any part.")
@click.option("--dry-run", is_flag=True, help="Show which jobs the rules of now ask for, and replay nothing.")
@yes_option
@config_option
@json_option
def replay(config: Path | None, **given: Any) -> None:
    """Decide on events of the log once more, by the rules in force: after a rule was mended, or an outage.

    Each replay is an event of its own with jobs of its own; what the first one led to stands. It counts as an event of now
    for `cooldown`, `throttle` and the like; that it is old, outdated or a repetition does not matter. Who asked for it is
    noted with the event.
    """
    asked = _Replay(**given)
    if bool(asked.event) == (asked.since is not None):
        raise click.UsageError("name events, or a span with --since")

    async def do(store: Store) -> None:
        await asked.do(store, await known(store, config))

    looked(config, do)


@dataclass(frozen=True)
class _Replay:
    """A replay as it was asked for: events by name, or a span."""

    event: Sequence[str]
    since: float | None
    until: float | None
    event_type: str
    dry_run: bool
    yes: bool
    as_json: bool

    async def do(self, store: Store, rules: Config) -> None:
        """Show what would follow, or ask and do it."""
        found = await self._meant(store, rules)
        previews = [preview(rules, each) for each in found]
        if self.dry_run:
            _print_dry(previews, as_json=self.as_json)
            return
        if not self.yes and len(found) > 1:
            jobs = sum(len(each["jobs"]) for each in previews)
            agreed(f"{len(found)} events would be replayed; their rules ask for {jobs} jobs. Do it?")
        _print_done(await replay_events(store, found, operator()), as_json=self.as_json)

    async def _meant(self, store: Store, rules: Config) -> list[Logged]:
        if self.event:
            return await events_found(store, self.event)
        return await events_in(store, rules, Span(_ago(self.since) or 0, _ago(self.until), self.event_type or "*"))


def _print_done(entries: Sequence[Entry], *, as_json: bool) -> None:
    if as_json:
        print_json([replayed_value(each) for each in entries])
        return
    for entry in entries:
        click.echo(f"{entry.id} is decided on again as {entry.entry} (replay {entry.generation})")
    if not entries:
        click.echo("no event is meant")


def _print_dry(previews: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(previews)
        return
    for each in previews:
        click.echo(f"{each['entry']}  {each['id']}: {len(each['jobs']) or 'no'} jobs, as far as controls let them")
        for job in each["jobs"]:
            click.echo(f"  {json_of(job)}")


@click.command(
    short_help="What other rules would have done with the log's events.",
    epilog="""\b
Examples:
  reactor backtest ./new-config --since 7d
  reactor backtest ./new-config --since 1d --json      for a pull request
Exit status: 0 when nothing differs, 3 when something does, 1 for rules that can't be used.
""",
)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--since", type=Length(), default="7d", show_default=True, help="Events accepted so long ago or later.")
@config_option
@json_option
def backtest(directory: Path, since: float, config: Path | None, as_json: bool) -> None:
    """Put the log's events to the rules of DIRECTORY, without effects, and compare with what was done.

    Prints the jobs that would be added (+), missing (-) and different (~). Events that came shortly before the span are put to
    the rules, too, so that they remember what they should.
    """
    new = load_config(directory)
    events, found = looked(config, lambda store: _backtest(store, new, _ago(since) or 0))
    if as_json:
        print_json({"events": events, "changes": [asdict(change) for change in found]})
    else:
        click.echo("\n".join(_plan(events, found)))
    if found:
        raise SystemExit(DIFFERS)


async def _backtest(store: Store, new: Config, since: int) -> tuple[int, list[Change]]:
    until = int(time.time() * 1000)
    events = [each async for each in store.logged.between(since - memory(new.rules.rules))]
    inside = [each for each in events if each.entry.accepted >= since]
    then = await _done(store, inside)
    try:
        jobs = rehearsed(new, ((each.entry, verdict_of(each)) for each in events), until, then)
    except RecursionError as error:
        raise ReactorError("the rules of the new directory emit events without end") from error
    would_be = {job.id: job for job in jobs if int(job.entry.partition("-")[0]) >= since}
    return len(inside), changes(then.jobs, would_be)


async def _done(store: Store, events: Sequence[Logged]) -> Then:
    """What was done with events; the jobs of replays are their askers'."""
    then = Then()
    for each in events:
        if not each.entry.generation:
            await note(then, store, each)
    return then


def _plan(events: int, found: Sequence[Change]) -> Iterator[str]:
    for change in found:
        yield f"{change.sign} {change.rule}  {change.entry}"
        if change.was:
            yield f"    was       {json_of(change.was)}"
        if change.would_be:
            yield f"    would be  {json_of(change.would_be)}"
    count = {sign: sum(change.sign == sign for change in found) for sign in "+-~"}
    yield f"{events} events: {count['+']} jobs added, {count['-']} missing, {count['~']} different"
