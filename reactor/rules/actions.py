"""The kinds of actions a rule may ask for, and an action of a rule compiled. Pure.

Owns the one table of them. Another kind is a model in `rules.model`, a line in `KINDS`, and under its word a line each in
`checks.rules.CHECKS` (what only shows with APIs and workflows) and in `handlers.table.HANDLERS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reactor.events import Event
from reactor.rules.cel import Scope
from reactor.rules.fault import Fault
from reactor.rules.model import Action, CallAction, EmitAction, NotifyAction, PerformAction, RunAction
from reactor.rules.template import Template, template
from reactor.store.keys import MAIN


def _nothing(_cause: Event, _rule: str) -> Mapping[str, Any]:
    return {}


def _lineage(cause: Event, rule: str) -> Mapping[str, Any]:
    """The rules that an event of ours follows from, so that none of them fires on it again."""
    return {"organization": cause.organization, "lineage": [*cause.lineage, rule]}


@dataclass(frozen=True, slots=True)
class Kind:
    """What rules may say in an action of one kind, what its row keeps of that, and what later actions see of its result.

    The parts of an action stand in its row under their own names.
    """

    name: str
    """The word in a rule file and in a row, which says which handler performs it."""
    model: type[Action]
    results: Mapping[str, str]
    """What later actions may see of its result, and the types: `${box.id}`."""
    rendered: tuple[str, ...]
    """The parts that may hold `${…}`."""
    plain: tuple[str, ...] = ()
    """The parts that stand in a row as the rule says them."""
    about: str = ""
    """The name in a row of what it is about: the document, the target. Empty: an operation of an API."""
    granted: str = ""
    """The list of a grant in the policy that says what it may be about; operations have lists of their own."""
    carried: Callable[[Event, str], Mapping[str, Any]] = _nothing
    """What else a row carries, of the event it follows from and by which rule."""

    def is_default(self, part: str, value: Any) -> bool:
        """Whether a rule that leaves this part out says the same."""
        return value in (None, "", {}) or bool(value == self.model.model_fields[part].default)


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "call",
            CallAction,
            {"how": "string", "status": "integer", "id": "string", "name": "string", "data": "object"},
            rendered=("parameters", "body"),
            plain=("if_exists",),
        ),
        Kind(
            "run",
            RunAction,
            {"how": "string", "run": "string"},
            rendered=("inputs",),
            plain=("workflow",),
            about="document",
            granted="workflows",
        ),
        Kind(
            "notify",
            NotifyAction,
            {"how": "string"},
            rendered=("title", "text"),
            about="target",
            granted="targets",
        ),
        Kind(
            "emit",
            EmitAction,
            {"how": "string", "event": "string"},
            rendered=("data",),
            about="type",
            granted="events",
            carried=_lineage,
        ),
        Kind(
            "perform",
            PerformAction,
            {"how": "string", "data": "object"},
            rendered=("arguments",),
            plain=("queue",),
            about="handler",
            granted="handlers",
        ),
    )
}
"""Every kind of action, by its word."""


@dataclass(frozen=True, slots=True)
class CompiledAction:
    """An action of a rule whose arguments are compiled."""

    kind: Kind
    subject: str
    """What it is about, in a word: the operation with its API, the document, the target."""
    arguments: Template
    """What has to be rendered."""
    plain: Mapping[str, Any]
    """What stands in its row as it is."""
    name: str = ""
    """Its `as`, by which later actions see its result; empty for none."""

    @property
    def api(self) -> str:
        """The API whose gates its row heeds; empty for none."""
        return "" if self.kind.about else self.subject.partition(".")[0]

    @property
    def operation(self) -> str:
        """The operation of that API; empty for none."""
        return "" if self.kind.about else self.subject.partition(".")[2]

    @property
    def queue(self) -> str:
        """The queue whose workers perform it."""
        return str(self.plain.get("queue", MAIN))

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """What the row asks of its handler, given the rendered arguments, the event it follows from, and by which rule.

        The arguments stand in it under their own names: what is open of them is filled in there, later.
        """
        about = {self.kind.about: self.subject} if self.kind.about else {"operation": self.operation}
        return {**about, **self.plain, **self.kind.carried(cause, rule), **arguments}


def compile_action(action: Action, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    """Compile an action over what it may mention; what is wrong with its texts is returned, with its place in the action."""
    kind = next(kind for kind in KINDS.values() if isinstance(action, kind.model))
    arguments, faults = template({part: getattr(action, part) for part in kind.rendered}, scope)
    plain = {part: getattr(action, part) for part in kind.plain}
    return CompiledAction(kind, getattr(action, kind.name), arguments, plain, action.name_of_result), faults
