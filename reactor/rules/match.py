"""Puts rules to an event. Pure: the same call serves the dispatcher, explain, tests and logs.

Owns the meaning of `on`, `match` and `when`. Each clause answers with a finding, held or not, so that no other code has to
guess why a rule did or did not fire.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from reactor.events import Event
from reactor.rules.actions import CompiledAction
from reactor.rules.cel import Expression, Scope, Unknown
from reactor.rules.controls import NO_CONTROLS, Controls


class _Absent:
    """The value of a field that a payload does not have; prints as people say it."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()

OR: Final = "$or"
"""Stands where a field's name does: a list of mappings like `match` itself, one of which must hold."""

WHEN: Final = "when"
"""The name of the clauses that are expressions."""

Test = Callable[[Any], bool]


class PatternError(ValueError):
    """A pattern can't be understood. `path` leads to it within the `match` mapping."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Finding:
    """One clause put to one event: what it asked, what it saw, and whether it held."""

    clause: str
    asked: Any
    saw: Any
    held: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """One field's pattern, compiled."""

    name: str
    asked: Any
    _see: Callable[[Mapping[str, Any]], Any]
    _test: Test
    fields: frozenset[str]
    """The fields of the payload that it looks at."""

    def put_to(self, data: Mapping[str, Any]) -> Finding:
        """What this clause says of a payload."""
        saw = self._see(data)
        return Finding(self.name, self.asked, saw, self._test(saw))


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression of `when`, compiled."""

    expression: Expression

    def put_to(self, event: Event, values: Mapping[str, Any]) -> Finding:
        """What this expression says of an event. One that has no value, or is neither true nor false, does not hold."""
        source = self.expression.source
        try:
            result = self.expression.evaluate(values)
        except Unknown as error:
            return Finding(WHEN, source, f"unknown: {error}", held=False)
        if not isinstance(result, bool):
            return Finding(WHEN, source, f"unknown: {result!r} is neither true nor false", held=False)
        seen = {name: event.data.get(name.removeprefix("data."), ABSENT) for name in self.expression.fields()}
        return Finding(WHEN, source, seen, held=result)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule that is ready to be put to events."""

    name: str
    on: tuple[str, ...]
    clauses: tuple[Clause, ...]
    actions: tuple[CompiledAction, ...]
    scope: Scope
    conditions: tuple[Condition, ...] = ()
    controls: Controls = NO_CONTROLS

    def put_to(self, event: Event) -> "Decision":
        """Put every clause of the rule to an event whose type it asks for."""
        return Decision(self, (*(clause.put_to(event.data) for clause in self.clauses), *self._judge(event)))

    def fire(self, event: Event) -> "Decision | None":
        """The decision if the rule fires; no expression is evaluated where a pattern does not hold."""
        if not all_hold(self.clauses, event.data):
            return None
        decision = self.put_to(event)
        return decision if decision.fired else None

    def _judge(self, event: Event) -> Iterator[Finding]:
        if self.conditions:
            values = self.scope.values(event)
            yield from (condition.put_to(event, values) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule put to an event, with its reasons."""

    rule: CompiledRule
    findings: tuple[Finding, ...]

    @property
    def fired(self) -> bool:
        """Whether every clause held."""
        return all(finding.held for finding in self.findings)


def compile_match(patterns: Mapping[str, Any]) -> tuple[Clause, ...]:
    """Compile the `match` of a rule. Raises PatternError."""
    return _clauses(patterns, ())


def wrong_patterns(patterns: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[PatternError]:
    """Everything that is wrong with the `match` of a rule."""
    for name, pattern in patterns.items():
        at = (*path, name)
        items = list(enumerate(pattern)) if isinstance(pattern, list) else []
        if name == OR and len(items) > 1 and all(isinstance(branch, dict) for branch in pattern):
            for number, branch in items:
                yield from wrong_patterns(branch, (*at, number))
        elif name != OR and items:
            for number, item in items:
                yield from _refusal(_one, item, (*at, number))
        else:
            yield from _refusal(_clause, name, pattern, at)


def _refusal(build: Callable[..., object], *arguments: Any) -> Iterator[PatternError]:
    try:
        build(*arguments)
    except PatternError as error:
        yield error


def _clauses(patterns: Mapping[str, Any], path: tuple[str | int, ...]) -> tuple[Clause, ...]:
    return tuple(_clause(name, pattern, (*path, name)) for name, pattern in patterns.items())


def _clause(name: str, pattern: Any, path: tuple[str | int, ...]) -> Clause:
    if name == OR:
        branches = _branches(pattern, path)
        named = {field for branch in branches for clause in branch for field in clause.fields}
        return Clause(
            name,
            pattern,
            lambda data: {field: data[field] for field in sorted(named) if field in data},
            lambda saw: any(all_hold(branch, saw) for branch in branches),
            frozenset(named),
        )
    return Clause(name, pattern, lambda data: data.get(name, ABSENT), _any_of(pattern, path), frozenset({name}))


def _branches(pattern: Any, path: tuple[str | int, ...]) -> list[tuple[Clause, ...]]:
    if not isinstance(pattern, list) or len(pattern) < 2 or not all(isinstance(branch, dict) for branch in pattern):
        raise PatternError(path, f"found {pattern!r}, expected a list of two or more mappings like `match` itself")
    return [_clauses(branch, (*path, number)) for number, branch in enumerate(pattern)]


def all_hold(clauses: Iterable[Clause], data: Mapping[str, Any]) -> bool:
    """Whether every clause holds for a payload."""
    return all(clause.put_to(data).held for clause in clauses)


def _any_of(pattern: Any, path: tuple[str | int, ...]) -> Test:
    """A list holds when one of its patterns does; anything else is a list of one."""
    if not isinstance(pattern, list):
        return _one(pattern, path)
    if not pattern:
        raise PatternError(path, "found an empty list, which can never hold")
    tests = [_one(item, (*path, number)) for number, item in enumerate(pattern)]
    return lambda saw: any(test(saw) for test in tests)


def _one(pattern: Any, path: tuple[str | int, ...]) -> Test:
    if isinstance(pattern, list):
        raise PatternError(path, f"found {pattern!r} within a list, expected a value or an operator")
    if not isinstance(pattern, dict):
        return _exact(pattern)
    if len(pattern) != 1:
        raise PatternError(path, f"found {pattern!r}, expected one of {_OPERATOR_NAMES} with its value")
    [(name, argument)] = pattern.items()
    if name not in OPERATORS:
        raise PatternError((*path, name), f"found operator {name!r}, expected one of {_OPERATOR_NAMES}{_meant(name)}")
    return OPERATORS[name](argument, (*path, name))


def _meant(name: object) -> str:
    near = get_close_matches(str(name), OPERATORS, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _exact(value: Any) -> Test:
    """JSON equality: true is not 1, and 1 is 1.0."""
    return lambda saw: saw == value and isinstance(saw, bool) == isinstance(value, bool)


def _text_test(compare: Callable[[str, str], bool]) -> Callable[[Any, tuple[str | int, ...]], Test]:
    def build(argument: Any, path: tuple[str | int, ...]) -> Test:
        if not isinstance(argument, str) or not argument:
            raise PatternError(path, f"found {argument!r}, expected a text that is not empty")
        return lambda saw: isinstance(saw, str) and compare(saw, argument)

    return build


def _anything_but(argument: Any, path: tuple[str | int, ...]) -> Test:
    """Holds for a field that is there and is none of these."""
    excluded = _any_of(argument, path)
    return lambda saw: saw is not ABSENT and not excluded(saw)


def _exists(argument: Any, path: tuple[str | int, ...]) -> Test:
    if not isinstance(argument, bool):
        raise PatternError(path, f"found {argument!r}, expected true or false")
    return lambda saw: (saw is not ABSENT) == argument


COMPARISONS: Final = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}


def _numeric(argument: Any, path: tuple[str | int, ...]) -> Test:
    """`[">", 0, "<=", 5]`: every comparison holds, and the field is a number."""
    expected = f"found {argument!r}, expected comparisons and numbers in turn, like ['>', 0, '<=', 5]"
    if not isinstance(argument, list) or not argument or len(argument) % 2:
        raise PatternError(path, expected)
    pairs = list(zip(argument[::2], argument[1::2], strict=True))
    if not all(isinstance(sign, str) and sign in COMPARISONS and _is_number(bound) for sign, bound in pairs):
        raise PatternError(path, expected)
    return lambda saw: _is_number(saw) and all(COMPARISONS[sign](saw, bound) for sign, bound in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


OPERATORS: Final[Mapping[str, Callable[[Any, tuple[str | int, ...]], Test]]] = {
    "prefix": _text_test(str.startswith),
    "suffix": _text_test(str.endswith),
    "equals-ignore-case": _text_test(lambda saw, asked: saw.casefold() == asked.casefold()),
    "anything-but": _anything_but,
    "exists": _exists,
    "numeric": _numeric,
}
"""What a pattern may say beyond a value or a list of values; named as in Amazon EventBridge's event patterns."""

_OPERATOR_NAMES: Final = ", ".join(OPERATORS)
