"""`reactor pause` and `reactor resume`: the brakes. Receiving and deciding go on; only acting stops."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from reactor.cli.catalog import complete_api, complete_rule, config_option, json_option, loaded
from reactor.cli.looking import looked
from reactor.cli.shown import Length, clock, operator, print_json, print_table
from reactor.config import Config
from reactor.errors import ConfigError
from reactor.operator.brakes import pause as pause_scope
from reactor.operator.brakes import pause_value, scope_of
from reactor.operator.brakes import resume as resume_scope
from reactor.store.brakes import Pause

EXAMPLES = """\b
Examples:
  reactor pause --api daytona --reason "incident 42" --for 1h
  reactor pause                         everything, until resumed
  reactor pause ls
  reactor resume --api daytona
"""

api_option: Callable[..., Any] = click.option(
    "--api", metavar="API", shell_complete=complete_api, help="Only what calls this API."
)


def _known(config: Path | None) -> Config | None:
    """The configuration, for its names; in an incident nobody waits until it can be read."""
    try:
        return loaded(config)
    except ConfigError as error:
        click.echo(f"warning: names can't be checked: {error.problems[0]}", err=True)
        return None


rule_option: Callable[..., Any] = click.option(
    "--rule", metavar="RULE", shell_complete=complete_rule, help="Only what this rule asked for."
)


@click.group(invoke_without_command=True, short_help="Stop acting; receive and decide on.", epilog=EXAMPLES)
@api_option
@rule_option
@click.option("--reason", default="", help="Why; shown wherever the pause is.")
@click.option("--for", "seconds", type=Length(), help="Resume by itself after this time: 10m, 1h, 1d.")
@config_option
@json_option
@click.pass_context
def pause(
    ctx: click.Context,
    api: str | None,
    rule: str | None,
    reason: str,
    seconds: float | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Stop acting: everything, or one API or rule. Events are received and decided on; what follows from them waits.

    Jobs that are being performed end; those that are held spend no attempt, and go on within seconds of `reactor resume`.
    """
    if ctx.invoked_subcommand:
        return
    scope = scope_of(_known(config) if api or rule else None, *_one(api, rule))
    paused = looked(config, lambda store: pause_scope(store, scope, by=operator(), reason=reason, seconds=seconds))
    _print(paused, as_json=as_json)


@pause.command(epilog=EXAMPLES)
@config_option
@json_option
def ls(config: Path | None, as_json: bool) -> None:
    """List what is paused: since when, until when, by whom, why, and how many jobs it holds."""
    _print(looked(config, lambda store: store.brakes.pauses()), as_json=as_json)


@click.command(short_help="Act again on what was paused.", epilog=EXAMPLES)
@api_option
@rule_option
@config_option
@json_option
def resume(api: str | None, rule: str | None, config: Path | None, as_json: bool) -> None:
    """Act again: what was paused by the same words. The jobs it held are performed within seconds."""
    scope = scope_of(None, *_one(api, rule))
    was_paused, left = looked(config, lambda store: resume_scope(store, scope, by=operator()))
    if not was_paused:
        click.echo("that was not paused" + "; see `reactor pause ls`" * bool(left), err=True)
    _print(left, as_json=as_json)


def _one(api: str | None, rule: str | None) -> tuple[str | None, str | None]:
    if api and rule:
        raise click.UsageError("--api or --rule, one of the two; without both, everything is meant")
    return api, rule


def _print(pauses: Sequence[Pause], *, as_json: bool) -> None:
    if as_json:
        print_json([pause_value(each) for each in pauses])
    elif pauses:
        print_table(("PAUSED", "SINCE", "UNTIL", "HOLDS", "BY", "WHY"), map(_line, pauses))
    else:
        click.echo("nothing is paused")


def _line(pause: Pause) -> tuple[str, ...]:
    until = clock(pause.until) if pause.until else "until resumed"
    return (str(pause.scope), clock(pause.at), until, f"{pause.held} jobs", pause.by, pause.reason)
