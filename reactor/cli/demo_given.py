"""What a document takes for granted: resources that its inputs name. A trial lets them be there before it begins.

Owns finding them in the document, and how they are said by `--given`. Makes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from reactor.emulator.given import BEFORE, MENTIONED, USUAL
from reactor.workflows.document import Parameter, Step
from reactor.workflows.expressions import Reference, Template, Text, Tree
from reactor.workflows.inputs import defaults_of
from reactor.workflows.program import Program
from reactor.yaml12 import expected_one_of


@dataclass(frozen=True, order=True)
class Given:
    """A resource that is there."""

    kind: str
    name: str
    state: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}={self.state}"


def _given(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Given, ...]:
    return tuple(_read(ctx, param, value) for value in values)


def _read(ctx: click.Context, param: click.Parameter, value: str) -> Given:
    kind, colon, rest = value.partition(":")
    name, _, state = rest.partition("=")
    if not colon or not name:
        raise click.BadParameter(f"found {value!r}, expected KIND:NAME or KIND:NAME=STATE", ctx, param)
    if kind not in USUAL:
        raise click.BadParameter(expected_one_of(kind, USUAL), ctx, param)
    return Given(kind, name, state or USUAL[kind])


given_option: Callable[..., Any] = click.option(
    "--given",
    multiple=True,
    metavar="KIND:NAME=STATE",
    callback=_given,
    help="Let a resource be there before the document runs; repeat for more. What inputs name is there by itself.",
)


def taken_for_granted(program: Program, workflow_id: str, inputs: Mapping[str, Any]) -> dict[tuple[str, str], Given]:
    """The resources that the inputs of a workflow name, in the states that its first steps start from."""
    found: dict[tuple[str, str], Given] = {}
    made = set(_made(program, workflow_id, inputs))
    for step, values in _steps(program, workflow_id, inputs, depth=0):
        operation = program.operations.get((step[0], step[1].id))
        for kind, name in _named(program, step[0], step[1], values):
            if name in made:
                continue
            state = BEFORE.get(operation.id, "") if operation else ""
            moves = bool(operation and operation.moves)
            before = found.get((kind, name))
            if before is None or (before.state == "" and (state or moves)):
                found[kind, name] = Given(kind, name, state or (USUAL[kind] if moves else ""))
    return {key: Given(each.kind, each.name, each.state or USUAL[each.kind]) for key, each in found.items()}


def _made(program: Program, workflow_id: str, inputs: Mapping[str, Any]) -> Iterator[Any]:
    """The names that the document gives to what it makes."""
    for (_, step), values in _steps(program, workflow_id, inputs, depth=0):
        fields = _fields(step.body.payload) if step.body else ()
        yield from (_input(value, values) for field, value in fields if field == "name")


def _steps(
    program: Program, workflow_id: str, inputs: Mapping[str, Any], depth: int
) -> Iterator[tuple[tuple[str, Step], Mapping[str, Any]]]:
    """The steps of a workflow, of those that it depends on and of those it calls, each with the inputs that it sees."""
    workflow = program.workflow(workflow_id)
    seen = defaults_of(workflow) | dict(inputs)
    for earlier in workflow.depends_on if depth < MAX_DEPTH else ():
        yield from _steps(program, earlier, seen, depth + 1)
    for step in workflow.steps:
        yield (workflow_id, step), seen
        if step.workflow and depth < MAX_DEPTH:
            passed = {each.name: value for each in step.parameters if (value := _input(each.value, seen)) is not None}
            yield from _steps(program, step.workflow, passed, depth + 1)


MAX_DEPTH = 5
"""Workflows within workflows that are looked into."""


def _named(program: Program, workflow_id: str, step: Step, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The kinds and names of resources that a step's path and body name by an input."""
    operation = program.operations.get((workflow_id, step.id))
    if operation is None:
        return
    if operation.about and operation.about[0] in USUAL:
        kind, by = operation.about
        yield from ((kind, name) for each in step.parameters if (name := _of(each, by, inputs)))
    if step.body:
        for field, value in _fields(step.body.payload):
            name = _input(value, inputs)
            if field in MENTIONED and isinstance(name, str):
                yield MENTIONED[field], name


def _of(parameter: Parameter, by: str, inputs: Mapping[str, Any]) -> str | None:
    name = _input(parameter.value, inputs) if (parameter.name, parameter.where) == (by, "path") else None
    return name if isinstance(name, str) else None


def _input(value: Template, inputs: Mapping[str, Any]) -> Any:
    """The input that a template is, None for anything else."""
    if isinstance(value, Text) and len(value.parts) == 1:
        return _input(value.parts[0], inputs)
    if isinstance(value, Reference) and value.root == "inputs" and len(value.path) == 1:
        return inputs.get(value.path[0])
    return None


def _fields(template: Template) -> Iterator[tuple[str, Template]]:
    """Every field of a body, however deep."""
    if isinstance(template, Tree):
        names = template.names or ("",) * len(template.items)
        for name, item in zip(names, template.items, strict=True):
            yield name, item
            yield from _fields(item)
