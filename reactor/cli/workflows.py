"""`reactor workflows`: check Arazzo documents and explain how they will run."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from reactor.catalog import Catalog
from reactor.cli.catalog import config_option, json_option, loaded, settings_of
from reactor.cli.shown import print_json, print_table, short
from reactor.config import ARAZZO
from reactor.errors import ConfigError, Problem, ReactorError
from reactor.workflows.inputs import missing_inputs, typed, unknown_inputs
from reactor.workflows.load import read_structure
from reactor.workflows.program import Program, load_program
from reactor.yaml12 import expected_one_of

EXAMPLES = """\b
Examples:
  reactor workflows check config/workflows/*.arazzo.yaml
  reactor workflows check --json provision.arazzo.yaml
  reactor workflows explain volume-and-sandbox
  reactor workflows ls
"""


def _given(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    inputs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"found {value!r}, expected NAME=VALUE", ctx, param)
        inputs[name] = text
    return inputs


inputs_option: Callable[..., Any] = click.option(
    "--input", "inputs", multiple=True, metavar="NAME=VALUE", callback=_given, help="An input; repeat for more."
)


def document_of(named: str, directory: Path) -> Path:
    """The document that is at a path, or that a configuration directory has by this name. Raises ReactorError."""
    shipped = directory / "workflows" / f"{named}{ARAZZO}"
    for path in (Path(named), shipped):
        if path.is_file():
            return path
    known = names_in(directory)
    said = expected_one_of(named, known) if known else f"found {named!r}"
    raise ReactorError(f"{said}; a document elsewhere is named by its path")


def names_in(directory: Path) -> list[str]:
    """The names of the documents that a configuration directory has."""
    return sorted(path.name.removesuffix(ARAZZO) for path in directory.glob(f"workflows/*{ARAZZO}"))


def complete_document(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names that begin so; where there is none, files."""
    directory = Path(ctx.params.get("config") or os.environ.get("REACTOR_CONFIG", "config"))
    named = [CompletionItem(name) for name in names_in(directory) if name.startswith(incomplete)]
    return named or [CompletionItem(incomplete, type="file")]


def read(document: Path) -> bytes:
    """A document's text. Raises ReactorError."""
    try:
        return document.read_bytes()
    except OSError as error:
        raise ReactorError(f"{document} can't be read: {error.strerror}") from error


def chosen_workflow(program: Program, workflow_id: str) -> str:
    """The workflow of this id; without one, the only workflow. Raises ReactorError that names those there are."""
    names = list(program.document.workflows)
    if workflow_id in names:
        return workflow_id
    if workflow_id:
        raise ReactorError(expected_one_of(workflow_id, names))
    if len(names) != 1:
        raise ReactorError(f"the document has several workflows, say which: --workflow-id {' | '.join(names)}")
    return names[0]


def inputs_of(program: Program, workflow_id: str, given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed as the inputs of a workflow: numbers, lists and the like as JSON writes them, all else is a text.

    Raises ReactorError that says which inputs the workflow has not, or still needs, as they are typed.
    """
    workflow = program.workflow(workflow_id)
    if unknown := list(unknown_inputs(program.document, workflow, given)):
        raise ReactorError(f"workflow {workflow_id}: {'; '.join(unknown)}")
    if missing := missing_inputs(workflow, given, program.secrets[workflow_id]):
        needed = " ".join(f"--input {name}=…" for name in missing)
        raise ReactorError(f"workflow {workflow_id} needs inputs that are not given: {needed}")
    return {name: typed(workflow, name, text) for name, text in given.items()}


@click.group(short_help="List, check and explain workflows.", epilog=EXAMPLES)
def workflows() -> None:
    """Arazzo documents, run as they are: steps that poll become waits for events."""


@workflows.command(epilog=EXAMPLES)
@config_option
@json_option
def ls(config: Path | None, as_json: bool) -> None:
    """List the workflows of config/workflows/: their steps, how many of them wait, and the inputs they take."""
    listed = [
        _listed(name, workflow.id, file.program)
        for name, file in sorted(loaded(config).workflows.items())
        for workflow in file.program.document.workflows.values()
    ]
    if as_json:
        print_json([asdict(each) for each in listed])
    elif listed:
        rows = [
            (each.name, each.workflow, str(each.steps), str(each.waits), each.needs, each.summary) for each in listed
        ]
        print_table(("NAME", "WORKFLOW", "STEPS", "WAITS", "INPUTS", "SUMMARY"), rows)
    else:
        click.echo("config/workflows/ has no workflow; one elsewhere is named by its path", err=True)


@dataclass(frozen=True)
class Listed:
    """A workflow of the configuration. `waits` counts its steps that wait, `inputs` are all it takes but secrets."""

    name: str
    workflow: str
    steps: int
    waits: int
    inputs: Mapping[str, bool]
    """By name, whether it has to be given."""
    summary: str

    @property
    def needs(self) -> str:
        """The inputs in words; those in brackets need not be given."""
        return " ".join(name if must else f"[{name}]" for name, must in self.inputs.items()) or "-"


def _listed(name: str, workflow_id: str, program: Program) -> Listed:
    workflow, secrets = program.workflow(workflow_id), program.secrets[workflow_id]
    explained = [step for step in program.explained if step.workflow == workflow_id]
    must = missing_inputs(workflow, (), secrets)
    taken = {each: each in must for each in [*must, *workflow.inputs.get("properties", {})] if each not in secrets}
    waits = sum(step.what in ("wait", "receive") for step in explained)
    return Listed(name, workflow_id, len(explained), waits, taken, short(workflow.summary))


@workflows.command(epilog=EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="WORKFLOW...", shell_complete=complete_document)
@click.option("--shape", is_flag=True, help="Only whether it has the shape that the specification's schema asks for.")
@config_option
@json_option
def check(documents: tuple[str, ...], shape: bool, config: Path | None, as_json: bool) -> None:
    """Check documents against the configured APIs: every mistake with its place, and what is not standard.

    Exits with 1 if there are errors. With --shape neither APIs nor expressions are looked at.
    """
    directory = settings_of(config).config
    catalog = None if shape else Catalog(loaded(config).apis)
    checked = [_checked(document_of(named, directory), catalog) for named in documents]
    if as_json:
        print_json([asdict(each) for each in checked])
    else:
        _tell(checked)
    if any(problem.severity == "error" for each in checked for problem in each.problems):
        raise SystemExit(1)


@dataclass(frozen=True)
class Checked:
    """A document, and everything that is wrong with it or not standard. The numbers are 0 for one that can't be read."""

    document: str
    workflows: int
    steps: int
    problems: tuple[Problem, ...]


def _checked(path: Path, catalog: Catalog | None) -> Checked:
    """Check a document; without a catalog only its shape. Raises ReactorError when it is not there."""
    content = read(path)
    try:
        if catalog is None:
            raw = read_structure(content, str(path))[1]
            return Checked(str(path), len(raw.workflows), sum(len(each.steps) for each in raw.workflows), ())
        document = load_program(content, str(path), catalog.for_document).document
    except ConfigError as error:
        return Checked(str(path), 0, 0, error.problems)
    steps = sum(len(workflow.steps) for workflow in document.workflows.values())
    return Checked(str(path), len(document.workflows), steps, document.warnings)


def _tell(checked: Iterable[Checked]) -> None:
    """Mistakes go to stderr, as those of every command."""
    for each in checked:
        for problem in each.problems:
            wrong = problem.severity == "error"
            click.echo(str(problem) if wrong else f"warning: {problem}", err=wrong)
        if each.steps:
            click.echo(f"{each.document}: {each.workflows} workflows, {each.steps} steps")


@workflows.command(epilog=EXAMPLES)
@click.argument("document", metavar="WORKFLOW", shell_complete=complete_document)
@config_option
@json_option
def explain(document: str, config: Path | None, as_json: bool) -> None:
    """Say of each step whether it is a call or a wait, and why."""
    path = document_of(document, settings_of(config).config)
    program = load_program(read(path), str(path), Catalog(loaded(config).apis).for_document)
    if as_json:
        print_json([asdict(step) for step in program.explained])
        return
    click.echo("\n".join(_told(program)))


def _told(program: Program) -> Iterator[str]:
    """Each workflow with its steps; the reasons of a step below each other."""
    for workflow in program.document.workflows:
        steps = [step for step in program.explained if step.workflow == workflow]
        names, kinds = max(len(step.step) for step in steps), max(len(step.what) for step in steps)
        yield workflow
        for step in steps:
            room = max(40, shutil.get_terminal_size().columns - names - kinds - 6)
            lines = [line for reason in step.why.split("; ") for line in _wrapped(reason, room)]
            reasons = f"\n{'':{names + kinds + 6}}".join(lines)
            yield f"  {step.step:<{names}}  {step.what:<{kinds}}  {reasons}"


def _wrapped(reason: str, room: int) -> list[str]:
    """A reason on as many lines as a terminal needs; where the output goes elsewhere, on one."""
    if not sys.stdout.isatty():
        return [reason]
    return textwrap.wrap(reason, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
