"""What a workflow is given: checked against its JSON Schema, and the inputs that are secrets kept out.

An input that reaches a parameter which authenticates is a secret. It need not be given, even where the document
requires it, since the API's own configuration authenticates; and it is never part of a run, so it can't be stored.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson

from reactor.errors import ConfigError
from reactor.workflows.apis import Operation
from reactor.workflows.document import Document, Step, Workflow
from reactor.workflows.references import references_of
from reactor.yaml12 import expected_one_of


def secret_inputs(document: Document, operations: Mapping[tuple[str, str], Operation]) -> dict[str, frozenset[str]]:
    """The secret inputs of each workflow, also those that only a workflow it calls uses as such."""
    secrets: dict[str, frozenset[str]] = dict.fromkeys(document.workflows, frozenset())
    while True:
        found = {
            workflow.id: frozenset(
                name for step in workflow.steps for name in _secrets(step, workflow, operations, secrets)
            )
            for workflow in document.workflows.values()
        }
        if found == secrets:
            return secrets
        secrets = found


def _secrets(
    step: Step,
    workflow: Workflow,
    operations: Mapping[tuple[str, str], Operation],
    known: Mapping[str, frozenset[str]],
) -> Iterator[str]:
    operation = operations.get((workflow.id, step.id))
    for parameter in step.parameters:
        passed_on = step.workflow is not None and parameter.name in known.get(step.workflow, ())
        if passed_on or (operation and operation.authenticates(parameter.where, parameter.name)):
            yield from (ref.path[0] for ref in parameter.value.references() if ref.root == "inputs")


def accept_inputs(
    workflow: Workflow, given: Mapping[str, Any], secrets: frozenset[str], components: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs of a run, defaults filled in and secrets left out. Raises ConfigError with everything that is wrong.

    `secrets` are the names of the workflow's secret inputs, `components` what the schema may refer to.
    """
    inputs = {name: value for name, value in {**defaults_of(workflow), **given}.items() if name not in secrets}
    required = [name for name in workflow.inputs.get("required", ()) if name not in secrets]
    schema = {**workflow.inputs, "required": required, "components": components}
    errors = [_said(error) for error in _validator(schema, workflow.id).iter_errors(inputs)]
    if errors:
        raise ConfigError(*(f"workflow {workflow.id}: {error}" for error in errors))
    return inputs


def defaults_of(workflow: Workflow) -> dict[str, Any]:
    """The inputs that a workflow has where none are given."""
    declared = workflow.inputs.get("properties")
    properties: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    return {
        name: each["default"] for name, each in properties.items() if isinstance(each, Mapping) and "default" in each
    }


def missing_inputs(workflow: Workflow, given: Collection[str], secrets: Collection[str]) -> list[str]:
    """The inputs that have to be given, and are not: neither secrets nor what has a default."""
    there = {*given, *secrets, *defaults_of(workflow)}
    return [name for name in workflow.inputs.get("required", ()) if name not in there]


def flattened(
    schema: Mapping[str, Any], resolve: Callable[[str], Mapping[str, Any]], seen: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A schema of inputs with what it refers to and all of its `allOf` put in, so that all its inputs stand in one place.

    `resolve` gives the schema that a reference means; one within itself adds nothing. What can't be put together stays
    in `allOf`.
    """
    reference = schema.get("$ref") or schema.get("reference")
    flat: dict[str, Any] = {name: schema[name] for name in schema if name not in ("$ref", "reference", "allOf")}
    parts = [flattened(part, resolve, seen) for part in schema.get("allOf", ()) if isinstance(part, Mapping)]
    if isinstance(reference, str) and reference not in seen:
        parts.append(flattened(resolve(reference), resolve, (*seen, reference)))
    for part in parts:
        properties = {**part.pop("properties", {}), **flat.get("properties", {})}
        required = [*dict.fromkeys([*flat.get("required", ()), *part.pop("required", ())])]
        flat |= {"properties": properties} if properties else {}
        flat |= {"required": required} if required else {}
        clashing = {name: value for name, value in part.items() if flat.setdefault(name, value) != value}
        flat |= {"allOf": [*flat.get("allOf", ()), clashing]} if clashing else {}
    return flat


def typed(workflow: Workflow, name: str, text: str) -> Any:
    """An input as it was typed: what JSON makes of it, unless that is not of a type that it may have and a text is."""
    declared = workflow.inputs.get("properties")
    schema = declared.get(name) if isinstance(declared, Mapping) else None
    types = schema.get("type") if isinstance(schema, Mapping) else None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    known = [types] if isinstance(types, str) else types
    return text if isinstance(known, list) and "string" in known and not _is_of(value, known) else value


def _is_of(value: Any, types: list[Any]) -> bool:
    return jsonschema_rs.is_valid({"type": types}, value)


def unknown_inputs(document: Document, workflow: Workflow, given: Collection[str]) -> Iterator[str]:
    """What is given and no workflow of the document declares or reads, in words; a schema may allow any."""
    declared = [set(each.inputs.get("properties", {})) for each in document.workflows.values()]
    read = [
        reference.path[0]
        for each in document.workflows.values()
        for step in each.steps
        for reference in references_of(step)
        if reference.root == "inputs"
    ]
    known = {*set().union(*declared), *read}
    if workflow.inputs.get("additionalProperties") or workflow.inputs.get("patternProperties"):
        return
    yield from (f"input: {expected_one_of(name, sorted(known))}" for name in given if name not in known)


def _said(error: jsonschema_rs.ValidationError) -> str:
    path = ".".join(map(str, error.instance_path))
    return f"input {path}: {error.message}" if path else error.message


def _validator(schema: Mapping[str, Any], workflow_id: str) -> jsonschema_rs.Validator:
    def refuse(uri: str) -> Any:
        raise ValueError(f"found a reference to {uri}, expected none to other documents")

    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=refuse, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError as error:
        raise ConfigError(f"workflow {workflow_id}: its inputs are no JSON Schema: {error}") from None
