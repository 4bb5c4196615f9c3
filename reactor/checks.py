"""What only shows when rules are seen with APIs and workflows: the fields of events, the calls and runs that rules ask for.

Pure. Owns finding what is wrong; where in which file that stands is the configuration's to say.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from reactor.apis.client import Api
from reactor.apis.openapi import BodyProblem, OpenApi, Operation, Schema
from reactor.apis.provider import look, put
from reactor.errors import ConfigError
from reactor.plugins import Plugged
from reactor.rules.actions import CompiledAction
from reactor.rules.cel import Fault, Hole, Sketch
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule
from reactor.workflows.document import Workflow
from reactor.workflows.inputs import accept_inputs
from reactor.workflows.program import Program
from reactor.yaml12 import expected_one_of

Path = tuple[str | int, ...]

NEARLY = 0.8
"""How alike an unknown event type and a known one are (difflib's ratio) to be taken for a slip."""

ALTERNATIVES = frozenset({"anyOf", "oneOf", "not", "if"})
"""Words of a schema that judge a value as a whole: with a hole in it, nothing can be said."""

OPEN = frozenset({"additionalProperties", "patternProperties", "anyOf", "oneOf"})
"""Words of a schema that say more of its fields than `properties` does."""


class EventFields:
    """The fields that events of a type have, from the webhook documents of all APIs."""

    def __init__(self, apis: Iterable[Api]) -> None:
        self._documents = [api.webhooks for api in apis if api.webhooks]
        self._known: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}

    def types(self, globs: Iterable[str]) -> dict[str, str]:
        """Field names and their simple types; nothing for event types that no document knows."""
        return {name: _simple_type(schema) for name, schema in self._schemas(globs).items()}

    def choices(self, globs: Iterable[str]) -> dict[str, Sequence[object]]:
        """The values of the fields that list them."""
        return {name: schema["enum"] for name, schema in self._schemas(globs).items() if "enum" in schema}

    def described(self, globs: Sequence[str]) -> tuple[Mapping[str, str], Mapping[str, Sequence[object]]]:
        """Fields with their types, and choices."""
        return self.types(globs), self.choices(globs)

    def mistyped(self, globs: Sequence[str]) -> list[Fault]:
        """Event types that no document describes and that are nearly one that is: such a rule would be silent for ever."""
        known = [event_type for document in self._documents for event_type in document.webhooks]
        return [
            Fault(
                ("on", number),
                f"{expected_one_of(glob, known)}; a type that is not listed yet can be matched as {glob}*",
            )
            for number, glob in enumerate(globs)
            if glob not in known and "*" not in glob and get_close_matches(glob, known, cutoff=NEARLY)
        ]

    def _schemas(self, globs: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Found once for all rules on the same events."""
        asked = tuple(globs)
        if asked not in self._known:
            self._known[asked] = {
                name: schema
                for document in self._documents
                for name, schema in document.event_fields(_fitting(document.webhooks, asked)).items()
            }
        return self._known[asked]


def _fitting(event_types: Iterable[str], globs: Sequence[str]) -> list[str]:
    return [known for known in event_types if any(fnmatchcase(known, glob) for glob in globs)]


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may refer to: the APIs, the workflow documents, the names of secrets and targets, the handlers."""

    apis: Mapping[str, Api]
    programs: Mapping[str, Program]
    secrets: Collection[str]
    targets: Collection[str]
    handlers: Mapping[str, Plugged]


def rule_faults(rule: Rule, compiled: CompiledRule, known: Known) -> list[Fault]:
    """What is wrong with a rule in the light of everything else that is configured; paths lead into the rule."""
    faults = hold_faults(rule, known.apis)
    for number, action in enumerate(compiled.actions):
        found = [
            *CHECKS[action.kind.name](rule, action, known),
            *result_faults(action, compiled.actions[:number], known),
        ]
        faults += [replace(fault, path=("do", number, *fault.path)) for fault in found]
    return faults


def hold_faults(rule: Rule, apis: Mapping[str, Api]) -> list[Fault]:
    """`for` asks for a resource's state, which not all events tell."""
    if rule.hold is None:
        return []
    told = [event for api in apis.values() for kind in api.provider.resources.values() for event in kind.events]
    if any(fnmatchcase(event, glob) for event in told for glob in rule.on):
        return []
    message = f"found no event of `on` that tells a state, expected one of {', '.join(sorted(told))}"
    return [Fault(("for",), message, key=True)]


def result_faults(action: CompiledAction, before: Sequence[CompiledAction], known: Known) -> Iterator[Fault]:
    """Results that are asked for and that an earlier action does not have: only what creates has an id and a name."""
    for earlier in before:
        if not (earlier.name and earlier.api in known.apis):
            continue
        if earlier.operation in known.apis[earlier.api].provider.creates:
            continue
        for part in ("id", "name"):
            for path, text in action.arguments.late({f"{earlier.name}.{part}"}):
                message = (
                    f"in {text!r}: {earlier.operation} creates nothing, so that its result has no {part}; "
                    f"what it answered is ${{{earlier.name}.data}}"
                )
                yield Fault(path, message)


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


def run_faults(action: CompiledAction, programs: Mapping[str, Program], declared: Collection[str]) -> list[Fault]:
    """What is wrong with a run before any event has filled in its expressions; `declared` are the names of secrets."""
    if action.subject not in programs:
        return [Fault(("run",), f"{expected_one_of(action.subject, programs)} (config/workflows/NAME.arazzo.yaml)")]
    program = programs[action.subject]
    workflows = program.document.workflows
    chosen = action.plain["workflow"] or (next(iter(workflows)) if len(workflows) == 1 else "")
    if not chosen:
        return [
            Fault(("run",), f"found {len(workflows)} workflows, expected `workflow`: one of {', '.join(workflows)}")
        ]
    if chosen not in workflows:
        return [Fault(("workflow",), expected_one_of(chosen, workflows))]
    sketch, secrets = action.arguments.sketch(), program.secrets[chosen]
    given = sketch.value["inputs"]
    faults = [
        *_input_faults(workflows[chosen], given, secrets),
        *_literal_faults(given, secrets, declared),
    ]
    return faults or _schema_faults(program, workflows[chosen], sketch)


def _input_faults(workflow: Workflow, given: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Fault]:
    """Inputs that the workflow does not have, and those that it needs."""
    known = workflow.inputs.get("properties")
    for name in given:
        if isinstance(known, Mapping) and name not in known and name not in secrets:
            yield Fault(("inputs", name), expected_one_of(name, known), key=True)
    missing = [name for name in workflow.inputs.get("required", ()) if name not in given and name not in secrets]
    if missing:
        message = f"found no inputs {', '.join(missing)}, expected them: {workflow.id} requires them"
        yield Fault(("inputs",), message, key=True)


def _literal_faults(given: Mapping[str, Any], secrets: Collection[str], declared: Collection[str]) -> Iterator[Fault]:
    """Secrets that are said in the open. Only the name of a declared one may stand in a file."""
    for name, value in given.items():
        if name in secrets and not (isinstance(value, str) and value in declared):
            message = "found a literal for a secret, expected nothing (the API's own key is used) or a declared name"
            yield Fault(("inputs", name), message)


def _schema_faults(program: Program, workflow: Workflow, sketch: Sketch) -> list[Fault]:
    """What the schema of the inputs says; nothing while only an event can fill one in."""
    if sketch.holes:
        return []
    try:
        accept_inputs(workflow, sketch.value["inputs"], program.secrets[workflow.id], program.document.components)
    except ConfigError as error:
        return [Fault(("inputs",), problem.message) for problem in error.problems]
    return []


def _simple_type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "string" if "enum" in schema else "")
    return kind if isinstance(kind, str) else ""


def _call_faults(rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    return [*call_faults(action, known.apis), *loop_faults(rule, action, known.apis)]


def _run_faults(_rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    return run_faults(action, known.programs, known.secrets)


def _notify_faults(rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    if action.subject in known.targets:
        return []
    if not known.targets:
        return [Fault(("notify",), f"found {action.subject!r}, expected a target: targets.yaml declares none")]
    return [Fault(("notify",), f"{expected_one_of(action.subject, known.targets)} (declared in targets.yaml)")]


def _emit_faults(rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    """An event of ours must not pretend to be a provider's."""
    sender = next((api for api in known.apis.values() if action.subject in types_of(api)), None)
    if sender is None:
        return []
    message = f"found {action.subject}, which {sender.name} sends, expected a type of your own, like fleet.volume-lost"
    return [Fault(("emit",), message)]


def types_of(api: Api) -> set[str]:
    """The event types that an API is known to send."""
    announced = {event for kind in api.provider.resources.values() for event in kind.events}
    return announced | set(api.webhooks.webhooks if api.webhooks else ())


def _perform_faults(rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    if action.subject not in known.handlers:
        if not known.handlers:
            return [Fault(("perform",), f"found {action.subject!r}, expected an installed handler: there is none")]
        return [Fault(("perform",), expected_one_of(action.subject, known.handlers))]
    sketch = action.arguments.sketch()
    try:
        known.handlers[action.subject].arguments.model_validate(sketch.value["arguments"])
    except ValidationError as error:
        return list(_argument_faults(error, sketch))
    return []


def _argument_faults(error: ValidationError, sketch: Sketch) -> Iterator[Fault]:
    """What is wrong whatever the events: what stands in a hole is known by its type at most."""
    for each in error.errors(include_url=False, include_input=False):
        place = ("arguments", *each["loc"])
        hole = next((hole for path, hole in sketch.holes.items() if place[: len(path)] == path), None)
        if hole is None or (hole.kind and each["type"].endswith("_type")):
            yield Fault(place, f"{each['msg'][0].lower()}{each['msg'][1:]}" + (f" ({hole.text})" if hole else ""))


CHECKS: Mapping[str, Callable[[Rule, CompiledAction, Known], list[Fault]]] = {
    "call": _call_faults,
    "run": _run_faults,
    "notify": _notify_faults,
    "emit": _emit_faults,
    "perform": _perform_faults,
}
"""How each kind of action is checked against what it refers to."""
