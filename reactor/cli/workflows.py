"""`reactor workflows`: check Arazzo documents and explain how they will run."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from reactor.catalog import Catalog
from reactor.cli.catalog import config_option, json_option, loaded
from reactor.errors import ReactorError
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program

EXAMPLES = """\b
Examples:
  reactor workflows check config/workflows/*.arazzo.yaml
  reactor workflows explain provision.arazzo.yaml
"""


def _given(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"found {value!r}, expected NAME=VALUE", ctx, param)
        inputs[name] = _value(text)
    return inputs


def _value(text: str) -> Any:
    """A number, a boolean, a list or an object as JSON writes it; anything else is a text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


inputs_option: Callable[..., Any] = click.option(
    "--input", "inputs", multiple=True, metavar="NAME=VALUE", callback=_given, help="An input; repeat for more."
)


def read(document: Path) -> bytes:
    """A document's text. Raises ReactorError."""
    try:
        return document.read_bytes()
    except OSError as error:
        raise ReactorError(f"{document} can't be read: {error.strerror}") from error


def only_workflow(program: Program) -> str:
    """The workflow of a document that has one. Raises ReactorError that names them where there are more."""
    names = list(program.document.workflows)
    if len(names) != 1:
        raise ReactorError(f"the document has several workflows, say which: --workflow {' | '.join(names)}")
    return names[0]


@click.group(short_help="Check and explain workflows.", epilog=EXAMPLES)
def workflows() -> None:
    """Arazzo documents, run as they are: steps that poll become waits for events."""


@workflows.command(epilog=EXAMPLES)
@click.argument("documents", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
def check(documents: tuple[Path, ...], config: Path | None) -> None:
    """Check documents against the configured APIs: every mistake with its place, and what is not standard."""
    catalog, failed = Catalog(loaded(config).apis), False
    for path in documents:
        try:
            document = load_document(read(path), str(path))
            compile_program(document, catalog.for_document(document))
        except ReactorError as error:
            click.echo(str(error), err=True)
            failed = True
            continue
        for warning in document.warnings:
            click.echo(f"warning: {warning}")
        steps = sum(len(workflow.steps) for workflow in document.workflows.values())
        click.echo(f"{path}: {len(document.workflows)} workflows, {steps} steps")
    if failed:
        raise SystemExit(1)


@workflows.command(epilog=EXAMPLES)
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@json_option
def explain(document: Path, config: Path | None, as_json: bool) -> None:
    """Say of each step whether it is a call or a wait, and why."""
    described = load_document(read(document), str(document))
    program = compile_program(described, Catalog(loaded(config).apis).for_document(described))
    if as_json:
        click.echo(orjson.dumps([asdict(step) for step in program.explained]).decode())
        return
    for step in program.explained:
        click.echo(f"{step.workflow}  {step.step:<24} {step.what:<8}  {step.why}")
