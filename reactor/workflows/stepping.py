"""From step to step: entering and leaving workflows, next steps, actions, retries. Pure; knows nothing of polls' gates.

Every run ends: it begins at most MAX_STEPS steps, workflows nest at most MAX_DEPTH deep, and every step but the calls
of workflows is a call or a wait, so there is no loop without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from reactor.workflows.asking import (
    call_of,
    context_of,
    inputs_of_called,
    missing_path_parameter,
    operation_of,
    outputs_of,
    parameter_of,
    poll_of,
    rendered,
    step_of,
)
from reactor.workflows.choice import Choice, choose, first_holding
from reactor.workflows.criteria import Finding
from reactor.workflows.document import Action, Step
from reactor.workflows.expressions import Context
from reactor.workflows.inputs import defaults_of
from reactor.workflows.program import Program
from reactor.workflows.run import Frame, Purpose, Run, Waiting

MAX_STEPS: Final = 2000
MAX_DEPTH: Final = 20
"""Workflows within workflows."""

PACE: Final = 1.0
"""Seconds before a step is repeated by a goto: it names no delay, and nothing announces what it waits for."""

MAX_REFUSAL: Final = 200
"""Characters of what an API said that a run keeps."""

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds. A server that asks for more is asked again after this."""


@dataclass(slots=True)
class Moment:
    """One advance of a run at one time. Every method takes the run and returns it as it is afterwards."""

    program: Program
    at: float
    findings: list[Finding] = field(default_factory=list)
    again: bool = True
    """Whether a failed step may be done again where the document says so: not if its call may have acted all the same."""

    def begin(self, run: Run) -> Run:
        """Begin the top workflow, or first one that it depends on."""
        workflow = self.program.workflow(run.top.workflow)
        due = next((name for name in workflow.depends_on if name not in run.finished), None)
        if due is None:
            return self.go(run, workflow.steps[0].id)
        declared = self.program.workflow(due).inputs.get("properties", {})
        shared = {name: value for name, value in run.top.inputs.items() if name in declared}
        return self._enter(run, due, "depends", shared)

    def _enter(self, run: Run, workflow_id: str, purpose: Purpose, inputs: dict[str, Any]) -> Run:
        if len(run.frames) >= MAX_DEPTH:
            return self.abort(run, f"more than {MAX_DEPTH} workflows within workflows")
        return self.begin(replace(run, frames=(*run.frames, self._frame(workflow_id, purpose, inputs))))

    def _frame(self, workflow_id: str, purpose: Purpose, inputs: dict[str, Any]) -> Frame:
        """A workflow that begins within a run, with the defaults of what it is not given."""
        return Frame(workflow_id, purpose, {**defaults_of(self.program.workflow(workflow_id)), **inputs})

    def go(self, run: Run, step_id: str, *, delay: float = 0.0) -> Run:
        """Begin a step, `delay` seconds from now."""
        run = replace(
            run.with_top(replace(run.top, step=step_id)),
            steps=run.steps + 1,
            waiting=None,
            not_before=self.at + delay if delay else 0.0,
        )
        step = step_of(self.program, run)
        if run.steps > MAX_STEPS:
            return self.abort(run, f"more than {MAX_STEPS} steps")
        if unmet := [name for name in step.depends_on if not _completed(run, name)]:
            return self.abort(run, f"step {step.id} depends on {unmet[0]}, which has not completed")
        if step.workflow:
            inputs = inputs_of_called(step.parameters, context_of(self.program, run))
            return self._enter(run, step.workflow, "step", inputs)
        if step.mode == "receive":
            return replace(run, waiting=Waiting(self.at))
        return self._call_or_wait(run, step)

    def _call_or_wait(self, run: Run, step: Step) -> Run:
        """A step calls at once, except to see what a server would hold the call for, or what was just set in motion."""
        call = call_of(self.program, run, step)
        if missing := missing_path_parameter(step, call):
            return self.abort(run, f"step {step.id}: the path parameter {missing} has no value")
        operation, poll = operation_of(self.program, run), poll_of(self.program, run)
        if operation is None or poll is None:
            return run
        moved = run.moved.get(f"{poll.kind.name}/{parameter_of(operation, call)}")
        return replace(run, waiting=Waiting(self.at, after=moved or 0.0)) if operation.holds or moved else run

    def choose(self, run: Run, context: Context) -> Choice:
        """Put the current step's criteria to a context; what they say is kept."""
        step = step_of(self.program, run)
        choice = choose(step, context, lambda action: _usable(run.top, step, action))
        self.findings.extend(choice.findings)
        return choice

    def chosen(self, run: Run, context: Context, choice: Choice) -> Run:
        """Complete or fail the current step, and go where its criteria lead."""
        step = step_of(self.program, run)
        if choice.succeeded:
            run = with_outputs(run, step, context)
            context = replace(context, steps=run.top.outputs)
        if choice.action:
            return self._perform(run, step, choice.action, context, choice.succeeded)
        if choice.succeeded:
            return self.next(run, step)
        return self.finish(run, "failed", f"step {step.id} failed: {_unmet(choice, context)}")

    def step_failed(self, run: Run, why: str, context: Context) -> Run:
        """Fail the current step: its first failure action follows, but for those with which a poll waits on.

        No retry follows where nothing may be done again.
        """
        step, poll = step_of(self.program, run), poll_of(self.program, run)
        actions = [
            action
            for action in step.on_failure
            if (self.again or action.kind != "retry")
            and _usable(run.top, step, action)
            and not (poll and poll.stays(action))
        ]
        action, findings = first_holding(actions, context)
        self.findings.extend(findings)
        if action is None:
            return self.finish(run, "failed", why)
        return self._perform(replace(run, because=why), step, action, context, succeeded=False)

    def next(self, run: Run, step: Step) -> Run:
        """The step after one that succeeded: the one that is retried after a detour, the next sequential one, or the end."""
        frame = run.top
        run = run.with_top(replace(frame, detour=None, spent=_without(frame.spent, f"{step.id}/")))
        following = frame.detour or self.program.workflow(frame.workflow).after(step.id)
        return self.go(run, following) if following else self.finish(run, "succeeded", "every step is done")

    def _perform(self, run: Run, step: Step, action: Action, context: Context, succeeded: bool) -> Run:
        """Do what an action says."""
        if action.kind == "end":
            return self.finish(run, "succeeded" if succeeded else "failed", f"step {step.id}: {action.name}")
        if action.kind == "retry":
            return self._retry(run, step, action, context)
        run = run.with_top(replace(run.top, detour=None))
        if action.workflow:
            return self._transfer(run, action.workflow, inputs_of_called(action.parameters, context))
        workflow = self.program.workflow(run.top.workflow)
        target = action.step or step.id
        back = workflow.position(target) <= workflow.position(step.id)
        return self.go(run, target, delay=PACE if back else 0.0)

    def _transfer(self, run: Run, workflow_id: str, inputs: dict[str, Any]) -> Run:
        """One way, to another workflow in place of this one. It has this one's inputs where it is given none."""
        frame = run.top
        return self.begin(run.with_top(self._frame(workflow_id, frame.purpose, {**frame.inputs, **inputs})))

    def _retry(self, run: Run, step: Step, action: Action, context: Context) -> Run:
        """Do the step again after the time that the server asks for, or else the document."""
        frame, key = run.top, _key(step, action)
        frame = replace(frame, spent={**frame.spent, key: frame.spent.get(key, 0) + 1})
        asked = retry_after(context.response.headers, self.at)
        delay = action.after if asked is None else asked
        if action.workflow:
            return self._enter(
                run.with_top(frame), action.workflow, "retry", inputs_of_called(action.parameters, context)
            )
        if action.step:
            return self.go(run.with_top(replace(frame, detour=step.id)), action.step, delay=delay)
        return self.go(run.with_top(frame), step.id, delay=delay)

    def finish(self, run: Run, status: Literal["succeeded", "failed"], because: str) -> Run:
        """End the top workflow, and go on with what it ran for."""
        frame, outputs = run.top, outputs_of(self.program, run)
        steps = {step_id: {"outputs": values} for step_id, values in frame.outputs.items()}
        done = {frame.workflow: {"inputs": frame.inputs, "outputs": outputs, "steps": steps, "status": status}}
        run = replace(run, finished=run.finished | done, waiting=None, not_before=0.0, because=because)
        if frame.purpose == "main":
            return replace(run, status=status, outputs=outputs)
        run = replace(run, frames=run.frames[:-1], because="")
        match frame.purpose, status:
            case "depends", "succeeded":
                return self.begin(run)
            case "retry", "succeeded":
                return self.go(run, run.top.step)
            case "step", _:
                return self._returned(run, status, outputs, because)
            case _:
                return self.finish(run, "failed", f"the workflow {frame.workflow} failed: {because}")

    def _returned(self, run: Run, status: str, outputs: dict[str, Any], because: str) -> Run:
        """The workflow that a step called is done; its last status is the step's, as in the specification's example."""
        context = replace(context_of(self.program, run), outputs=outputs, status=run.replied)
        if status == "failed":
            return self.step_failed(run, because, context)
        return self.chosen(run, context, self.choose(run, context))

    def abort(self, run: Run, because: str) -> Run:
        """End the whole run: the document can't go on."""
        first = replace(run, frames=run.frames[:1], waiting=None, not_before=0.0)
        return replace(first, status="failed", because=because, outputs=outputs_of(self.program, first))


def _completed(run: Run, name: str) -> bool:
    """Whether a step has completed: one of this workflow, or `$workflows.<id>.steps.<id>`."""
    if not name.startswith("$workflows."):
        return name in run.top.outputs
    workflow_id, _, step_id = name.removeprefix("$workflows.").partition(".steps.")
    return step_id in run.finished.get(workflow_id, {}).get("steps", {})


def with_outputs(run: Run, step: Step, context: Context) -> Run:
    """The run with a step's outputs."""
    frame = run.top
    return run.with_top(replace(frame, outputs={**frame.outputs, step.id: rendered(step.outputs, context)}))


def retry_after(headers: Mapping[str, str], at: float) -> float | None:
    """The seconds that a reply asks to be left alone (RFC 9110, 10.2.3), None when it does not say."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(moment.timestamp() - at, 0.0), MAX_RETRY_AFTER)


def _usable(frame: Frame, step: Step, action: Action) -> bool:
    """A retry is spent once its limit is; then later actions have their turn."""
    return action.kind != "retry" or frame.spent.get(_key(step, action), 0) < action.limit


def _key(step: Step, action: Action) -> str:
    return f"{step.id}/{action.name}"


def _without(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith(prefix)}


def _unmet(choice: Choice, context: Context) -> str:
    unmet = [finding.asked for finding in choice.findings if not finding.held]
    status = "" if context.status is None else f"status {context.status}"
    said = [status, f"{unmet[0]} does not hold" if unmet else "", _refusal(context)]
    return ", ".join(filter(None, said)) or "its criteria don't hold"


def _refusal(context: Context) -> str:
    """What an API said when it refused a call."""
    body = context.response.body
    message = body.get("message") if isinstance(body, Mapping) and (context.status or 0) >= 400 else None
    return message[:MAX_REFUSAL] if isinstance(message, str) else ""
