"""`reactor tokens`: makes tokens for the HTTP API. Writes no file: where a token goes is for its owner to say."""

import re
from pathlib import Path

import click

from reactor.cli.catalog import config_option, json_option, settings_of
from reactor.cli.shown import print_json
from reactor.tokens import NAME, Tokens, new_token

EXAMPLES = """\b
Examples:
  reactor tokens new deploy --role operate
  reactor tokens ls
"""


@click.group(short_help="Tokens for the HTTP API.", epilog=EXAMPLES)
def tokens() -> None:
    """Tokens for the HTTP API. The tokens file has their hashes only, and is read again when it changes."""


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise click.BadParameter(f"found {value!r}, expected small letters, digits and dashes, as in deploy-2")
    return value


@tokens.command(epilog=EXAMPLES)
@click.argument("name", callback=_name)
@click.option("--role", type=click.Choice(["read", "operate"]), required=True, help="`operate` may change things.")
@config_option
@json_option
def new(name: str, role: str, config: Path | None, as_json: bool) -> None:
    """Make a token for NAME, who is then named in logs and in what it changes.

    The token is shown now and never again. To rotate, make another, put both lines into the file, and take the old one
    out when nobody uses it any more.
    """
    token, digest = new_token()
    line = f"{name}: {{role: {role}, sha256: {digest}}}"
    if as_json:
        print_json({"name": name, "role": role, "token": token, "sha256": digest, "line": line})
        return
    click.echo(f"The token, shown this once:\n  {token}\n")
    click.echo(f"The line for {settings_of(config).tokens_file}, below `tokens:`:\n  {line}")


@tokens.command(epilog=EXAMPLES)
@config_option
@json_option
def ls(config: Path | None, as_json: bool) -> None:
    """List who holds a token, and its role."""
    entries = Tokens(settings_of(config).tokens_file).entries()
    if as_json:
        print_json([{"name": name, "role": entry.role} for name, entry in entries.items()])
        return
    for name, entry in entries.items():
        click.echo(f"{name:<30}  {entry.role}")
    if not entries:
        click.echo("no token is configured: the HTTP API answers nobody; `reactor tokens new` makes one", err=True)
