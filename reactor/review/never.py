"""Whether patterns can hold at all: tries every value that could matter, instead of reasoning about operators."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, pairwise, product
from typing import Any

from reactor.rules.fault import Fault
from reactor.rules.match import ABSENT, OR, PatternError, compile_match

MOST = 1000
"""Combinations of `$or` branches that are looked at; a rule with more is taken to be able to match."""

KINDS: Mapping[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
"""JSON Schema's simple types in Python."""

TRIALS = 100_000
"""Tests of values that one rule's patterns may cost; a rule that asks for more is taken to be able to match."""

Asked = tuple[tuple[str | int, ...], str, Any]
"""Where a pattern stands, its field, and the pattern."""


def never(patterns: Mapping[str, Any], fields: Mapping[str, str]) -> list[Fault]:
    """What makes it impossible that a `match` holds, for fields of these types; nothing when it is possible."""
    branches = list(islice(ways(patterns, ("match",)), MOST + 1))
    if len(branches) > MOST:
        return []
    faults: list[Fault] = []
    trials = 0
    for branch in branches:
        trials += sum(_size(pattern) for _, _, pattern in branch) ** 2
        if trials > TRIALS:
            return []
        fault = _contradiction(branch, fields)
        if fault is None:
            return []
        faults.append(fault)
    return faults[:1] if len(branches) == 1 else [*dict.fromkeys(faults)][:1]


def ways(patterns: Any, path: tuple[str | int, ...]) -> Iterator[list[Asked]]:
    """Every way in which a `match` can hold, each as patterns that must all hold."""
    if not isinstance(patterns, Mapping):
        return
    own = [((*path, name), name, pattern) for name, pattern in patterns.items() if name != OR]
    choice = patterns.get(OR)
    if not isinstance(choice, list):
        yield own
        return
    for number, branch in enumerate(choice):
        for rest in ways(branch, (*path, OR, number)):
            yield own + rest


def _size(pattern: Any) -> int:
    """How many values a pattern names: all of them are tried, and each is put to all."""
    if isinstance(pattern, dict):
        return sum(map(_size, pattern.values()))
    return sum(map(_size, pattern)) if isinstance(pattern, list) else 1


def _contradiction(asked: list[Asked], fields: Mapping[str, str]) -> Fault | None:
    by_field: dict[str, list[Asked]] = {}
    for each in asked:
        by_field.setdefault(each[1], []).append(each)
    for name, group in by_field.items():
        fault = _fault(name, group, fields.get(name, ""))
        if fault:
            return fault
    return None


def _fault(name: str, group: list[Asked], kind: str) -> Fault | None:
    if len(group) == 1 and kind in ("", "string") and _surely_holds(group[0][2]):
        return None
    if folds_and_cuts(group):
        return None
    try:
        clauses = [clause for _, _, pattern in group for clause in compile_match({name: pattern})]
    except PatternError:
        return None  # told where it is compiled
    held = [value for value in candidates(group) if all(clause.put_to(_event(name, value)).held for clause in clauses)]
    path = group[-1][0]
    if not held:
        return Fault(path, f"found what no value of {name} can be, expected patterns that can hold together")
    if kind in KINDS and not any(_is_of(value, kind) for value in held):
        return Fault(path, f"found a pattern that no {kind} can hold for, and {name} is a {kind}: the rule never fires")
    return None


def _surely_holds(pattern: Any) -> bool:
    """Whether a pattern by itself holds for some text, without trying: most patterns are of this kind."""
    if isinstance(pattern, dict):
        [(how, value)] = pattern.items() if len(pattern) == 1 else [("", None)]
        return how in ("prefix", "suffix") and isinstance(value, str)
    return isinstance(pattern, str)


def _event(name: str, value: Any) -> dict[str, Any]:
    return {} if value is ABSENT else {name: value}


def _is_of(value: Any, kind: str) -> bool:
    if value is ABSENT or value is None:
        return True
    return isinstance(value, KINDS[kind]) and isinstance(value, bool) == (kind == "boolean")


def candidates(group: Iterable[Asked]) -> list[Any]:
    """Values of which one holds if any value does: those that are named, their neighbours, and some of each kind."""
    said: dict[str, list[Any]] = {"exact": [], "prefix": [""], "suffix": [""], "numeric": []}
    for _, _, pattern in group:
        _collect(pattern, said)
    numbers = sorted({bound for bound in said["numeric"] if isinstance(bound, int | float)})
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    beyond = [number + step for number in numbers for step in (-1, 1)]
    texts = [
        f"{start}{middle}{end}" for start, end in product(said["prefix"], said["suffix"]) for middle in ("", "\ufffd")
    ]
    folded = [form for value in said["exact"] if isinstance(value, str) for form in (value.upper(), value.lower())]
    return [*said["exact"], *folded, *texts, *numbers, *between, *beyond, 0.123456789, True, False, None, ABSENT]


def _collect(pattern: Any, said: dict[str, list[Any]]) -> None:
    if isinstance(pattern, list):
        for item in pattern:
            _collect(item, said)
    elif not isinstance(pattern, dict):
        said["exact"].append(pattern)
    else:
        for name, argument in pattern.items():
            if name in ("prefix", "suffix") and isinstance(argument, str):
                said[name].append(argument)
            elif name == "numeric" and isinstance(argument, list):
                said["numeric"] += argument[1::2]
            elif name in ("anything-but", "equals-ignore-case"):
                _collect(argument, said)


def folds_and_cuts(group: Iterable[Asked]) -> bool:
    """Whether letters' case matters to one pattern and not to another: then too many values could matter."""
    words = {name for _, _, pattern in group for name in _operators(pattern)}
    return "equals-ignore-case" in words and bool(words & {"prefix", "suffix"})


def _operators(pattern: Any) -> Iterator[str]:
    if isinstance(pattern, list):
        for item in pattern:
            yield from _operators(item)
    elif isinstance(pattern, dict):
        for name, argument in pattern.items():
            yield name
            yield from _operators(argument)
