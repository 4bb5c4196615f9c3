"""What a step's own criteria say of a reply: did it succeed, and which of its actions follows. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reactor.workflows.apis import Kind
from reactor.workflows.criteria import Criterion, Finding
from reactor.workflows.document import Action, Step
from reactor.workflows.expressions import ABSENT, Context, at_pointer


@dataclass(frozen=True, slots=True)
class Choice:
    """The verdict on a step: whether it succeeded, the first action whose criteria hold, and every finding."""

    succeeded: bool
    action: Action | None
    findings: tuple[Finding, ...]


def choose(step: Step, context: Context, usable: Callable[[Action], bool]) -> Choice:
    """Put a step's criteria to what it got. Actions that aren't `usable` (a spent retry) are passed over.

    Without successCriteria a call succeeds with a status of 2xx, and a step without a reply because it got so far.
    """
    findings = put_all(step.criteria, context)
    default = context.status is None or 200 <= context.status < 300
    succeeded = all(finding.held for finding in findings) if step.criteria else default
    actions = step.on_success if succeeded else step.on_failure
    action, more = first_holding([action for action in actions if usable(action)], context)
    return Choice(succeeded, action, (*findings, *more))


def first_holding(actions: Sequence[Action], context: Context) -> tuple[Action | None, tuple[Finding, ...]]:
    """The first action whose criteria all hold, with the findings up to there."""
    findings: tuple[Finding, ...] = ()
    for action in actions:
        asked = put_all(action.criteria, context)
        findings += asked
        if all(finding.held for finding in asked):
            return action, findings
    return None, findings


def put_all(criteria: Sequence[Criterion], context: Context) -> tuple[Finding, ...]:
    """Every criterion's finding."""
    return tuple(criterion.put_to(context) for criterion in criteria)


def state_in(kind: Kind, body: Any) -> str | None:
    """The state that a reply's body tells."""
    state = at_pointer(body, kind.state)
    return state if isinstance(state, str) else None


def id_in(kind: Kind, body: Any) -> str | None:
    """The id that a reply's body tells."""
    found = at_pointer(body, kind.id)
    return found if isinstance(found, str) and found else None


def name_in(kind: Kind, body: Any) -> str | None:
    """The name that a reply's body tells."""
    found = at_pointer(body, kind.label)
    return found if isinstance(found, str) and found else None


def body_of(kind: Kind, state: str, resource_id: str | None) -> dict[str, Any]:
    """As much of a reply's body as an event tells."""
    body: dict[str, Any] = {}
    for pointer, value in ((kind.state, state), (kind.id, resource_id or ABSENT)):
        inner = body
        for name in pointer[:-1]:
            inner = inner.setdefault(name, {})
        if value is not ABSENT:
            inner[pointer[-1]] = value
    return body
