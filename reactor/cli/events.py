"""`reactor events`: look at the event log, and let what was set aside be decided on again."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from reactor.cli.catalog import config_option, json_option
from reactor.cli.looking import looking
from reactor.cli.shown import MOST, clock, json_of, limit_option, operator, print_json, print_lines
from reactor.errors import NotFound, NotPossible, ReactorError
from reactor.operator.events import event_detail, event_found, event_value, retry_event
from reactor.store.logged import Logged

EXAMPLES = """\b
Examples:
  reactor events ls
  reactor events ls --aside
  reactor events show 1763786000123-0
  reactor events retry 1763786000123-0
"""


def complete_event(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The events set aside, then the newest ones, whose places in the log begin so; none without a server."""
    try:
        aside, newest = (asyncio.run(_listed(ctx.params.get("config"), MOST, aside=aside)) for aside in (True, False))
    except ReactorError:
        return []
    places = dict.fromkeys(each.entry.entry for each in (*aside, *newest))
    return [place for place in places if place.startswith(incomplete)]


event_argument = click.argument("event", metavar="EVENT", shell_complete=complete_event)


@click.group(short_help="Look at events; decide again what was set aside.", epilog=EXAMPLES)
def events() -> None:
    """Events of the log, by their place in it (milliseconds of acceptance, a dash, a number) or by their signed id."""


@events.command(epilog=EXAMPLES)
@click.option("--aside", is_flag=True, help="Those that nobody could decide on.")
@limit_option
@config_option
@json_option
def ls(aside: bool, limit: int, config: Path | None, as_json: bool) -> None:
    """List events, the newest first, with their verdict and how many jobs followed."""
    found = asyncio.run(_listed(config, limit, aside=aside))
    if as_json:
        print_json([event_value(each) for each in found])
    elif found:
        print_lines([("EVENT", "ACCEPTED", "TYPE", "RESOURCE", "VERDICT", "JOBS", "ID"), *map(_line, found)])


async def _listed(config: Path | None, count: int, *, aside: bool) -> Sequence[Logged]:
    async with looking(config) as store:
        return await (store.logged.aside(count=count) if aside else store.logged.newest(count=count))


def _line(logged: Logged) -> tuple[str, ...]:
    value = event_value(logged)
    verdict = "set aside" if logged.aside else value["verdict"] or "not yet"
    told = (value["entry"], clock(value["accepted"]), value["type"] or "?", value["resource"] or "-")
    return (*told, verdict, str(value["jobs"]), value["id"])


@events.command(epilog=EXAMPLES)
@event_argument
@config_option
@json_option
def show(event: str, config: Path | None, as_json: bool) -> None:
    """Show an event: its payload, its verdict, and the plan that followed."""
    detail = event_detail(asyncio.run(_found(config, event)))
    if as_json:
        print_json(detail)
        return
    detail["accepted"] = clock(detail["accepted"])
    print_lines([(name, value if isinstance(value, str) else json_of(value)) for name, value in detail.items()])


async def _found(config: Path | None, event: str) -> Logged:
    async with looking(config) as store:
        return await event_found(store, event)


@events.command(epilog=EXAMPLES)
@click.argument("named", nargs=-1, required=True, metavar="EVENT...", shell_complete=complete_event)
@config_option
@json_option
def retry(named: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Decide again on events that were set aside, once what stopped their dispatchers is mended.

    Each is read as if for the first time: five more failures set it aside again. Jobs that were planned stand.
    """
    retried, refused = asyncio.run(_retry(config, named))
    if as_json:
        print_json([event_value(each) for each in retried])
    else:
        for each in retried:
            click.echo(f"{each.entry.entry} is decided on again")
    if refused:
        raise ReactorError("\n".join(refused))


async def _retry(config: Path | None, named: Sequence[str]) -> tuple[list[Logged], list[str]]:
    retried: list[Logged] = []
    refused: list[str] = []
    async with looking(config) as store:
        for each in named:
            try:
                retried.append(await retry_event(store, await event_found(store, each), operator()))
            except (NotFound, NotPossible) as error:
                refused.append(str(error))
    return retried, refused
