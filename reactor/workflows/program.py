"""A document put to the APIs: its operations found, its polls detected, its secrets known, and all of it explained.

A Program is what the engine steps through. It is made once per document and set of APIs, and is never stored: a run
keeps the document, and the program is made again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from reactor.errors import ConfigError, Problem
from reactor.workflows.apis import Apis, Message, Operation
from reactor.workflows.document import Document, OperationRef, Step, Workflow
from reactor.workflows.fitting import fit
from reactor.workflows.inputs import accept_inputs, missing_inputs, secret_inputs, unknown_inputs
from reactor.workflows.load import read_document
from reactor.workflows.pauses import without_pauses
from reactor.workflows.polls import SHAPES, Poll, detect, is_plain_retry
from reactor.yaml12 import expected_one_of

MANY = 8
"""States in which a wait goes on that are still named."""

At = tuple[str, str]
"""A workflow and one of its steps."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a step will do, and why: `what` is call, wait, workflow, send or receive."""

    workflow: str
    step: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Program:
    """A document that is ready to run.

    `secrets` are the names of each workflow's secret inputs, `sources` its source descriptions as expressions see them.
    """

    document: Document
    operations: Mapping[At, Operation]
    polls: Mapping[At, Poll]
    explained: tuple[Explained, ...]
    secrets: Mapping[str, frozenset[str]]
    messages: Mapping[At, Message]
    sources: Mapping[str, Mapping[str, str]]

    def workflow(self, workflow_id: str) -> Workflow:
        """A workflow by its id. Raises KeyError."""
        return self.document.workflows[workflow_id]

    def accept(self, workflow_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a run of a workflow. Raises ConfigError with everything that is wrong with them."""
        workflow = self.workflow(workflow_id)
        if unknown := list(unknown_inputs(self.document, workflow, given)):
            raise ConfigError(*(f"workflow {workflow_id}: {each}" for each in unknown))
        return accept_inputs(workflow, given, self.secrets[workflow_id], self.document.components)


def load_program(content: str | bytes, file: str, apis: Callable[[Document], Apis]) -> Program:
    """Read a document and put it to the APIs. Raises ConfigError with everything that is wrong with it, all at once."""
    document, problems = read_document(content, file)
    if not problems:
        return compile_program(document, apis(document))
    document = document.with_steps(lambda workflow, step: _of_known_source(document, step))
    _, unknown = _operations(document, apis(document))
    _, unheard = _messages(document, apis(document))
    raise ConfigError(*sorted({*problems, *unknown, *unheard}))


def _of_known_source(document: Document, step: Step) -> Step:
    """The step without its operation where the document does not have its source, which is a mistake of its own."""
    lost = step.operation and step.operation.source and step.operation.source not in document.sources
    return replace(step, operation=None) if lost else step


def compile_program(document: Document, apis: Apis) -> Program:
    """Put a document to the APIs. Raises ConfigError with every operation that is not found, and the nearest names."""
    operations, problems = _operations(document, apis)
    messages, unheard = _messages(document, apis)
    document, unfit = _fitted(document, operations)
    if problems or unheard or unfit:
        raise ConfigError(*sorted({*problems, *unheard, *unfit}))
    document, spared = _straightened(document, operations)
    polls: dict[At, Poll] = {}
    explained: list[Explained] = []
    odd: list[Problem] = []
    for workflow in document.workflows.values():
        own = _own(operations, workflow)
        for step in workflow.steps:
            poll = detect(workflow, step, own)
            if isinstance(poll, Poll):
                polls[workflow.id, step.id] = poll
                odd += [_noted(document, step, text) for text in _poll_notes(poll, step)]
            message = messages.get((workflow.id, step.id))
            what, why = _explain(step, poll, own.get(step.id), message)
            why += "".join(f"; it does without the pause in {each}" for each in spared.get((workflow.id, step.id), ()))
            explained.append(Explained(workflow.id, step.id, what, why))
    secrets = secret_inputs(document, operations)
    calls = list(_called(document, secrets))
    if unfed := [problem for problem in calls if problem.severity == "error"]:
        raise ConfigError(*unfed)
    document = replace(document, warnings=tuple(sorted({*document.warnings, *odd, *calls})))
    sources = {name: asdict(source) for name, source in document.sources.items()}
    return Program(document, operations, polls, tuple(explained), secrets, messages, sources)


def _operations(document: Document, apis: Apis) -> tuple[dict[At, Operation], list[Problem]]:
    """The operation of each step that calls one, and all that are not found, or are ambiguous."""
    found: dict[At, Operation] = {}
    problems: list[Problem] = []
    for workflow in document.workflows.values():
        for step in workflow.steps:
            if step.operation and step.mode != "receive":
                try:
                    found[workflow.id, step.id] = _operation(document, step.operation, apis)
                except ConfigError as error:
                    problems += [_of_step(document, step, problem.message) for problem in error.problems]
    return found, problems


def _messages(document: Document, apis: Apis) -> tuple[dict[At, Message], list[Problem]]:
    """The event that each step that receives waits for, and all that no API sends."""
    found: dict[At, Message] = {}
    problems: list[Problem] = []
    for workflow in document.workflows.values():
        for step in workflow.steps:
            if step.operation and step.mode == "receive":
                try:
                    found[workflow.id, step.id] = _message(document, step.operation, apis)
                except ConfigError as error:
                    problems += [_of_step(document, step, problem.message) for problem in error.problems]
    return found, problems


def _message(document: Document, reference: OperationRef, apis: Apis) -> Message:
    message = apis.message(reference, document.sources.get(reference.source or ""))
    if message is None:
        raise ConfigError(f"{expected_one_of(str(reference), apis.messages())}; what is received is an event of an API")
    return message


def _operation(document: Document, reference: OperationRef, apis: Apis) -> Operation:
    source = document.sources.get(reference.source or "")
    operation = apis.operation(reference, source)
    if operation is None:
        raise ConfigError(expected_one_of(str(reference), apis.names(reference, source)))
    return operation


def _fitted(document: Document, operations: Mapping[At, Operation]) -> tuple[Document, list[Problem]]:
    """The document with each step as its operation takes it, and every step that can't be called."""
    problems: list[Problem] = []
    notes: list[Problem] = []

    def fitted(workflow: Workflow, step: Step) -> Step:
        operation = operations.get((workflow.id, step.id))
        if operation is None:
            return step
        step, wrong, unusual = fit(step, operation)
        problems.extend(_of_step(document, step, text) for text in wrong)
        notes.extend(_noted(document, step, text) for text in unusual)
        return step

    document = document.with_steps(fitted)
    return replace(document, warnings=tuple(sorted({*document.warnings, *notes}))), problems


def _called(document: Document, secrets: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """What is wrong with how steps call workflows of the document: inputs that are not given, or that there are not."""
    for workflow in document.workflows.values():
        for step in workflow.steps:
            if step.workflow:
                called = document.workflows[step.workflow]
                given = [parameter.name for parameter in step.parameters]
                for name in missing_inputs(called, given, secrets[called.id]):
                    message = f"found no parameter {name!r}, expected it: the workflow {called.id} requires it"
                    yield _of_step(document, step, message)
                declared = called.inputs.get("properties", {})
                for name in set(given) - set(declared) if declared else ():
                    yield _noted(document, step, f"parameter: {expected_one_of(name, declared)}")


def _own(operations: Mapping[At, Operation], workflow: Workflow) -> dict[str, Operation]:
    """The operations of one workflow, by step."""
    return {step_id: operation for (of, step_id), operation in operations.items() if of == workflow.id}


def _straightened(document: Document, operations: Mapping[At, Operation]) -> tuple[Document, dict[At, tuple[str, ...]]]:
    """The document with its polls as they are without their pauses, and the pauses that each of them is spared."""
    spared: dict[At, tuple[str, ...]] = {}

    def straight(workflow: Workflow, step: Step) -> Step:
        own = _own(operations, workflow)
        found, pauses = without_pauses(workflow, step, own)
        if not pauses or not isinstance(detect(workflow, found, own), Poll):
            return step
        spared[workflow.id, step.id] = pauses
        return found

    return document.with_steps(straight), spared


def _of_step(document: Document, step: Step, message: str) -> Problem:
    return Problem(document.file, *step.place, f"step {step.id!r}: {message}")


def _noted(document: Document, step: Step, message: str) -> Problem:
    return replace(_of_step(document, step, message), severity="warning")


def _poll_notes(poll: Poll, step: Step) -> Iterator[str]:
    """What is odd about a poll, though it runs."""
    if poll.outcomes and all(outcome != "leaves" for _, outcome, _ in poll.outcomes):
        states = ", ".join(state for state, _, _ in poll.outcomes)
        yield f"no state of a {poll.kind.name} lets it leave: they are {states}"
    if any(is_plain_retry(action) and not action.patient for action in step.on_failure):
        yield (
            "found a retry without retryLimit or retryAfter, which would be tried once; "
            f"as a poll it waits for {poll.patience:g} s: the standard form has both"
        )


def _explain(step: Step, poll: Poll | str, operation: Operation | None, message: Message | None) -> tuple[str, str]:
    if step.workflow:
        return "workflow", f"it runs the workflow {step.workflow}"
    if message:
        about = "that its correlationId names" if step.correlation else "whichever it is"
        return "receive", f"it waits for the event {message.event} of the {message.kind} {about}"
    if step.mode:
        return step.mode, f"it {step.mode}s a message on {step.operation}"
    if isinstance(poll, str) or operation is None:
        repeated = any(action.kind == "retry" or action.step == step.id for action in step.actions)
        return "call", f"it calls {step.operation}" + (f", maybe again, but {poll}" if repeated else "")
    return "wait", "; ".join(_reasons(poll, operation))


def _reasons(poll: Poll, operation: Operation) -> Iterator[str]:
    yield f"it polls the state of one {poll.kind.name}: {SHAPES[poll.shape]}"
    if poll.outcomes:
        yield from _grouped(poll)
    if poll.falls:
        yield f"no success action leads on, so what rests and has not failed goes on to {poll.onward}"
    yield f"it is woken by {' or '.join(poll.kind.events) or 'a watch'} of the id that {_source_of_id(poll, operation)}"
    if poll.blind:
        yield "its criteria look at more than the state, so each event is followed by a read"
    elif poll.confirm:
        yield "its outputs need more than the state, so it is read once when it leaves"
    yield f"it is probed by {operation.id}, and gives up after {poll.patience:g} s{' and goes on' * poll.lenient}"


def _grouped(poll: Poll) -> Iterator[str]:
    """What the states lead to, said once for all that lead to the same."""
    for wanted in ("leaves", "stays", "fails"):
        states: dict[str, list[str]] = {}
        for state, outcome, where in poll.outcomes:
            if outcome == wanted:
                states.setdefault(f" to {where}" if wanted == "leaves" else "", []).append(state)
        for where, named in states.items():
            if wanted == "stays" and len(named) > MANY:
                yield f"it stays in the {len(named)} other states"
            else:
                yield f"it {wanted}{where} when {' or '.join(named)}"


def _source_of_id(poll: Poll, operation: Operation) -> str:
    if poll.shape == "F":
        return f"the parameter {operation.by} has"
    return f"$response.body#/{'/'.join(poll.kind.id)} of its first read has"
