"""Turns a rule as written into a rule that can be put to events. Pure.

Owns what can be wrong with one rule beyond its shape: fields, patterns and expressions. Whether the operations it calls
and the workflows it runs exist is the configuration's to check, which sees rules and APIs together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any

from reactor.rules.actions import CompiledAction, compile_action
from reactor.rules.cel import Choices, ExpressionError, Scope
from reactor.rules.controls import Controls, Debounce, Key, Limit, Retry, Unless
from reactor.rules.fault import Fault
from reactor.rules.match import OR, Clause, CompiledRule, Condition, all_hold, compile_match, wrong_patterns
from reactor.rules.model import Rule
from reactor.rules.template import template
from reactor.yaml12 import ENOUGH, expected_one_of, quoted, shown

Described = Callable[[Sequence[str]], tuple[Mapping[str, str], Choices]]
"""What the events of some types have: their fields with their simple types, and choices."""


def compile_rule(
    rule: Rule,
    fields: Mapping[str, str],
    choices: Choices = MappingProxyType({}),
    *,
    described: Described = lambda types: ({}, {}),
) -> tuple[CompiledRule, list[Fault]]:
    """Compile a rule over events with these fields (none: any); the faults of all its parts are returned together.

    `described` gives fields and choices of other event types, which `unless` may name. A rule with faults is returned too, less
    what is wrong with it, so that the caller can go on looking.
    """
    scope = Scope(fields, choices=choices)
    clauses, faults = _clauses(rule.match, ("match",), fields)
    faults += _mistyped(rule.match, ("match",), choices)
    conditions, unclear = _conditions(rule, scope)
    controls, uncontrolled = compile_controls(rule, scope, described)
    actions, faulty = _actions(rule, scope)
    compiled = CompiledRule(rule.name, tuple(rule.on), clauses, actions, scope, conditions, controls)
    return compiled, [*faults, *unclear, *uncontrolled, *faulty]


def _conditions(rule: Rule, scope: Scope) -> tuple[tuple[Condition, ...], list[Fault]]:
    conditions, faults = [], []
    for number, source in enumerate(rule.when):
        try:
            expression = scope.compile(source)
        except ExpressionError as error:
            faults.append(Fault(("when", number), f"in {quoted(source)}: {error}"))
            continue
        if expression.kind not in ("boolean", ""):
            faults.append(Fault(("when", number), f"found a {expression.kind}, expected what is true or false"))
        conditions.append(Condition(expression))
    return tuple(conditions), faults


def _actions(rule: Rule, scope: Scope) -> tuple[tuple[CompiledAction, ...], list[Fault]]:
    """The actions in their order; each sees the event, and the results of those before it that have a name."""
    actions: list[CompiledAction] = []
    faults: list[Fault] = []
    for number, action in enumerate(rule.do):
        compiled, found = compile_action(action, scope)
        actions.append(compiled)
        if compiled.name:
            found += _misnamed(compiled.name, [each.name for each in actions[:-1]])
            scope = scope.with_results(compiled.name, compiled.kind.results)
        faults += [replace(fault, path=("do", number, *fault.path)) for fault in found]
    return tuple(actions), faults


def _misnamed(name: str, taken: Sequence[str]) -> list[Fault]:
    """What is wrong with the name of a result: CEL keeps some words for itself."""
    if name == "event":
        return [Fault(("as",), "found 'event', which is the event's own name, expected another name")]
    if name in taken:
        return [Fault(("as",), f"found {name!r} a second time, expected a name of its own")]
    try:
        Scope({}, {f"{name}.how": "string"}).compile(f"{name}.how")
    except ExpressionError:
        return [Fault(("as",), f"found {name!r}, which CEL keeps for itself, expected another name")]
    return []


def _clauses(
    patterns: Mapping[str, Any], at: tuple[str | int, ...], fields: Mapping[str, str]
) -> tuple[tuple[Clause, ...], list[Fault]]:
    faults = [
        Fault(path, expected_one_of(name, fields), key=True)
        for path, name in _names(patterns, at)
        if fields and name not in fields
    ]
    wrong = list(islice(wrong_patterns(patterns), ENOUGH))
    names = {error.path[0] for error in wrong}
    sound = {name: pattern for name, pattern in patterns.items() if name not in names and len(wrong) < ENOUGH}
    return compile_match(sound), [*faults, *(Fault((*at, *error.path), str(error)) for error in wrong)]


def compile_controls(rule: Rule, scope: Scope, described: Described) -> tuple[Controls, list[Fault]]:
    """Compile what holds a rule back."""
    key, faults = _key(rule.key, ("key",), scope)
    unless, found = _unless(rule, described) if rule.unless else (None, [])
    count = Limit("count", rule.count.at_least, rule.count.within) if rule.count else None
    cooldown = [Limit("cooldown", 1, rule.cooldown)] if rule.cooldown else []
    throttle = [Limit("throttle", rule.throttle.limit, rule.throttle.within)] if rule.throttle else []
    controls = Controls(
        key=key,
        count=count,
        hold=rule.hold,
        unless=unless,
        debounce=Debounce(rule.debounce.wait, rule.debounce.at_most) if rule.debounce else None,
        max_age=rule.max_age,
        limits=(*cooldown, *throttle),
        stale=rule.stale,
        enforce=rule.enforce,
        retry=Retry(rule.retry.attempts, rule.retry.backoff),
    )
    return controls, [*faults, *found, *_waits(rule)]


def _waits(rule: Rule) -> Iterator[Fault]:
    """What is wrong with how a rule waits."""
    waits = {"for": rule.hold, "unless": rule.unless, "debounce": rule.debounce}
    found = [name for name, value in waits.items() if value is not None]
    if len(found) > 1:
        words = " and ".join(f"`{name}`" for name in found)
        message = f"found {words}, expected one of them: a rule waits once; make two rules of it"
        yield Fault((found[-1],), message, key=True)
    if rule.debounce and rule.debounce.at_most < rule.debounce.wait:
        message = "found `at_most` shorter than `wait`, expected the longest time since a burst's first event"
        yield Fault(("debounce",), message)


def _key(written: str, path: tuple[str | int, ...], scope: Scope) -> tuple[Key | None, list[Fault]]:
    if not written:
        return None, []
    if written.startswith("event."):
        return None, [Fault(path, f"found {written!r}, one key for all events, expected ${{{written}}}")]
    compiled, faults = template(written, scope)
    return Key(compiled, scope), [replace(fault, path=path) for fault in faults]


def _unless(rule: Rule, described: Described) -> tuple[Unless | None, list[Fault]]:
    """The events that call a rule off: their patterns and their key are over fields of their own."""
    if rule.unless is None:
        return None, []
    fields, choices = described(rule.unless.on)
    clauses, faults = _clauses(rule.unless.match, ("unless", "match"), fields)
    faults += _mistyped(rule.unless.match, ("unless", "match"), choices)
    own = ("unless", "key") if rule.unless.key else ("unless", "on")
    key, found = _key(rule.unless.key or rule.key, own, Scope(fields, choices=choices))
    on = tuple(rule.unless.on)
    return Unless(on, clauses, lambda data: all_hold(clauses, data), rule.unless.within, key), [*faults, *found]


def _mistyped(patterns: Any, path: tuple[str | int, ...], choices: Choices) -> Iterator[Fault]:
    """Values that no event can have: such a rule would be silent for ever, and nobody would see why."""
    for at, name in _names(patterns, path):
        for place, value in _exact_values(_at(patterns, at[len(path) :]), at):
            if name in choices and value not in choices[name]:
                words = value if isinstance(value, str) else shown(value)
                message = expected_one_of(words, (str(choice) for choice in choices[name] if choice is not None))
                hint = f"; a value that is not listed yet can be matched as {{prefix: {value}}}"
                yield Fault(place, message + hint * isinstance(value, str))


def _exact_values(pattern: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The values that a pattern names whole, and where."""
    if isinstance(pattern, list):
        for number, item in enumerate(pattern):
            yield from _exact_values(item, (*path, number))
    elif isinstance(pattern, dict):
        if "anything-but" in pattern:
            yield from _exact_values(pattern["anything-but"], (*path, "anything-but"))
    else:
        yield path, pattern


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _names(patterns: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every field that a `match` names, in the branches of its `$or` too. What has the wrong shape names none."""
    for name, pattern in patterns.items() if isinstance(patterns, dict) else ():
        if name != OR:
            yield (*path, name), name
            continue
        for number, branch in enumerate(pattern if isinstance(pattern, list) else ()):
            yield from _names(branch, (*path, name, number))
