"""The kinds of actions a rule may ask for, compiled. Pure.

Owns the table from an action as written to an action that can be planned. Another kind is a model, a class here and a line
in `COMPILERS`; what only shows with APIs and workflows is `reactor.checks`'.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from reactor.rules.cel import Fault, Scope, Template, template
from reactor.rules.model import Action, CallAction, RunAction


class CompiledAction(Protocol):
    """What planning needs of an action, whatever its kind."""

    kind: ClassVar[str]
    """The word in a row that says which handler performs it."""
    results: ClassVar[Mapping[str, str]]
    """What later actions may see of its result, and the types: `${box.id}`."""

    @property
    def arguments(self) -> Template:
        """What has to be rendered."""

    @property
    def name(self) -> str:
        """Its `as`, by which later actions see its result; empty for none."""

    @property
    def api(self) -> str:
        """The API whose gates its row heeds; empty for none."""

    @property
    def operation(self) -> str:
        """The operation of that API; empty for none."""

    def what(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the row asks of its handler, given the rendered arguments."""


@dataclass(frozen=True, slots=True)
class CompiledCall:
    """A call whose arguments are compiled: which API and operation, and the templates of parameters and body."""

    kind: ClassVar[str] = "call"
    results: ClassVar[Mapping[str, str]] = {
        "how": "string",
        "status": "integer",
        "id": "string",
        "name": "string",
        "data": "object",
    }

    api: str
    operation: str
    arguments: Template
    if_exists: str
    name: str = ""

    def what(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The operation with its arguments."""
        return {"operation": self.operation, "if_exists": self.if_exists, **arguments}


@dataclass(frozen=True, slots=True)
class CompiledRun:
    """A run to start, its inputs compiled: which document, and which workflow of it (empty: its only one)."""

    kind: ClassVar[str] = "run"
    results: ClassVar[Mapping[str, str]] = {"how": "string", "run": "string"}
    api: ClassVar[str] = ""
    operation: ClassVar[str] = ""

    document: str
    workflow: str
    arguments: Template
    name: str = ""

    def what(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The document with its inputs."""
        return {"document": self.document, "workflow": self.workflow, **arguments}


def _call(action: CallAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"parameters": action.parameters, "body": action.body}, scope)
    api, _, operation = action.call.partition(".")
    return CompiledCall(api, operation, arguments, action.if_exists, action.name_of_result), faults


def _run(action: RunAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"inputs": action.inputs}, scope)
    return CompiledRun(action.run, action.workflow, arguments, action.name_of_result), faults


COMPILERS: Final[Mapping[type[Action], Callable[[Any, Scope], tuple[CompiledAction, list[Fault]]]]] = {
    CallAction: _call,
    RunAction: _run,
}
"""How each kind of action is compiled."""
