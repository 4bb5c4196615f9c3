"""The kinds of actions a rule may ask for, compiled. Pure.

Owns the table from an action as written to an action that can be planned. Another kind is a model, a class here and a line
each in `COMPILERS`, in `wording.PARTS`, in `checks.CHECKS` (what only shows with APIs and workflows) and in `HANDLERS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from reactor.events import Event
from reactor.rules.cel import Fault, Scope, Template, template
from reactor.rules.model import Action, CallAction, EmitAction, NotifyAction, PerformAction, RunAction


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

    @property
    def subject(self) -> str:
        """What it is about, in a word: the operation, the document, the target."""

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """What the row asks of its handler, given the rendered arguments, the event it follows from, and by which rule.

        The arguments stand in it under their own names: what is open of them is filled in there, later.
        """


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

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return f"{self.api}.{self.operation}"

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
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

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return self.document

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """The document with its inputs."""
        return {"document": self.document, "workflow": self.workflow, **arguments}


@dataclass(frozen=True, slots=True)
class CompiledNotify:
    """Something to tell, its title and text compiled, and to which target."""

    kind: ClassVar[str] = "notify"
    results: ClassVar[Mapping[str, str]] = {"how": "string"}
    api: ClassVar[str] = ""
    operation: ClassVar[str] = ""

    target: str
    arguments: Template
    name: str = ""

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return self.target

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """The target with what to tell it."""
        return {"target": self.target, **arguments}


@dataclass(frozen=True, slots=True)
class CompiledEmit:
    """An event to make, its fields compiled."""

    kind: ClassVar[str] = "emit"
    results: ClassVar[Mapping[str, str]] = {"how": "string", "event": "string"}
    api: ClassVar[str] = ""
    operation: ClassVar[str] = ""

    type: str
    arguments: Template
    name: str = ""

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return self.type

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """The event's type and fields, and the rules it follows from, so that none of them fires on it again."""
        lineage = [*cause.lineage, rule]
        return {"type": self.type, "organization": cause.organization, "lineage": lineage, **arguments}


@dataclass(frozen=True, slots=True)
class CompiledPerform:
    """Something that a plugged handler performs, its arguments compiled."""

    kind: ClassVar[str] = "perform"
    results: ClassVar[Mapping[str, str]] = {"how": "string", "data": "object"}
    api: ClassVar[str] = ""
    operation: ClassVar[str] = ""

    handler: str
    arguments: Template
    name: str = ""

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return self.handler

    def what(self, arguments: Mapping[str, Any], cause: Event, rule: str) -> dict[str, Any]:
        """The handler with its arguments."""
        return {"handler": self.handler, **arguments}


def _call(action: CallAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"parameters": action.parameters, "body": action.body}, scope)
    api, _, operation = action.call.partition(".")
    return CompiledCall(api, operation, arguments, action.if_exists, action.name_of_result), faults


def _run(action: RunAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"inputs": action.inputs}, scope)
    return CompiledRun(action.run, action.workflow, arguments, action.name_of_result), faults


def _notify(action: NotifyAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"title": action.title, "text": action.text}, scope)
    return CompiledNotify(action.notify, arguments, action.name_of_result), faults


def _emit(action: EmitAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"data": action.data}, scope)
    return CompiledEmit(action.emit, arguments, action.name_of_result), faults


def _perform(action: PerformAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"arguments": action.arguments}, scope)
    return CompiledPerform(action.perform, arguments, action.name_of_result), faults


COMPILERS: Final[Mapping[type[Action], Callable[[Any, Scope], tuple[CompiledAction, list[Fault]]]]] = {
    CallAction: _call,
    RunAction: _run,
    NotifyAction: _notify,
    EmitAction: _emit,
    PerformAction: _perform,
}
"""How each kind of action is compiled."""
