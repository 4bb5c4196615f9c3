"""The command line: one file per noun. The composition root is `processes`; here is only the table of commands."""

import gc
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import click

from reactor import __version__
from reactor.errors import ReactorError

SECTIONS = {
    "Try it": {"demo": "demo", "dev": "dev", "emulator": "emulator"},
    "Run it": {"serve": "run", "work": "run", "dispatch": "run"},
    "Look": {"status": "status", "events": "events", "explain": "explain", "jobs": "jobs", "runs": "runs"},
    "Act": {
        "pause": "pause",
        "resume": "pause",
        "replay": "replay",
        "reconcile": "reconcile",
    },
    "Write rules and workflows": {
        "check": "check",
        "rules": "rules",
        "workflows": "workflows",
        "apis": "apis",
        "backtest": "replay",
        "reload": "reload",
        "schema": "schema",
    },
    "Set it up": {"tokens": "tokens", "acl": "acl", "completion": "completion"},
}
"""Each command and the module it is in, as `--help` groups them."""

COMMANDS = {name: module for section in SECTIONS.values() for name, module in section.items()}
"""Loaded when it is called: a worker need not carry the emulator."""

EPILOG = """\b
Examples:
  reactor demo                  watch one volume become ready and a sandbox follow
  reactor dev                   everything on this machine, until Ctrl-C
  reactor status                is anything wrong, and what to do next
  reactor explain msg_2abc      why an event led to what it did, or to nothing
  reactor completion bash       teach the shell to complete all this
"""


class Reactor(click.Group):
    """Prints what the reactor raises on purpose as a message with its remedy, and nothing as a stack trace."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, the first ones to try first."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the commands by what one wants to do."""
        width = max(map(len, COMMANDS))
        for section, names in SECTIONS.items():
            known = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(f"{name:<{width}}", command.get_short_help_str(100)) for name, command in known if command]
            with formatter.section(section):
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command. Raises click.NoSuchCommand, which names the nearest ones."""
        if cmd_name not in COMMANDS:
            raise click.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        command: click.Command = getattr(import_module(f"reactor.cli.{COMMANDS[cmd_name]}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ReactorError as error:
            raise click.ClickException(str(error)) from error
        except ExceptionGroup as group:  # of a process whose parts run side by side
            on_purpose, others = group.split(ReactorError)
            if others or not on_purpose:
                raise
            raise click.ClickException("\n".join(_messages(on_purpose))) from group


def _messages(group: ExceptionGroup[ReactorError]) -> Iterator[str]:
    for error in group.exceptions:
        yield from _messages(error) if isinstance(error, ExceptionGroup) else [str(error)]


@click.group(cls=Reactor, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reactor")
def reactor() -> None:
    """React to webhooks of sandbox fleets: keep every event, decide by rules, act once.

    Settings are REACTOR_* environment variables; docs/operations.md lists them.
    """


def collect_seldom() -> None:
    """Look for garbage less often than Python does by itself: a process here holds much and leaves few circles.

    Of reading 10,000 rules, a third of the time went into looking.
    """
    gc.set_threshold(10_000, 10, 10)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    collect_seldom()
    reactor.main(args=list(arguments) if arguments is not None else None, prog_name="reactor")
