"""The command line: one file per noun. The composition root is `processes`; here is only the table of commands."""

from collections.abc import Sequence
from typing import Any

import click

from reactor import __version__
from reactor.cli.apis import apis
from reactor.cli.demo import demo
from reactor.cli.dev import dev
from reactor.cli.emulator import emulator
from reactor.cli.run import dispatch, serve, work
from reactor.errors import ReactorError

EPILOG = """\b
Examples:
  reactor demo                  watch one volume become ready and a sandbox follow
  reactor dev                   everything on this machine, until Ctrl-C
  reactor serve                 receive webhooks and decide (web and dispatcher)
  reactor work                  perform jobs
  reactor apis import openapi.json --name billing
"""


class Reactor(click.Group):
    """Prints what the reactor raises on purpose as a message with its remedy, and nothing as a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ReactorError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Reactor, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reactor")
def reactor() -> None:
    """React to webhooks of sandbox fleets: keep every event, decide by rules, act once.

    Settings are REACTOR_* environment variables; docs/operations.md lists them.
    """


for command in (serve, dispatch, work, emulator, demo, dev, apis):
    reactor.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    reactor.main(args=list(arguments) if arguments is not None else None, prog_name="reactor")
