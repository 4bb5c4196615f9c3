"""What a run asks for now: its next call, wait or end, rendered from the run alone. Pure.

The command is a function of the program and the run, so a run that was stored can always say again what it needs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reactor.workflows.apis import DEFAULT_DEADLINE, Message, Operation
from reactor.workflows.document import Body, OperationRef, Parameter, Step
from reactor.workflows.expressions import ABSENT, Context, Exchange
from reactor.workflows.polls import Poll
from reactor.workflows.program import Program
from reactor.workflows.run import Call, Command, End, Replied, Run, Wait, Waiting

DOUBT_DELAYS: Final = (0.2, 1.0, 3.0, 10.0)
"""Seconds to the next read when one disagrees with an event: events can be sent before the state is committed."""

NO_OPERATION: Final = OperationRef(None)


def command_of(program: Program, run: Run) -> Command:
    """What the run needs now."""
    if run.status != "running":
        return End(run.status, run.outputs, run.because)
    step = step_of(program, run)
    waiting = run.waiting
    return _wait_of(program, run, step, waiting) if waiting and run.waits else call_of(program, run, step)


def step_of(program: Program, run: Run) -> Step:
    """The step that a run is at."""
    return program.workflow(run.top.workflow).step(run.top.step)


def operation_of(program: Program, run: Run) -> Operation | None:
    """The operation of the step that a run is at."""
    return program.operations.get((run.top.workflow, run.top.step))


def message_of(program: Program, run: Run) -> Message | None:
    """The event that the step that a run is at receives, if it does."""
    return program.messages.get((run.top.workflow, run.top.step))


def poll_of(program: Program, run: Run) -> Poll | None:
    """The poll that a run is at, if it is at one."""
    return program.polls.get((run.top.workflow, run.top.step))


def call_of(program: Program, run: Run, step: Step) -> Call:
    """The call of a step."""
    context = context_of(program, run)
    operation = operation_of(program, run)
    places: dict[str, dict[str, Any]] = {}
    for parameter in step.parameters:
        value = parameter.value.render(context)
        known = value is not ABSENT and value is not None
        if known and not (operation and operation.authenticates(parameter.where, parameter.name)):
            places.setdefault(parameter.where, {})[parameter.name] = value
    return Call(
        step=step.id,
        operation=step.operation or NO_OPERATION,
        parameters=places,
        content_type=step.body.content_type if step.body else "",
        body=_body(step.body, context),
        not_before=run.not_before,
        timeout=step.timeout,
    )


def missing_path_parameter(step: Step, call: Call) -> str | None:
    """A path parameter without a value: there is nothing to call then."""
    given = call.parameters.get("path", {})
    return next(
        (each.name for each in step.parameters if each.where == "path" and given.get(each.name) in (None, "")), None
    )


def parameter_of(operation: Operation, call: Call) -> str | None:
    """The id (or name) of the resource that a call is about."""
    found = next((named[operation.by] for named in call.parameters.values() if operation.by in named), None)
    return found if isinstance(found, str) else None


def resource_of(run: Run, poll: Poll, operation: Operation, call: Call) -> str | None:
    """The id of the resource that a poll is about; None while only its name is known."""
    named = parameter_of(operation, call)
    known = (run.waiting.resource if run.waiting else None) or run.ids.get(f"{poll.kind.name}/{named}")
    return known or (None if operation.by_name else named)


def _wait_of(program: Program, run: Run, step: Step, waiting: Waiting) -> Wait:
    poll, operation = poll_of(program, run), operation_of(program, run)
    if poll is None or operation is None:
        correlation = _about(program, run, step)
        deadline = waiting.since + (DEFAULT_DEADLINE if step.timeout is None else step.timeout)
        message = message_of(program, run)
        return Wait(
            step.id,
            deadline,
            api=message.api if message else "",
            kind=message.kind if message else "",
            events=(message.event,) if message else (),
            operation=step.operation,
            correlation=correlation,
        )
    probe = call_of(program, run, step)
    known = resource_of(run, poll, operation, probe)
    return Wait(
        step=step.id,
        deadline=waiting.since + poll.patience,
        kind=poll.kind.name,
        api=operation.api,
        resource=known or parameter_of(operation, probe),
        may_be_name=known is None and operation.by_name,
        events=poll.kind.events,
        state=waiting.state,
        after=waiting.after,
        probe=probe,
        probe_in=DOUBT_DELAYS[waiting.doubts - 1] if 0 < waiting.doubts <= len(DOUBT_DELAYS) else None,
    )


def _about(program: Program, run: Run, step: Step) -> Any:
    """What a message is to be about: for the name of a resource its id, once a reply has told it, as events may tell none."""
    about = step.correlation.render(context_of(program, run)) if step.correlation else ABSENT
    message = message_of(program, run)
    known = run.ids.get(f"{message.kind}/{about}") if message else None
    return known or (None if about is ABSENT else about)


def context_of(program: Program, run: Run, reply: Replied | None = None) -> Context:
    """What expressions see at this point of a run, with the reply to the current step if there is one."""
    document, frame = program.document, run.top
    return Context(
        inputs=frame.inputs,
        steps=frame.outputs,
        workflows=run.finished,
        sources=program.sources,
        components=document.components,
        self_url=document.self_url,
        **(_exchange(program, run, reply) if reply else {}),
    )


def _exchange(program: Program, run: Run, reply: Replied) -> dict[str, Any]:
    call, operation = call_of(program, run, step_of(program, run)), operation_of(program, run)
    headers = {name: str(value) for name, value in call.parameters.get("header", {}).items()}
    query, path = call.parameters.get("query", {}), call.parameters.get("path", {})
    return {
        "request": Exchange(headers, query, path, call.body if call.content_type else ABSENT),
        "response": Exchange(reply.headers, query, path, reply.body),
        "status": reply.status,
        "url": reply.url,
        "method": operation.method.upper() if operation else None,
    }


def rendered(templates: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Outputs: what is not there is null."""
    values = {name: template.render(context) for name, template in templates.items()}
    return {name: None if value is ABSENT else value for name, value in values.items()}


def outputs_of(program: Program, run: Run) -> dict[str, Any]:
    """The outputs of the workflow that a run is in, null for what never came."""
    return rendered(program.workflow(run.top.workflow).outputs, context_of(program, run))


def inputs_of_called(parameters: Sequence[Parameter], context: Context) -> dict[str, Any]:
    """The inputs that a step or an action gives to a workflow."""
    values = {parameter.name: parameter.value.render(context) for parameter in parameters}
    return {name: value for name, value in values.items() if value is not ABSENT}


def _body(body: Body | None, context: Context) -> Any:
    if body is None:
        return None
    value = body.payload.render(context)
    for pointer, template in body.replacements:
        put_in = template.render(context)
        if put_in is not ABSENT:
            value = _replaced(value, pointer, put_in)
    return None if value is ABSENT else value


def _replaced(value: Any, pointer: Sequence[str], put_in: Any) -> Any:
    """A copy of a value with something else at a JSON Pointer; members on the way are made, list items are not."""
    if not pointer:
        return put_in
    name, rest = pointer[0], pointer[1:]
    if isinstance(value, list):
        position = int(name) if name.isdecimal() else len(value)
        return [_replaced(item, rest, put_in) if n == position else item for n, item in enumerate(value)]
    members = value if isinstance(value, dict) else {}
    return {**members, name: _replaced(members.get(name), rest, put_in)}
