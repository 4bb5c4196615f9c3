"""Turns a rule as written into a rule that can be put to events. Pure.

Owns what can be wrong with one rule beyond its shape: fields, patterns and expressions. Whether the operations it calls
and the workflows it runs exist is the configuration's to check, which sees rules and APIs together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from reactor.rules.cel import Fault, Scope, template
from reactor.rules.match import (
    OR,
    Clause,
    CompiledAction,
    CompiledCall,
    CompiledRule,
    CompiledRun,
    PatternError,
    compile_match,
)
from reactor.rules.model import CallAction, Rule, RunAction
from reactor.yaml12 import expected_one_of

Choices = Mapping[str, Sequence[object]]
"""The values that a field can have, for the fields that list them."""


def compile_rule(
    rule: Rule, fields: Mapping[str, str], choices: Choices = MappingProxyType({})
) -> tuple[CompiledRule, list[Fault]]:
    """Compile a rule over events with these fields (none: any); the faults of all its parts are returned together.

    A rule with faults is returned too, less what is wrong with it, so that the caller can go on looking.
    """
    scope = Scope(fields)
    clauses, faults = _clauses(rule, fields)
    faults += _mistyped(rule.match, ("match",), choices)
    actions = []
    for number, action in enumerate(rule.do):
        compiled, found = _action(action, scope)
        actions.append(compiled)
        faults += [replace(fault, path=("do", number, *fault.path)) for fault in found]
    return CompiledRule(rule.name, tuple(rule.on), clauses, tuple(actions), scope), faults


def _clauses(rule: Rule, fields: Mapping[str, str]) -> tuple[tuple[Clause, ...], list[Fault]]:
    faults = [
        Fault(path, expected_one_of(name, fields), key=True)
        for path, name in _names(rule.match, ("match",))
        if fields and name not in fields
    ]
    try:
        return compile_match(rule.match), faults
    except PatternError as error:
        return (), [*faults, Fault(("match", *error.path), str(error))]


def _mistyped(patterns: Any, path: tuple[str | int, ...], choices: Choices) -> Iterator[Fault]:
    """Values that no event can have: such a rule would be silent for ever, and nobody would see why."""
    for at, name in _names(patterns, path):
        for place, value in _exact_values(_at(patterns, at[len(path) :]), at):
            if name in choices and value not in choices[name]:
                message = expected_one_of(str(value), (str(choice) for choice in choices[name] if choice is not None))
                yield Fault(place, f"{message}; a value that is not listed yet can be matched as {{prefix: {value}}}")


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


def _action(action: CallAction | RunAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    if isinstance(action, RunAction):
        arguments, faults = template({"inputs": action.inputs}, scope)
        return CompiledRun(action.run, action.workflow, arguments), faults
    arguments, faults = template({"parameters": action.parameters, "body": action.body}, scope)
    api, _, operation = action.call.partition(".")
    return CompiledCall(api, operation, arguments, action.if_exists), faults
