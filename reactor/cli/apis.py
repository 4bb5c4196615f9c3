"""`reactor apis`: APIs as data. Here is only the table of its commands; each has a module of its own."""

from importlib import import_module

import click

COMMANDS = {"ls": "apis_show", "show": "apis_show", "call": "apis_call", "import": "apis_import"}
"""Each command and the module it is in, loaded when it is called: only `import` needs the validator of documents."""

EPILOG = """\b
Examples:
  reactor apis import https://billing.example.com/openapi.json --name billing
  reactor apis ls                                    every API, its server and its key
  reactor apis ls daytona '*volume*'                 operations by name
  reactor apis show daytona.createSandbox            what it takes, and the rule that calls it
  reactor apis call daytona.getVolume volumeId=vol-1 --dry-run
"""


class Apis(click.Group):
    """Loads a command's module when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order in which they are needed."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command. Raises click.NoSuchCommand, which names the nearest ones."""
        if cmd_name not in COMMANDS:
            raise click.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        module = import_module(f"reactor.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_")
        return command


@click.group(cls=Apis, short_help="See, try and import the APIs that rules may call.", epilog=EPILOG)
def apis() -> None:
    """See, try and import the APIs that rules may call.

    An API is an OpenAPI document and one YAML file in config/apis/; docs/apis.md tells the rest.
    """
