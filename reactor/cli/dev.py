"""`reactor dev`: everything on one machine, until Ctrl-C."""

import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import click

from reactor.cli.catalog import config_option, directory_of
from reactor.cli.fleet import Fleet, FleetPlan
from reactor.emulator import EmulatorSettings

WATCH = 0.2
"""Seconds between two looks whether all children live."""


@click.command(
    short_help="Everything on this machine, until Ctrl-C.",
    epilog="Example: reactor dev --time-scale 5     (states last five times as long: time to watch)",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".reactor/dev"),
    show_default=True,
    help="Where the data stays.",
)
@config_option
@click.option("--port", default=8787, show_default=True, help="Port of the webhook endpoint.")
@click.option("--emulator-port", default=8788, show_default=True, help="Port of the emulated Daytona.")
@click.option("--time-scale", default=1.0, show_default=True, help="How long states last; 1 is about Daytona's pace.")
def dev(data: Path, config: Path | None, port: int, emulator_port: int, time_scale: float) -> None:
    """Run the embedded server, an emulated Daytona, web and worker, with their logs here.

    The data stays in --data and is there again next time.
    """
    data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        plan = FleetPlan(data, directory_of(config), time_scale, port, emulator_port, log=sys.stderr)
        fleet = plan.start(stack)
        environment = data / "env"
        environment.touch(0o600)
        environment.write_text(_exports(fleet.environment), "utf-8")
        click.echo(_greeting(fleet, environment))
        try:
            while True:
                fleet.check()
                time.sleep(WATCH)
        except KeyboardInterrupt:
            click.echo("\nending …")


def _greeting(fleet: Fleet, environment: Path) -> str:
    key, api = EmulatorSettings().api_key, f"{fleet.emulator_url}/api"
    return f"""
  webhooks   {fleet.web_url}/webhooks/daytona
  health     {fleet.operations_url}/readyz      figures: {fleet.operations_url}/metrics
  Daytona    {api}      (emulated; key {key})
  Redis      {fleet.server.url}

Three things to try:
  1. Create a volume, and see a sandbox follow:
     curl -X POST {api}/volumes -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{"name": "build-1"}}'
  2. See what the emulator was asked for:
     curl {fleet.emulator_url}/emulator/calls
  3. Watch the queue as RQ sees it (rq is in .venv/bin):
     rq info -u '{fleet.server.url}'

In another terminal, every command finds this reactor after
  . {shlex.quote(str(environment.absolute()))}
Begin with `reactor status`, `reactor events ls` and `reactor jobs ls`.

Ctrl-C ends everything.
"""


NAMED = ("REACTOR_REDIS_URL", "REACTOR_PRIVATE_NETWORKS")
PREFIXES = ("DAYTONA_", "RUNLOOP_")


def _exports(environment: Mapping[str, str]) -> str:
    """What tells a shell in another terminal where this reactor and its APIs are, from whatever directory it is called."""
    told = {name: value for name, value in environment.items() if name in NAMED or name.startswith(PREFIXES)}
    told["REACTOR_CONFIG"] = str(Path(environment["REACTOR_CONFIG"]).absolute())
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(told.items()))
