"""`reactor events`: look at the event log, and let what was set aside be decided on again."""

from collections.abc import Sequence
from pathlib import Path

import click

from reactor.cli.batch import Batch, each_of
from reactor.cli.catalog import config_option, json_option, type_option
from reactor.cli.looking import completing, looked
from reactor.cli.shown import MOST, clock, json_of, limit_option, operator, print_json, print_lines, print_table
from reactor.operator.events import Sought, event_detail, event_found, event_value, listed, retry_event
from reactor.store.logged import Logged
from reactor.store.store import Store

EXAMPLES = """\b
Examples:
  reactor events ls
  reactor events ls --resource build-7      by the name or the id of the volume, snapshot or sandbox
  reactor events ls --type 'volume.*' --limit 10
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
@type_option("Those of this type; `*` matches any part.")
@click.option("--resource", default="", metavar="ID|NAME", help="Those of the resource with this id or name.")
@limit_option
@config_option
@json_option
def ls(aside: bool, event_type: str, resource: str, limit: int, config: Path | None, as_json: bool) -> None:
    """List events, the newest first: what each tells, its verdict, and how many jobs followed."""
    sought = Sought(event_type, resource)
    found = looked(config, lambda store: listed(store, sought, aside=aside, count=limit))
    if as_json:
        print_json([event_value(each) for each in found])
    elif found:
        print_table(HEADING, map(_line, found))
    else:
        click.echo(NONE["aside" if aside else "sought" if event_type or resource else "any"], err=True)


HEADING = ("EVENT", "ACCEPTED", "TYPE", "NAME", "STATES", "VERDICT", "JOBS", "RESOURCE", "ID")

NONE = {
    "aside": "no event is set aside",
    "sought": "the log has no such event: `reactor events ls` lists all, `reactor reconcile --dry-run` what no webhook told",
    "any": "the log is empty: `reactor status` says whether webhooks come and are refused",
}


def _line(logged: Logged) -> tuple[str, ...]:
    value = event_value(logged)
    verdict = "set aside" if logged.aside else value["verdict"] or "not yet"
    told = (value["type"] or "?", value["name"] or "-", " → ".join(value["states"]) or "-")
    place = (value["entry"], clock(value["accepted"]))
    return (*place, *told, verdict, str(value["jobs"]), value["resource"] or "-", value["id"])


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
