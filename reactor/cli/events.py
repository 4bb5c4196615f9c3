"""`reactor events`: look at the event log, and let what was set aside be decided on again."""

from collections.abc import Sequence
from pathlib import Path

import click

from reactor.cli.batch import Batch, each_of
from reactor.cli.catalog import config_option, json_option
from reactor.cli.looking import completing, looked
from reactor.cli.shown import MOST, clock, json_of, limit_option, operator, print_json, print_lines, print_table
from reactor.operator.events import event_detail, event_found, event_value, retry_event
from reactor.store.logged import Logged
from reactor.store.store import Store

EXAMPLES = """\b
Examples:
  reactor events ls
  reactor events ls --aside
  reactor events show 1763786000123-0
  reactor events retry 1763786000123-0
"""


async def _places(store: Store) -> Sequence[str]:
    """Those of the events set aside, then of the newest ones."""
    listed = (*await store.logged.aside(count=MOST), *await store.logged.newest(count=MOST))
    return list(dict.fromkeys(each.entry.entry for each in listed))


complete_event = completing(_places)
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
    found = looked(config, lambda store: (store.logged.aside if aside else store.logged.newest)(count=limit))
    if as_json:
        print_json([event_value(each) for each in found])
    elif found:
        print_table(("EVENT", "ACCEPTED", "TYPE", "RESOURCE", "VERDICT", "JOBS", "ID"), map(_line, found))


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
    detail = event_detail(looked(config, lambda store: event_found(store, event)))
    if as_json:
        print_json(detail)
        return
    detail["accepted"] = clock(detail["accepted"])
    print_lines([(name, value if isinstance(value, str) else json_of(value)) for name, value in detail.items()])


@events.command(epilog=EXAMPLES)
@click.argument("named", nargs=-1, required=True, metavar="EVENT...", shell_complete=complete_event)
@config_option
@json_option
def retry(named: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Decide again on events that were set aside, once what stopped their dispatchers is mended.

    Each is read as if for the first time: five more failures set it aside again. Jobs that were planned stand.
    """

    async def again(store: Store) -> Batch[Logged]:
        async def one(event: str) -> Logged:
            return await retry_event(store, await event_found(store, event), operator())

        return await each_of(named, one)

    looked(config, again).tell(event_value, lambda each: f"{each.entry.entry} is decided on again", as_json=as_json)
