"""Finds the steps that only pass the time between two looks of a poll, and lets the poll do without them. Pure.

Arazzo has no step that sleeps, so documents go to one that gets something of no interest (a health check, a list) and
comes back. A wait needs no such pause: it is woken.
"""

from collections.abc import Mapping
from dataclasses import replace

from reactor.workflows.apis import Operation
from reactor.workflows.document import Action, Step, Workflow


def without_pauses(workflow: Workflow, step: Step, operations: Mapping[str, Operation]) -> tuple[Step, tuple[str, ...]]:
    """The step as if it came back to itself where it comes back by way of a pause, and the pauses it is spared."""
    others = {each.id: each for each in workflow.steps if _passes_time(each, step.id, operations.get(each.id))}
    spared: list[str] = []

    def straight(action: Action) -> Action:
        other = others.get(action.step or "")
        if other is None or not (action.kind == "retry" or _comes_back(workflow, other, step.id)):
            return action
        spared.append(other.id)
        return replace(action, step=None if action.kind == "retry" else step.id)

    on_success, on_failure = (tuple(map(straight, actions)) for actions in (step.on_success, step.on_failure))
    return replace(step, on_success=on_success, on_failure=on_failure), tuple(dict.fromkeys(spared))


def _passes_time(step: Step, back: str, operation: Operation | None) -> bool:
    """Whether a step only gets something that nobody looks at, and goes nowhere but `back` after it."""
    if operation is None or operation.reads or operation.method.upper() != "GET" or step.outputs:
        return False
    looked_at = (reference for criterion in step.criteria for reference in criterion.references)
    return all(reference.path[:1] != ("body",) for reference in looked_at) and all(
        action.kind == "goto" and action.step == back for action in step.on_success
    )


def _comes_back(workflow: Workflow, step: Step, back: str) -> bool:
    """Whether a step that was gone to leads `back`, whatever it got; a retry returns by itself."""
    return workflow.after(step.id) == back or any(not action.criteria for action in step.on_success)
