"""What only shows when rules and APIs are seen together: the fields that events have, and the calls that rules ask for.

Pure. Owns finding what is wrong; where in which file that stands is the configuration's to say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from reactor.apis.client import Api
from reactor.apis.openapi import BodyProblem, Operation
from reactor.apis.provider import look, put
from reactor.rules.cel import Fault, Hole, Sketch
from reactor.rules.match import CompiledAction
from reactor.yaml12 import expected_one_of

Path = tuple[str | int, ...]

ALTERNATIVES = frozenset({"anyOf", "oneOf", "not", "if"})
"""Words of a schema that judge a value as a whole: with a hole in it, nothing can be said."""


class EventFields:
    """The fields that events of a type have, from the webhook documents of all APIs."""

    def __init__(self, apis: Iterable[Api]) -> None:
        self._documents = [api.webhooks for api in apis if api.webhooks]

    def types(self, globs: Iterable[str]) -> dict[str, str]:
        """Field names and their simple types; nothing for event types that no document knows."""
        return {name: _simple_type(schema) for name, schema in self._schemas(globs)}

    def choices(self, globs: Iterable[str]) -> dict[str, Sequence[object]]:
        """The values of the fields that list them."""
        return {name: schema["enum"] for name, schema in self._schemas(globs) if "enum" in schema}

    def _schemas(self, globs: Iterable[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for document in self._documents:
            types = [known for known in document.webhooks if any(fnmatchcase(known, glob) for glob in globs)]
            yield from document.event_fields(types).items()


def call_faults(action: CompiledAction, apis: Mapping[str, Api]) -> list[Fault]:
    """What is wrong with a call before any event has filled in its expressions; paths lead into the action."""
    if action.api not in apis:
        return [Fault(("call",), expected_one_of(action.api, apis))]
    api = apis[action.api]
    if action.operation not in api.openapi.operations:
        return [Fault(("call",), expected_one_of(action.operation, api.openapi.operations))]
    operation, sketch = api.openapi.operations[action.operation], action.arguments.sketch()
    return [*_parameter_faults(operation, sketch), *_body_faults(api, operation, sketch)]


def _parameter_faults(operation: Operation, sketch: Sketch) -> Iterator[Fault]:
    known = {parameter.name: parameter for parameter in operation.parameters}
    given = sketch.value["parameters"]
    for name in given:
        if name not in known:
            yield Fault(("parameters", name), expected_one_of(name, known), key=True)
    missing = sorted(name for name, parameter in known.items() if parameter.required and name not in given)
    if missing:
        message = f"found no parameters {', '.join(missing)}, expected them: {operation.id} requires them"
        yield Fault(("parameters",), message, key=True)
    for name, value in given.items():
        choices = known[name].schema.get("enum") if name in known else None
        if choices and ("parameters", name) not in sketch.holes and value not in choices:
            yield Fault(("parameters", name), expected_one_of(str(value), map(str, choices)))


def _body_faults(api: Api, operation: Operation, sketch: Sketch) -> Iterator[Fault]:
    body = _with_name(api, operation, sketch.value["body"])
    if body is None:
        if operation.body and operation.body.required:
            yield Fault(("call",), f"found no `body`, expected it: {operation.id} requires one")
        return
    for problem in api.openapi.body_problems(operation, body):
        place: Path = ("body", *problem.path)
        message = _words(problem, place, sketch.holes)
        if message:
            yield Fault(place, message)


def _with_name(api: Api, operation: Operation, body: Any) -> Any:
    """A create without a name gets one when it is performed."""
    create = api.provider.creates.get(operation.id)
    if create is None or not isinstance(body, dict | None) or look(create.name, body):
        return body
    return put(create.name, body or {}, "a-name")


def _words(problem: BodyProblem, place: Path, holes: Mapping[Path, Hole]) -> str:
    """What to say of a problem; nothing where only an event can tell whether there is one."""
    hole = next((hole for path, hole in holes.items() if place[: len(path)] == path), None)
    if hole is None:
        open_inside = any(path[: len(place)] == place for path in holes)
        return "" if open_inside and problem.keyword in ALTERNATIVES else problem.message
    if not hole.kind or problem.keyword != "type":
        return ""
    return f"{problem.message} ({hole.text} is a {hole.kind})"


def _simple_type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "string" if "enum" in schema else "")
    return kind if isinstance(kind, str) else ""
