"""What is wrong with a call before any event has filled in its expressions. Pure.

Owns putting parameters and body to the operation's description; what stands in a hole is known by its type at most.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from reactor.apis.client import Api
from reactor.apis.openapi import BodyProblem, OpenApi, Operation, Schema
from reactor.apis.provider import look, put
from reactor.rules.actions import CompiledAction
from reactor.rules.fault import Fault
from reactor.rules.model import Rule
from reactor.rules.template import Hole, Sketch
from reactor.yaml12 import expected_one_of

Path = tuple[str | int, ...]

ALTERNATIVES = frozenset({"anyOf", "oneOf", "not", "if"})
"""Words of a schema that judge a value as a whole: with a hole in it, nothing can be said."""

OPEN = frozenset({"additionalProperties", "patternProperties", "anyOf", "oneOf"})
"""Words of a schema that say more of its fields than `properties` does."""


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
        if operation.body and operation.body.required and ("body",) not in sketch.holes:
            yield Fault(("call",), f"found no `body`, expected it: {operation.id} requires one")
        return
    for problem in api.openapi.body_problems(operation, body):
        place: Path = ("body", *problem.path)
        message = _words(problem, place, sketch.holes)
        if message:
            yield Fault(place, message)
    if operation.body and operation.body.schema:
        yield from _unlisted(api.openapi, operation.body.schema, body, ("body",))


def _unlisted(document: OpenApi, schema: Schema, body: Any, place: Path) -> Iterator[Fault]:
    """Fields that a schema lists no more than it forbids them: APIs ignore such fields without a word."""
    said = document.resolve(schema)
    if isinstance(body, list):
        for number, item in enumerate(body):
            yield from _unlisted(document, said.get("items", {}), item, (*place, number))
    if not isinstance(body, Mapping) or not said.get("properties") or said.keys() & OPEN:
        return
    for name, value in body.items():
        if name in said["properties"]:
            yield from _unlisted(document, said["properties"][name], value, (*place, name))
        else:
            message = f"{expected_one_of(name, said['properties'])}; most APIs ignore a field that they do not know"
            yield Fault((*place, name), message, key=True, severity="warning")


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


def loop_faults(rule: Rule, action: CompiledAction, apis: Mapping[str, Api]) -> list[Fault]:
    """A create that follows from every event of what it creates follows from its own, for ever."""
    provider = apis[action.api].provider if action.api in apis else None
    create = provider.creates.get(action.operation) if provider else None
    if provider is None or create is None or rule.match:
        return []
    own = [event for event in provider.resources[create.resource].events if any(fnmatchcase(event, g) for g in rule.on)]
    message = (
        f"{action.operation} causes {', '.join(own)}, on which this rule calls it again, for ever: narrow it by `match`"
    )
    return [Fault(("call",), message)] if own else []
