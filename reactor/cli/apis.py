"""`reactor apis`: APIs as data."""

from pathlib import Path

import click
import orjson

from reactor.apis.importer import compact, difference, load_document, rendered

EXAMPLE = "Example: reactor apis import billing-openapi.yaml --name billing"


@click.group(short_help="Import OpenAPI documents.", epilog=EXAMPLE)
def apis() -> None:
    """Import the OpenAPI documents of the APIs that rules may call."""


@apis.command(name="import", epilog=EXAMPLE)
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="Name of the API; the document becomes NAME.openapi.json.")
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), default=Path("config/apis"), show_default=True
)
@click.option("--dry-run", is_flag=True, help="Show the difference and write nothing.")
def import_(source: Path, name: str, into: Path, dry_run: bool) -> None:
    """Keep what is needed of an OpenAPI 3 document to call its operations and check the calls.

    Importing again shows what changed: operations, parameters, enums.
    """
    document = compact(load_document(source))
    target = into / f"{name}.openapi.json"
    old = orjson.loads(target.read_bytes()) if target.exists() else None
    if old is not None:
        for line in difference(old, document) or ["no difference"]:
            click.echo(line)
    if not dry_run:
        into.mkdir(parents=True, exist_ok=True)
        target.write_text(rendered(document), "utf-8")
        click.echo(f"{target}: {document['info']['title']} {document['info']['version']}")
