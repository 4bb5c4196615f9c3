"""Finds the steps that only poll, so that they can wait for an event instead. Pure.

A poll is a step that reads one resource of a known kind and, by the state it reads, comes back to itself:

    A  onSuccess: goto itself             B  onFailure: retry, by successCriteria that look at the state
    C  onSuccess: retry (non-standard)    D  onFailure: goto itself, by such successCriteria
    E  goto an earlier step, with nothing but looks in between
    F  an operation that the server itself holds until a state is reached
    G  404 lets it leave, and nothing else does: it waits until the resource is gone

Not polls: the retry of a call that writes; a retry that looks at the status code only (a 5xx, a 404 until visible); a
loop whose criteria do not look at the reply.

In a poll, "no success action matched" does not open the gate, as it does in any other step: a state that rests there
fails the step, any other is waited through. It is the way on only where no success action leads on from any state that
was hoped for: who loops while it is building and says no more goes on with the next step once that is over. A failed state
never goes on so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from reactor.workflows.apis import Kind, Operation
from reactor.workflows.choice import Choice, body_of, choose
from reactor.workflows.criteria import Criterion
from reactor.workflows.document import Action, Step, Workflow
from reactor.workflows.expressions import Context, Exchange, Reference, at_pointer

Shape = Literal["A", "B", "C", "D", "E", "F", "G"]
Outcome = Literal["leaves", "stays", "fails"]
Told = tuple[str, Outcome, str]
"""A state, what it leads to, and where or why."""

THE_END: Final = "the end"
"""Where a run goes after the last step."""

SHAPES: Final[Mapping[Shape, str]] = {
    "A": "on success it goes to itself",
    "B": "it is retried until its success criteria hold, which look at the state",
    "C": "it is retried on success",
    "D": "it goes to itself until its success criteria hold, which look at the state",
    "E": "it goes back to an earlier step, and everything in between only looks",
    "G": "it comes back to itself until the resource is gone (404)",
    "F": "the server holds the call until a state is reached; 408 means still waiting",
}


@dataclass(frozen=True, slots=True)
class Poll:
    """What a polling step waits for.

    `back` is the step that it comes back to. `blind`: its criteria look at more than state and id, so that only a read
    can tell. `confirm`: only its outputs do, so that a read is needed when it leaves. `asks_id`: it looks at the id, which
    an event tells only where it was known. `patience` (seconds) is how long
    it waits in all; `lenient`: then it falls through to the next step, as a spent retry in onSuccess does.
    `onward` is where it goes when no action is chosen; `falls`: that is its only way on, so a state that rests takes it.
    `outcomes` says for each known state whether it leaves, stays or fails (none if `blind`).
    """

    kind: Kind
    shape: Shape
    back: str
    patience: float
    blind: bool
    confirm: bool
    lenient: bool
    onward: str
    asks_id: bool = False
    falls: bool = False
    outcomes: tuple[Told, ...] = ()

    def stays(self, action: Action) -> bool:
        """Whether an action means "not yet"."""
        return is_plain_retry(action) or (action.kind == "goto" and action.step == self.back)

    def disappoints(self, state: str | None) -> bool:
        """Whether a run that ends in this state has failed: it hoped for another one, if only for the resource's end."""
        wanted = {known for known, outcome, _ in self.outcomes if outcome == "leaves"} - self.kind.failed
        return state in self.kind.failed or (
            state in self.kind.terminal and not (wanted and wanted <= self.kind.terminal)
        )


def detect(workflow: Workflow, step: Step, operations: Mapping[str, Operation]) -> Poll | str:
    """The poll that a step is, or in words why it is none. `operations` are those of the workflow, by step."""
    operation = operations.get(step.id)
    if operation is None or operation.reads is None:
        return "it reads no resource of a known kind"
    found = _shape(workflow, step, operation, operations)
    if found is None:
        return "it doesn't come back to itself by the state it reads"
    shape, back = found
    kind = operation.reads
    if shape != "G" and not operation.holds and not any(_may_ask_state(kind, each) for each in _criteria(step)):
        return f"its criteria look at something else than the state of the {kind.name}, which nothing announces"
    blind = not all(_tells(kind, criterion) for criterion in _criteria(step))
    outputs = list(_response(_outputs(step)))
    unseen = [reference for reference in outputs if not _is_told(kind, reference)]
    poll = Poll(
        kind=kind,
        shape=shape,
        back=back,
        patience=_patience(step, operation),
        blind=blind,
        confirm=bool(unseen),
        asks_id=any(_inside(reference) == kind.id for reference in (*outputs, *_response(_read_by(_criteria(step))))),
        lenient=shape == "C" and any(action.patient for action in step.on_success if is_plain_retry(action)),
        onward=workflow.after(step.id) or THE_END,
    )
    sure = tuple(_outcomes(poll, step, operation)) if not blind else ()
    if not _only_falls(poll, step, sure):
        return replace(poll, outcomes=sure)
    poll = replace(poll, falls=True)
    return replace(poll, outcomes=tuple(_outcomes(poll, step, operation)) if sure else ())


def _only_falls(poll: Poll, step: Step, outcomes: Sequence[Told]) -> bool:
    """Whether nothing leads on from a state that was hoped for, so that falling through must be what the document means.

    Where only a read can tell, an action that ends the run may be what is hoped for, unless a step after this one would
    never be reached then.
    """
    if not step.on_success:
        return False
    if outcomes:
        return not any(outcome == "leaves" and state not in poll.kind.hopeless for state, outcome, _ in outcomes)
    others = [action for action in step.on_success if not poll.stays(action)]
    return all(action.kind == "end" for action in others) and (not others or poll.onward != THE_END)


def _shape(
    workflow: Workflow, step: Step, operation: Operation, operations: Mapping[str, Operation]
) -> tuple[Shape, str] | None:
    if operation.holds:
        return "F", step.id
    if operation.method.upper() != "GET":
        return None
    if any(map(_looks, _of_actions(step.on_success))):
        if any(_goes(action, step.id) for action in step.on_success):
            return "A", step.id
        if any(map(is_plain_retry, step.on_success)):
            return "C", step.id
    if any(map(_looks, step.criteria)):
        if any(map(is_plain_retry, step.on_failure)):
            return "B", step.id
        if any(_goes(action, step.id) for action in step.on_failure):
            return "D", step.id
    if earlier := _earlier(workflow, step, operations):
        return "E", earlier
    return ("G", step.id) if operation.reads and _until_gone(step, operation.reads) else None


def _until_gone(step: Step, kind: Kind) -> bool:
    """Whether a step comes back to itself in every state that it can read, and no more when there is nothing to read."""

    def returns(context: Context) -> bool:
        action = choose(step, context, lambda action: True).action
        return action is not None and (is_plain_retry(action) or _goes(action, step.id))

    states = (kind.states | kind.resting) - kind.terminal
    there = [Context(status=200, response=Exchange(body=body_of(kind, state, "id"))) for state in states]
    gone = choose(step, Context(status=404), lambda action: True)
    leaves = gone.succeeded or gone.action is not None
    return bool(kind.terminal) and leaves and not returns(Context(status=404)) and all(map(returns, there))


def _earlier(workflow: Workflow, step: Step, operations: Mapping[str, Operation]) -> str | None:
    """The earlier step that a step goes back to by what it read, when all on the way only look."""
    position = workflow.position(step.id)
    if not any(map(_looks, _criteria(step))):
        return None
    for action in step.actions:
        if action.kind != "goto" or action.step is None:
            continue
        between = workflow.steps[workflow.position(action.step) : position + 1]
        if between and all((found := operations.get(each.id)) and _looks_on(found) for each in between):
            return action.step
    return None


def _looks_on(operation: Operation) -> bool:
    """Whether an operation changes nothing: it reads a resource, or just gets something."""
    return operation.reads is not None or operation.method.upper() in ("GET", "HEAD")


def is_plain_retry(action: Action) -> bool:
    """A retry that does nothing else before."""
    return action.kind == "retry" and action.step is None and action.workflow is None


def _goes(action: Action, step_id: str) -> bool:
    return action.kind == "goto" and action.step == step_id


def _patience(step: Step, operation: Operation) -> float:
    """How long the document means to wait: its timeout, or its own interval times its limit, or the API's deadline."""
    if step.timeout is not None:
        return step.timeout
    retries = (action for action in step.actions if is_plain_retry(action) and action.patient)
    own = [(action.after + operation.hold) * action.limit for action in retries]
    return max(own, default=operation.deadline)


def awaited(step: Step, operation: Operation, context: Context) -> tuple[str, ...]:
    """The states that the request asks a holding server to wait for; none where the operation does not hold."""
    if not operation.holds or step.body is None:
        return ()
    states = at_pointer(step.body.payload.render(context), operation.awaits)
    return tuple(state for state in states if isinstance(state, str)) if isinstance(states, list) else ()


def _outcomes(poll: Poll, step: Step, operation: Operation) -> Iterator[Told]:
    """What each known state of the kind leads to, found by asking the step's own criteria."""
    if any(reference.root not in ("response", "statusCode") for reference in _read_by(_criteria(step))):
        return
    if poll.shape == "G":
        target = _target(poll, choose(step, Context(status=404), lambda action: True).action)
        yield from ((state, "leaves", target) for state in sorted(poll.kind.terminal))
        yield from ((state, "fails", "the document waits until it is gone") for state in sorted(poll.kind.failed))
        yield from ((state, "stays", "") for state in sorted(poll.kind.states - poll.kind.hopeless))
        return
    asked = awaited(step, operation, Context())
    for state in sorted(poll.kind.states | poll.kind.resting):
        context = Context(status=200, response=Exchange(body=body_of(poll.kind, state, "id")))
        yield state, *judge(poll, step, choose(step, context, lambda action: True), state, asked)


def judge(poll: Poll, step: Step, choice: Choice, state: str | None, asked: Sequence[str]) -> tuple[Outcome, str]:
    """What a state means for a poll, given what its criteria chose; with where it leads, or why it fails.

    `asked` are the states that a holding server was asked for: it would not have answered for any other.
    """
    action = choice.action
    unheard = state is not None and bool(asked) and state not in asked
    gate_held = choice.succeeded and action is None and bool(step.on_success)
    if unheard or (action is not None and poll.stays(action)):
        rests = state in poll.kind.hopeless
    elif gate_held and poll.falls and state in poll.kind.resting - poll.kind.hopeless:
        return "leaves", poll.onward
    elif gate_held:
        rests = state is None or state in poll.kind.resting
    elif action is None and not choice.succeeded:
        return "fails", "the success criteria don't hold, and no failure action follows"
    else:
        return "leaves", _target(poll, action)
    return ("fails", f"the state {state!r} rests, and nothing lets it leave") if rests else ("stays", "")


def _target(poll: Poll, action: Action | None) -> str:
    if action is None:
        return poll.onward
    return action.step or action.workflow or THE_END


def _criteria(step: Step) -> Iterator[Criterion]:
    yield from step.criteria
    yield from _of_actions(step.actions)


def _of_actions(actions: Sequence[Action]) -> Iterator[Criterion]:
    return (criterion for action in actions for criterion in action.criteria)


def _outputs(step: Step) -> Iterator[Reference]:
    return (reference for output in step.outputs.values() for reference in output.references())


def _read_by(criteria: Iterator[Criterion]) -> Iterator[Reference]:
    for criterion in criteria:
        yield from criterion.references
        yield from [criterion.context] if criterion.context else []


def _response(references: Iterator[Reference]) -> Iterator[Reference]:
    return (reference for reference in references if reference.root == "response")


def _looks(criterion: Criterion) -> bool:
    """Whether a criterion looks at the reply's body."""
    return any(reference.path[0] == "body" for reference in _response(_read_by(iter([criterion]))))


def _is_told(kind: Kind, reference: Reference, below: tuple[str, ...] = ()) -> bool:
    """Whether an event tells this value: the state or the id."""
    return reference.path[0] == "body" and (*_inside(reference), *below) in (kind.state, kind.id)


def _may_ask_state(kind: Kind, criterion: Criterion) -> bool:
    """Whether a criterion looks at the state, or at so much of the body that it may."""
    bodies = [reference for reference in _response(_read_by(iter([criterion]))) if reference.path[0] == "body"]
    paths = criterion.paths if criterion.kind == "jsonpath" else ("$",)
    below = [()] if paths is None else [tuple(path.split(".")[1:]) for path in paths]
    asked = [(*_inside(reference), *steps) for reference in bodies for steps in below]
    return (paths is None and bool(bodies)) or any(kind.state[: len(steps)] == steps for steps in asked)


def _inside(reference: Reference) -> tuple[str, ...]:
    """Where in the body, for a reference to the reply."""
    return (*reference.path[1:], *reference.pointer)


def _tells(kind: Kind, criterion: Criterion) -> bool:
    """Whether a criterion can be put to what an event tells."""
    if criterion.kind != "jsonpath":
        return all(_is_told(kind, reference) for reference in _response(iter(criterion.references)))
    context = criterion.context
    if context is None or criterion.paths is None or context.root != "response":
        return False
    return all(_is_told(kind, context, tuple(path.split(".")[1:])) for path in criterion.paths)
