"""What is wrong with a rule in the light of everything else that is configured: APIs, workflows, secrets, targets, handlers.

Pure. Owns what rules may refer to, and which check each kind of action has; where in which file something stands is the
configuration's to say. What is well-formed and still can't be meant is `review`'s.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pydantic import ValidationError

from reactor.apis.client import Api
from reactor.checks.calls import call_faults, loop_faults
from reactor.checks.event_fields import types_of
from reactor.checks.runs import run_faults
from reactor.plugins import Plugged
from reactor.rules.actions import CompiledAction
from reactor.rules.fault import Fault
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule
from reactor.rules.template import Sketch
from reactor.store.keys import MAIN
from reactor.workflows.program import Program
from reactor.yaml12 import expected_one_of


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may refer to: the APIs, the workflow documents, the names of secrets and targets, the handlers, the queues."""

    apis: Mapping[str, Api]
    programs: Mapping[str, Program]
    secrets: Collection[str]
    targets: Collection[str]
    handlers: Mapping[str, Plugged]
    queues: Collection[str]
    """Those beside the main one."""


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


def _perform_faults(rule: Rule, action: CompiledAction, known: Known) -> list[Fault]:
    return [*_handler_faults(action, known), *_queue_faults(action, known)]


def _queue_faults(action: CompiledAction, known: Known) -> Iterator[Fault]:
    queues = (MAIN, *known.queues)
    if action.queue not in queues:
        yield Fault(("queue",), f"{expected_one_of(action.queue, queues)} (declared in queues.yaml)")


def _handler_faults(action: CompiledAction, known: Known) -> list[Fault]:
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
