"""What is wrong with a run before any event has filled in its expressions. Pure.

Owns choosing the workflow of a document, and putting inputs to what it declares; a secret is never said in the open.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from reactor.errors import ConfigError
from reactor.rules.actions import CompiledAction
from reactor.rules.fault import Fault
from reactor.rules.template import Sketch
from reactor.workflows.document import Workflow
from reactor.workflows.inputs import accept_inputs, missing_inputs
from reactor.workflows.program import Program
from reactor.yaml12 import expected_one_of


def run_faults(action: CompiledAction, programs: Mapping[str, Program], declared: Collection[str]) -> list[Fault]:
    """What is wrong with a run before any event has filled in its expressions; `declared` are the names of secrets."""
    if action.subject not in programs:
        return [Fault(("run",), f"{expected_one_of(action.subject, programs)} (config/workflows/NAME.arazzo.yaml)")]
    program = programs[action.subject]
    workflows = program.document.workflows
    chosen = action.plain["workflow"] or (next(iter(workflows)) if len(workflows) == 1 else "")
    if not chosen:
        return [
            Fault(("run",), f"found {len(workflows)} workflows, expected `workflow`: one of {', '.join(workflows)}")
        ]
    if chosen not in workflows:
        return [Fault(("workflow",), expected_one_of(chosen, workflows))]
    sketch, secrets = action.arguments.sketch(), program.secrets[chosen]
    given = sketch.value["inputs"]
    faults = [
        *_input_faults(workflows[chosen], given, secrets),
        *_literal_faults(given, secrets, declared),
    ]
    return faults or _schema_faults(program, workflows[chosen], sketch)


def _input_faults(workflow: Workflow, given: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Fault]:
    """Inputs that the workflow does not have, and those that it needs."""
    known = workflow.inputs.get("properties")
    for name in given:
        if isinstance(known, Mapping) and name not in known and name not in secrets:
            yield Fault(("inputs", name), expected_one_of(name, known), key=True)
    if missing := missing_inputs(workflow, given, secrets):
        message = f"found no inputs {', '.join(missing)}, expected them: {workflow.id} requires them"
        yield Fault(("inputs",), message, key=True)


def _literal_faults(given: Mapping[str, Any], secrets: Collection[str], declared: Collection[str]) -> Iterator[Fault]:
    """Secrets that are said in the open. Only the name of a declared one may stand in a file."""
    for name, value in given.items():
        if name in secrets and not (isinstance(value, str) and value in declared):
            message = "found a literal for a secret, expected nothing (the API's own key is used) or a declared name"
            yield Fault(("inputs", name), message)


def _schema_faults(program: Program, workflow: Workflow, sketch: Sketch) -> list[Fault]:
    """What the schema of the inputs says; nothing while only an event can fill one in."""
    if sketch.holes:
        return []
    try:
        accept_inputs(workflow, sketch.value["inputs"], program.secrets[workflow.id], program.document.components)
    except ConfigError as error:
        return [Fault(("inputs",), problem.message) for problem in error.problems]
    return []
