"""The parts of a workflow as values: expressions and conditions compiled, reusable objects put in.

Collects problems and warnings with their places instead of raising, so that a document is read to its end. Knows
nothing of how steps and workflows refer to each other.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from reactor import yaml12
from reactor.errors import Problem
from reactor.workflows import model
from reactor.workflows.criteria import Criterion, compile_criterion
from reactor.workflows.document import DEFAULT_RETRIES, Action, Body, OperationRef, Parameter
from reactor.workflows.expressions import (
    BARE,
    Context,
    ExpressionError,
    Literal,
    Note,
    Reference,
    Template,
    at_pointer,
    compile_template,
    parse,
    split_pointer,
)
from reactor.workflows.jsonpath import compile_query
from reactor.yaml12 import Path, expected_one_of

Thing = TypeVar("Thing")

_QUALIFIED: Final = re.compile(r"\{?\$sourceDescriptions\.(?P<source>[\w-]+)\.(?P<id>[^{}#]+)\}?")
_POINTED: Final = re.compile(r"\{?\$sourceDescriptions\.(?P<source>[\w-]+)(?P<url>\.url)?\}?#(?P<pointer>/.*)")
_SINGULAR: Final = re.compile(r"\$((?:\.[A-Za-z_][\w-]*|\[\d+\]|\['[^'\]]*'\])*)")
_UNQUOTED: Final = re.compile(rf'(?P<quoted>"(?:[^"\\]|\\.)*")|\{{(?P<braced>\$[^{{}}]+)\}}|(?P<bare>{BARE})')
NOTHING: Final[Template] = Literal(None)


def _in_quotes(found: re.Match[str]) -> str:
    """An expression in a JSON text as a JSON text of its own, which is nothing but that expression."""
    return found["quoted"] or f'"{found["braced"] or found["bare"]}"'


@dataclass(frozen=True, slots=True)
class Own:
    """A step's outputs as its own actions see them: `$steps.poll.outputs.state`, said by `poll`, is what the reply says.

    So a poll that asks its output is seen to ask for the state.
    """

    step: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def said_by_reply(self, text: str) -> str:
        """The text with each of them as the expression that gives it, where that is one whole expression."""
        return re.sub(rf"\$steps\.{re.escape(self.step)}\.outputs\.([\w-]+)(#?)", self._expression, text)

    def _expression(self, found: re.Match[str]) -> str:
        given = self.outputs.get(found[1])
        plain = isinstance(given, str) and given.startswith("$") and re.fullmatch(BARE, given)
        if not plain or not isinstance(given, str):
            return found[0]
        return given if found[2] and "#" in given else given + found[2]


@dataclass(slots=True)
class Compiler:
    """Compiles parts of one document; what is wrong with them is in `problems`, what is unusual in `warnings`."""

    yaml: yaml12.Document
    components: model.Components
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refuse(self, path: Path, message: str) -> None:
        """Note a mistake."""
        self.problems.append(self.yaml.problem(path, message))

    def note_at(self, path: Path) -> Note:
        """Takes the warnings of what stands at `path`."""
        return lambda message: self.warnings.append(replace(self.yaml.problem(path, message), severity="warning"))

    def template(self, value: Any, path: Path) -> Template:
        """A value with its expressions."""
        return self._tried(lambda: compile_template(value, self.note_at(path)), path, NOTHING)

    def value(self, value: Any, path: Path) -> Template:
        """What may also be a selector: a parameter's value, an output, a replacement."""
        if isinstance(value, Mapping) and set(value) == {"context", "selector", "type"}:
            try:
                value = model.Selector.model_validate(value)
            except ValidationError:
                self.refuse(
                    path, "found a selector, expected texts as context and selector, and type jsonpath or jsonpointer"
                )
        if isinstance(value, model.Selector):
            return self._tried(partial(compile_selector, value), path, NOTHING)
        return self.template(value, path)

    def outputs(self, raw: Mapping[str, Any], path: Path) -> dict[str, Template]:
        """The outputs of a step or workflow."""
        return {name: self.value(value, (*path, name)) for name, value in raw.items()}

    def criteria(self, raw: Sequence[model.Criterion], path: Path, own: "Own | None" = None) -> tuple[Criterion, ...]:
        """A list of conditions, all of which must hold; `own` are the outputs of the step that they follow."""
        compiled = (self._criterion(criterion, (*path, number), own or Own()) for number, criterion in enumerate(raw))
        return tuple(criterion for criterion in compiled if criterion)

    def _criterion(self, raw: model.Criterion, path: Path, own: "Own") -> Criterion | None:
        def compiled() -> Criterion:
            context = None if raw.context is None else own.said_by_reply(raw.context)
            note, condition = self.note_at((*path, "condition")), own.said_by_reply(raw.condition)
            return replace(compile_criterion(condition, raw.kind, context, note), condition=raw.condition)

        return self._tried(compiled, (*path, "condition"), None)

    def _tried(self, compiled: Callable[[], Thing], path: Path, otherwise: Thing) -> Thing:
        try:
            return compiled()
        except ExpressionError as error:
            self.refuse(path, str(error))
            return otherwise

    def parameters(self, raw: Sequence[model.Reusable | model.Parameter], path: Path) -> tuple[Parameter, ...]:
        """A list of parameters, references resolved; a reference's own value wins."""
        compiled = (self._parameter(item, (*path, number)) for number, item in enumerate(raw))
        return tuple(parameter for parameter in compiled if parameter)

    def _parameter(self, raw: model.Reusable | model.Parameter, path: Path) -> Parameter | None:
        found = self._resolved(raw, "parameters", self.components.parameters, path)
        if found is None:
            return None
        overridden = isinstance(raw, model.Reusable) and raw.value is not None
        value = raw.value if overridden else found.value
        return Parameter(found.name, found.in_ or "", self.value(value, (*path, "value")))

    def actions(
        self, raw: Sequence[model.Reusable | model.Action], path: Path, *, success: bool, own: "Own | None" = None
    ) -> tuple[Action, ...]:
        """A list of success or failure actions, references resolved; `own` are the outputs of their step."""
        kind = "successActions" if success else "failureActions"
        known = self.components.success_actions if success else self.components.failure_actions
        found = ((self._resolved(item, kind, known, (*path, n)), (*path, n)) for n, item in enumerate(raw))
        return tuple(self._action(action, place, success, own) for action, place in found if action)

    def _action(self, raw: model.Action, path: Path, success: bool, own: "Own | None") -> Action:
        targets = [target for target in (raw.step_id, raw.workflow_id) if target]
        allowed = {"end": (0,), "goto": (1,), "retry": (0, 1)}[raw.type]
        if len(targets) not in allowed:
            found, expected = " and ".join(targets) or "no target", " or ".join(map(str, allowed))
            self.refuse(path, f"found {found} in the {raw.type} action, expected {expected} of stepId and workflowId")
        if raw.type == "retry" and success:
            self.note_at(path)("found a retry in onSuccess; the standard form is a retry in onFailure")
        return Action(
            name=raw.name,
            kind=raw.type,
            criteria=self.criteria(raw.criteria, (*path, "criteria"), own),
            step=raw.step_id,
            workflow=raw.workflow_id and local_workflow(raw.workflow_id),
            after=raw.retry_after or 0.0,
            limit=DEFAULT_RETRIES if raw.retry_limit is None else raw.retry_limit,
            patient=bool(raw.retry_after and raw.retry_limit),
            parameters=self.parameters(raw.parameters, (*path, "parameters")),
        )

    def _resolved(self, raw: model.Reusable | Thing, kind: str, known: Mapping[str, Thing], path: Path) -> Thing | None:
        if not isinstance(raw, model.Reusable):
            return raw
        name = raw.reference.removeprefix(f"$components.{kind}.")
        if name not in known:
            names = [f"$components.{kind}.{name}" for name in known]
            self.refuse((*path, "reference"), expected_one_of(raw.reference, names))
            return None
        return known[name]

    def body(self, raw: model.RequestBody | None, path: Path) -> Body | None:
        """A request body. A JSON text is read now, so that no value can break out of its quotes later.

        Expressions outside of quotes keep the type of their values.
        """
        if raw is None:
            return None
        kind, payload = raw.content_type or "application/json", raw.payload
        if isinstance(payload, str) and "json" in kind and payload.lstrip()[:1] in ("{", "["):
            try:
                payload = json.loads(_UNQUOTED.sub(_in_quotes, payload))
            except ValueError as error:
                self.note_at((*path, "payload"))(f"found a text that is no JSON ({error}): it is sent as it is")
        replacements = (
            (self._pointer(item, (*path, "replacements", n)), self.value(item.value, (*path, "replacements", n)))
            for n, item in enumerate(raw.replacements)
        )
        return Body(kind, self.template(payload, (*path, "payload")), tuple(replacements))

    def _pointer(self, raw: model.Replacement, path: Path) -> tuple[str, ...]:
        return self._tried(lambda: _target(raw), (*path, "target"), ())

    def operation(self, raw: model.Step, path: Path, sources: Sequence[model.Source]) -> OperationRef | None:
        """The operation of a step, None when it calls a workflow."""
        named = {
            "operationId": raw.operation_id,
            "operationPath": raw.operation_path,
            "channelPath": raw.channel_path,
            "workflowId": raw.workflow_id,
        }
        [(field_name, text)] = [(name, text) for name, text in named.items() if text]
        if field_name == "channelPath" and all(source.type != "asyncapi" for source in sources):
            self.refuse(path, "found channelPath, expected with it a source description of type asyncapi")
        if field_name == "workflowId":
            return None
        reference = self._reference(field_name, text, (*path, field_name), sources)
        names = [source.name for source in sources]
        if reference and reference.source and reference.source not in names:
            self.refuse((*path, field_name), expected_one_of(reference.source, names))
        return reference

    def _reference(
        self, field_name: str, text: str, path: Path, sources: Sequence[model.Source]
    ) -> OperationRef | None:
        if pointed := _POINTED.fullmatch(text):
            if not pointed["url"]:
                self.note_at(path)(
                    f"found {text!r}; the standard form is '{{$sourceDescriptions.{pointed['source']}.url}}#/…'"
                )
            return self._pointed(pointed["source"], pointed["pointer"], path)
        if qualified := _QUALIFIED.fullmatch(text):
            if field_name != "operationId":
                self.note_at(path)(f"found {text!r} in {field_name}; the standard form is operationId: {text}")
            return OperationRef(qualified["source"], id=qualified["id"])
        if field_name != "operationId":
            self.note_at(path)(f"found {text!r}; the standard form is '{{$sourceDescriptions.<name>.url}}#/…'")
            return _plainly(text) if field_name == "operationPath" else OperationRef(None, channel=text)
        if text.startswith(("$", "{")):
            self.refuse(path, f"found {text!r}, expected $sourceDescriptions.<name>.<operationId>")
            return None
        described = [source.name for source in sources if source.type != "arazzo"]
        named, _, operation = text.partition(".")
        if operation and named in described:
            self.note_at(path)(f"found {text!r}; the standard form is $sourceDescriptions.{text}")
            return OperationRef(named, id=operation)
        if len(described) > 1:
            self.note_at(path)(f"found {text!r}; the standard form is $sourceDescriptions.<name>.{text}")
        return OperationRef(described[0] if len(described) == 1 else None, id=text)

    def _pointed(self, source: str, pointer: str, path: Path) -> OperationRef | None:
        match split_pointer(pointer):
            case ("paths", url_path, method):
                return OperationRef(source, path=url_path, method=method)
            case ("paths", url_path):
                self.note_at(path)(f"found {pointer!r}, a path; the standard form names a method, too: '{pointer}/get'")
                return OperationRef(source, path=url_path)
            case ("channels", *rest):
                return OperationRef(source, channel="/".join(rest))
        self.refuse(path, f"found the pointer {pointer!r}, expected /paths/<path>/<method> or /channels/<name>")
        return None


@dataclass(frozen=True, slots=True)
class Selected:
    """A value picked out of what an expression gives."""

    context: Reference
    pick: Callable[[Any], Any]

    def render(self, context: Context) -> Any:
        """The picked value; ABSENT when there is none."""
        return self.pick(self.context.render(context))

    def references(self) -> Iterator[Reference]:
        """The expression."""
        yield self.context


def compile_selector(raw: model.Selector) -> Selected:
    """A selector of type jsonpath or jsonpointer. Raises ExpressionError."""
    kind = raw.type if isinstance(raw.type, str) else raw.type.type
    match kind:
        case "jsonpath":
            return Selected(parse(raw.context), compile_query(raw.selector))
        case "jsonpointer":
            return Selected(parse(raw.context), partial(at_pointer, pointer=split_pointer(raw.selector)))
    raise ExpressionError("found a selector of type xpath, expected jsonpath or jsonpointer: the APIs send JSON")


def _plainly(text: str) -> OperationRef:
    """An operation as people say it: `GET /volumes`, or only its path."""
    method, _, path = text.strip().rpartition(" ")
    return OperationRef(None, path=path, method=method)


def _target(raw: model.Replacement) -> tuple[str, ...]:
    """Where a replacement is put. Raises ExpressionError."""
    if raw.kind == "jsonpointer":
        return split_pointer(raw.target)
    path = _SINGULAR.fullmatch(raw.target) if raw.kind == "jsonpath" else None
    if path is None:
        raise ExpressionError(f"found the target {raw.target!r}, expected a JSON Pointer, or a JSONPath of one place")
    return tuple(step.strip(".[]'") for step in re.findall(r"\.[\w-]+|\[[^\]]*\]", path[1]))


def local_workflow(reference: str) -> str:
    """The id of a workflow of the same document: `id` or `$workflows.id`."""
    return reference.removeprefix("$workflows.")
