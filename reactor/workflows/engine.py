"""Steps through a workflow: what happened -> the run as it is now, and its next call, wait or end. Pure.

Owns what a reply, a sighting or a deadline means for the current step, and the rule that a poll's gate opens only by a
criterion. It has no clock (times come with what happened) and performs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reactor.workflows.apis import Kind, Operation
from reactor.workflows.asking import (
    call_of,
    command_of,
    context_of,
    operation_of,
    parameter_of,
    poll_of,
    resource_of,
    step_of,
)
from reactor.workflows.choice import body_of, id_in, name_in, state_in
from reactor.workflows.criteria import Finding
from reactor.workflows.expressions import Context, Exchange
from reactor.workflows.polls import Poll, awaited, judge
from reactor.workflows.program import Program
from reactor.workflows.run import (
    CallFailed,
    Command,
    Frame,
    Happened,
    Observed,
    Replied,
    Run,
    Started,
    TimedOut,
    Waiting,
)
from reactor.workflows.stepping import Moment, with_outputs

GONE: Final = 404
"""What a read answers for a resource that is no more."""

PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers to a probe that say nothing of the resource: the wait goes on. 408 is a long poll's "not yet"."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """A run after something happened, what it needs now, and the findings that led there."""

    run: Run
    command: Command
    findings: tuple[Finding, ...]


def new_run(workflow_id: str, inputs: Mapping[str, Any]) -> Run:
    """A run that has not started. `inputs` were accepted by `accept_inputs`."""
    return Run((Frame(workflow_id, "main", dict(inputs)),))


def advance(program: Program, run: Run, happened: Happened) -> Advanced:
    """Take what happened into a run.

    Raises ValueError for what can't happen to it: the caller compares generations before.
    """
    moment = Moment(program, happened.at, again=not (isinstance(happened, CallFailed) and happened.unknown))
    after = _take(moment, replace(run, generation=run.generation + 1), happened)
    return Advanced(after, command_of(program, after), tuple(moment.findings))


def _take(moment: Moment, run: Run, happened: Happened) -> Run:
    running, begun = run.status == "running", bool(run.top.step)
    match happened:
        case Started() if running and not begun:
            return moment.begin(run)
        case Replied() if running and begun:
            return _replied(moment, run, happened)
        case Observed() if running and run.waiting and run.waits:
            return _observed(moment, run, run.waiting, happened)
        case TimedOut() if running and begun:
            return _timed_out(moment, run)
        case CallFailed(passing=True) if running and begun and poll_of(moment.program, run):
            return _unanswered(moment, run)
        case CallFailed() if running and begun:
            return moment.step_failed(run, happened.reason, context_of(moment.program, run))
    state = "waits" if run.waits else "calls" if begun else "has not started"
    raise ValueError(f"found {type(happened).__name__} for a run that {state if running else 'has ' + run.status}")


def _replied(moment: Moment, run: Run, reply: Replied) -> Run:
    run = replace(run, replied=reply.status)
    if run.waiting:
        run = replace(run, waiting=replace(run.waiting, reads=run.waiting.reads + 1))
    poll, operation = poll_of(moment.program, run), operation_of(moment.program, run)
    if poll and operation and reply.status in PASSING and (run.waiting or operation.holds):
        return _unanswered(moment, run)
    if poll and operation and 200 <= reply.status < 300:
        return _polled(moment, run, poll, operation, reply)
    if poll and operation and reply.status == GONE and (last := _ended_as(moment.program, run, poll)):
        return _polled(moment, run, poll, operation, _told(moment.program, run, poll, operation, last))
    if operation:
        run = _with_moved(moment.program, run, operation, reply)
    context = context_of(moment.program, run, reply)
    return moment.chosen(run, context, moment.choose(run, context))


def _unanswered(moment: Moment, run: Run) -> Run:
    """A look that says nothing of the resource: the wait goes on, or begins."""
    before = run.waiting or Waiting(moment.at)
    doubts = before.doubts + bool(before.doubts)  # so that a read in doubt is not repeated at its first pause for ever
    return replace(run, waiting=replace(before, reading=False, doubts=doubts), not_before=0.0)


def _with_moved(program: Program, run: Run, operation: Operation, reply: Replied) -> Run:
    """Note when a resource was set in motion: it is known by what the call named it, and by the id in the reply."""
    kind = operation.moves or operation.reads
    if kind is None or not 200 <= reply.status < 300:
        return run
    asked = reply.at if reply.asked is None else reply.asked
    named = parameter_of(operation, call_of(program, run, step_of(program, run)))
    if not operation.moves:
        return _with_id(run, kind, named, reply.body)
    answered = None if operation.creates else id_in(kind, reply.body)
    moved = run.moved | {f"{kind.name}/{name}": asked for name in (named, answered) if name}
    return replace(_with_id(run, kind, named, reply.body, sure=operation.method == "DELETE"), moved=moved)


def _with_id(run: Run, kind: Kind, named: str | None, body: Any, *, sure: bool = False) -> Run:
    """Note the id of what was called by its name.

    A reply may show another resource, which has another name (a fork); that of a DELETE is `sure` to be the one that was
    named, though it may have another name by now.
    """
    found = id_in(kind, body)
    if not named or not found or named == found or not (sure or name_in(kind, body) == named):
        return run
    return replace(run, ids=run.ids | {f"{kind.name}/{named}": found})


def _ended_as(program: Program, run: Run, poll: Poll) -> str | None:
    """What a 404 says of a resource that the run has seen or moved: its last state, where the document waits for that."""
    operation, step = operation_of(program, run), step_of(program, run)
    if operation is None:
        return None
    named = parameter_of(operation, call_of(program, run, step))
    seen = (run.waiting and run.waiting.resource) or f"{poll.kind.name}/{named}" in run.moved
    ends = (state for state, outcome, _ in poll.outcomes if outcome == "leaves" and state in poll.kind.terminal)
    return next(ends, None) if seen or poll.shape == "G" else None


def _observed(moment: Moment, run: Run, waiting: Waiting, seen: Observed) -> Run:
    poll, operation = poll_of(moment.program, run), operation_of(moment.program, run)
    if poll is None or operation is None:
        return _received(moment, run, seen)
    if seen.body is not None:
        return _polled(moment, run, poll, operation, Replied(moment.at, 200, seen.headers, seen.body))
    if seen.state is None:
        raise ValueError("found a sighting with neither state nor body")
    if poll.blind:
        return _read(run, waiting, seen.state)
    told = _told(moment.program, run, poll, operation, seen.state)
    if poll.back != run.top.step:
        return _back(moment, run, poll, operation, told)
    return _polled(moment, run, poll, operation, told, told=False)


def _back(moment: Moment, run: Run, poll: Poll, operation: Operation, told: Replied) -> Run:
    """A poll of several steps goes through them again once its resource has left the states that it waits in."""
    step = step_of(moment.program, run)
    context, state = context_of(moment.program, run, told), state_in(poll.kind, told.body)
    outcome, _ = judge(poll, step, moment.choose(run, context), state, ())
    if outcome == "stays":
        return _wait_on(moment, run, poll, context, state)
    return moment.go(_without_moved(run, poll, operation, context), poll.back)


def _read(run: Run, waiting: Waiting, state: str | None) -> Run:
    return replace(run, waiting=replace(waiting, reading=True, state=state), not_before=0.0)


def _told(program: Program, run: Run, poll: Poll, operation: Operation, state: str) -> Replied:
    """What a read would have answered, as far as an event tells."""
    resource = resource_of(run, poll, operation, call_of(program, run, step_of(program, run)))
    if poll.shape == "G" and state in poll.kind.terminal:
        return Replied(0.0, GONE)
    return Replied(0.0, 200, {}, body_of(poll.kind, state, resource))


def _received(moment: Moment, run: Run, seen: Observed) -> Run:
    """The awaited message came; one that the criteria refuse fails the step (Arazzo 1.1)."""
    context = replace(context_of(moment.program, run), message=Exchange(headers=seen.headers, body=seen.body))
    return moment.chosen(run, context, moment.choose(run, context))


def _polled(moment: Moment, run: Run, poll: Poll, operation: Operation, reply: Replied, *, told: bool = True) -> Run:
    """A poll saw its resource: `told` the whole body by a read, or else as much as an event tells."""
    step, state = step_of(moment.program, run), state_in(poll.kind, reply.body)
    if poll.shape == "G" and (reply.status == GONE or state in poll.kind.terminal):
        return _gone(moment, run, poll, operation)
    context = context_of(moment.program, run, reply)
    choice = moment.choose(run, context)
    outcome, why = judge(poll, step, choice, state, awaited(step, operation, context))
    unsure = poll.confirm or (poll.asks_id and id_in(poll.kind, reply.body) is None)
    if outcome == "leaves" and not told and unsure and state not in poll.kind.terminal and run.waiting:
        return _read(run, run.waiting, state)
    if choice.succeeded:
        run = with_outputs(run, step, context)
    if outcome == "stays":
        return _wait_on(moment, run, poll, context, state)
    run = _without_moved(run, poll, operation, context)
    if outcome == "fails":
        return moment.step_failed(run, f"step {step.id}: {why}", context)
    if choice.action and choice.action.kind == "end" and poll.disappoints(state):
        return moment.finish(run, "failed", f"step {step.id}: the {poll.kind.name} is {state}")
    return moment.chosen(run, context, choice)


def _gone(moment: Moment, run: Run, poll: Poll, operation: Operation) -> Run:
    """The resource is no more, as the document wanted: however it takes a 404, the step has succeeded."""
    context = context_of(moment.program, run, Replied(moment.at, GONE))
    choice = replace(moment.choose(run, context), succeeded=True)
    return moment.chosen(_without_moved(run, poll, operation, context), context, choice)


def _wait_on(moment: Moment, run: Run, poll: Poll, context: Context, state: str | None) -> Run:
    """Wait, or wait on. A read that disagrees with the event before it is repeated soon, some times."""
    before = run.waiting or Waiting(moment.at)
    doubted = before.reading and not poll.blind
    resource = id_in(poll.kind, context.response.body) or before.resource
    waiting = replace(before, resource=resource, state=state, reading=False, doubts=before.doubts + doubted)
    return replace(run, waiting=waiting, not_before=0.0, because=f"the {poll.kind.name} is {state}")


def _without_moved(run: Run, poll: Poll, operation: Operation, context: Context) -> Run:
    """The resource has arrived: from here on every sighting is evidence."""
    named = context.request.path.get(operation.by), id_in(poll.kind, context.response.body)
    over = {f"{poll.kind.name}/{name}" for name in named}
    return replace(run, moved={name: at for name, at in run.moved.items() if name not in over}, because="")


def _timed_out(moment: Moment, run: Run) -> Run:
    poll, step = poll_of(moment.program, run), step_of(moment.program, run)
    if poll and poll.lenient and run.waiting:
        return moment.next(run, step)
    patience = f" after {poll.patience:g} s" if poll else ""
    return moment.step_failed(run, f"step {step.id} timed out{patience}", context_of(moment.program, run))
