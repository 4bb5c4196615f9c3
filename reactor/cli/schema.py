"""`reactor schema`: the JSON Schemas of configuration files, for editors."""

from pathlib import Path

import click
import orjson

from reactor.cli.catalog import config_option, settings_of
from reactor.config import FILES, file_schema, inspect

EXTENSION = ".schema.json"


@click.command(
    short_help="JSON Schemas of the files, for editors.",
    epilog="""\b
Examples:
  reactor schema rules                        print one
  reactor schema --into config/schema         write all of them
The first line of a file names its schema to editors with the YAML language server:
  # yaml-language-server: $schema=../schema/rules.schema.json
""",
)
@click.argument("kind", required=False, type=click.Choice(sorted(FILES)))
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write all of them there."
)
@config_option
def schema(kind: str | None, into: Path | None, config: Path | None) -> None:
    """Print the schema of one KIND of file, or write those of all.

    Editors complete and explain by it: fields, event types, operations of the configured APIs, workflow documents.
    """
    if (kind is None) == (into is None):
        raise click.UsageError(f"name a kind ({', '.join(sorted(FILES))}) or --into DIR")
    known = inspect(settings_of(config).config).config
    if kind:
        click.echo(_text(file_schema(kind, known)))
    if into:
        into.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (into / f"{name}{EXTENSION}").write_bytes(_text(file_schema(name, known)))
        click.echo(f"{into}: {len(FILES)} schemas")


def _text(schema: dict[str, object]) -> bytes:
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n"
