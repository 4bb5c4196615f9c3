"""`reactor emulator`: Daytona and Runloop on this machine, with webhooks and faults."""

import asyncio
from collections.abc import Callable
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any, cast, get_args

import click
import orjson
from pydantic import ValidationError

from reactor.emulator import EmulatorSettings, Endpoint, serve
from reactor.emulator.faults import Faults
from reactor.emulator.limits import Limit, Throttler
from reactor.yaml12 import expected_one_of

DEFAULTS = EmulatorSettings()

THROTTLERS = get_args(Throttler)

MINUTE = 60.0


def _faults(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Faults:
    try:
        return Faults(**{name: _value(text) for name, _, text in (value.partition("=") for value in values)})
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(field.name for field in fields(Faults))
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}; the faults are {known}") from None


faults_option: Callable[..., Any] = click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_faults,
    help="Put a fault of the emulator in force; repeat for more.",
)


def _limits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[Throttler, Limit]:
    limits: dict[Throttler, Limit] = {}
    for value in values:
        name, _, rate = value.partition("=")
        calls, _, seconds = rate.partition("/")
        if name not in THROTTLERS:
            raise click.UsageError(expected_one_of(name, THROTTLERS))
        try:
            limits[cast(Throttler, name)] = Limit(int(calls), float(seconds or MINUTE))
        except ValueError:
            raise click.UsageError(f"found {value}, expected calls and seconds, as in {name}=5/1") from None
    return limits


limits_option: Callable[..., Any] = click.option(
    "--rate-limit",
    "limits",
    multiple=True,
    metavar="THROTTLER=CALLS/SECONDS",
    callback=_limits,
    help=f"Let no more calls through; repeat for more. Throttlers: {', '.join(THROTTLERS)}.",
)


@click.command(
    short_help="Daytona and Runloop on this machine.",
    epilog="""\b
Examples:
  reactor emulator --port 8788 --webhook http://127.0.0.1:8787/webhooks/daytona --secret whsec_…
  reactor emulator --apis config/apis
  reactor emulator --fault drop=0.3 --fault reorder=0.2 --rate-limit authenticated=5/1 --seed 7
  curl -X PUT localhost:8788/emulator/faults -d '{"lost_reply": 1, "operations": ["createSandbox"]}'
  curl localhost:8788/emulator/calls          # every API call it got, counted by operation
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8788, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--webhook", metavar="URL", help="Where to deliver events.")
@click.option("--secret", metavar="WHSEC", help="The endpoint's signing secret.")
@click.option(
    "--api-key", default=DEFAULTS.api_key, show_default=True, help="The key that calls of Daytona must bring."
)
@click.option(
    "--runloop-key", "runloop_api_key", default=DEFAULTS.runloop_api_key, show_default=True, help="Runloop's."
)
@click.option("--organization", "organization_id", default=DEFAULTS.organization_id, show_default=True)
@click.option("--time-scale", default=1.0, show_default=True, help="How long states last; 1 is about the real pace.")
@click.option("--retry-scale", default=1.0, show_default=True, help="Pauses between delivery attempts; 1 is Svix's.")
@click.option("--retry-limit", default=inf, help="No pause between delivery attempts is longer, in seconds.")
@click.option(
    "--apis",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Answer all other operations of the documents in this directory by examples.",
)
@faults_option
@limits_option
@click.option("--seed", default=0, show_default=True, help="Makes the faults' dice repeatable.")
def emulator(host: str, port: int, webhook: str | None, secret: str | None, faults: Faults, **settings: Any) -> None:
    """Emulate Daytona (API, toolbox, Svix-signed webhooks) and Runloop's devboxes, for trying and testing.

    Faults, such as drop, duplicate, reorder, delay, lost_reply or event_before_commit, are shares from 0 to 1 or seconds.
    They are read and replaced at /emulator/faults while the emulator runs.
    """
    if webhook and not secret:
        raise click.UsageError("--webhook needs --secret: deliveries are signed")
    try:
        emulated = EmulatorSettings(
            **settings,
            endpoints=(Endpoint(webhook, secret),) if webhook and secret else (),
            faults=faults,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    try:
        asyncio.run(serve(emulated, host, port, lambda url: click.echo(f"emulator listens on {url}")))
    except OSError as error:
        raise click.ClickException(f"can't listen on {host}:{port}: {error}; choose another --port") from error


def _value(text: str) -> Any:
    """A fault's value as JSON writes it; what is not JSON is a text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
