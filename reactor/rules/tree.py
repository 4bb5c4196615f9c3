"""What a compiled expression is made of: what its variables are compared with, and its regular expressions. Pure.

Owns reading the tree as CEL itself writes it: a `cel.expr.CheckedExpr` in protobuf's wire format
(https://github.com/google/cel-spec, proto/cel/expr). Nothing here recurses: an expression may be as deep as it is long.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Scalar = str | int | bool
"""A literal that a field can be compared with."""

AMONG: Final = "@in"
COMPARED: Final = ("_==_", "_!=_", AMONG)
"""The calls that ask whether one value is another, as CEL names them."""

MATCHES: Final = "matches"

Raw = memoryview


@dataclass(frozen=True, slots=True)
class Made:
    """What an expression is made of."""

    compared: Mapping[str, Sequence[Scalar]]
    """Variables, and the literals that each is compared with by `==`, `!=` or `in`, in their order."""
    only_compared: frozenset[str]
    """The variables of which nothing else is asked: any two values beside those literals are alike to the expression."""
    variables: frozenset[str]
    """All variables that are mentioned."""
    patterns: Sequence[str]
    """The literals that are taken as regular expressions."""
    loops: bool
    """Whether something is done for each item of a list or map."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One node of the tree; `text` is a variable's or a call's name, `literal` a constant that a field can be."""

    kind: Literal["variable", "literal", "call", "list", "loop", "other"]
    text: str = ""
    literal: Scalar = ""
    children: tuple[Raw, ...] = ()


@lru_cache(maxsize=100)
def made_of(serialized: bytes) -> Made:
    """What an expression is made of, as CEL serialized it."""
    compared: dict[str, dict[Scalar, None]] = {}
    mentioned: list[str] = []
    told: list[str] = []
    patterns: list[str] = []
    loops = False
    ahead = [_node(_root(serialized))]
    while ahead:
        node = ahead.pop()
        children = [_node(child) for child in node.children]
        ahead += reversed(children)
        loops = loops or node.kind == "loop"
        if node.kind == "variable":
            mentioned.append(node.text)
        elif node.kind == "call" and node.text == MATCHES:
            patterns += [str(last.literal) for last in children[-1:] if last.kind == "literal"]
        elif node.kind == "call" and node.text in COMPARED:
            for variable, literals in _comparisons(*children, is_among=node.text == AMONG):
                told.append(variable)
                compared.setdefault(variable, {}).update(dict.fromkeys(literals))
    times, asked = Counter(mentioned), Counter(told)
    only = frozenset(name for name in compared if times[name] == asked[name])
    return Made({name: [*found] for name, found in compared.items()}, only, frozenset(mentioned), patterns, loops)


def _comparisons(left: _Node, right: _Node, *, is_among: bool) -> Iterator[tuple[str, list[Scalar]]]:
    """Each variable that is compared with nothing but literals, and those."""
    others = [_node(child) for child in right.children] if is_among and right.kind == "list" else [right]
    if left.kind == "variable" and all(each.kind == "literal" for each in others):
        yield left.text, [each.literal for each in others]
    elif left.kind == "literal":
        yield from ((each.text, [left.literal]) for each in others if each.kind == "variable")


def _root(serialized: bytes) -> Raw:
    """The expression in `google.protobuf.Any` (2: value), `CheckedExpr` (4: expr)."""
    return _last(_last(memoryview(serialized), 2), 4)


def _last(message: Raw, number: int) -> Raw:
    return next((value for field, value in reversed(_fields(message)) if field == number), memoryview(b""))


def _node(message: Raw) -> _Node:
    """One `Expr`: of its members only one is there, beside the id (2)."""
    for field, value in _fields(message):
        match field:
            case 3:
                return _constant(value)
            case 4:
                return _Node("variable", text=_text(_last(value, 1)))
            case 5:
                return _Node("other", children=(_last(value, 1),))
            case 6:
                parts = _fields(value)
                name = next((_text(part) for number, part in parts if number == 2), "")
                return _Node("call", text=name, children=tuple(part for number, part in parts if number != 2))
            case 7:
                return _Node("list", children=tuple(part for number, part in _fields(value) if number == 1))
            case 8:
                entries = (part for number, part in _fields(value) if number == 2)
                return _Node("other", children=tuple(kid for each in entries for kid in _subexpressions(each, (3, 4))))
            case 9:
                return _Node("loop", children=tuple(_subexpressions(value, (2, 4, 5, 6, 7))))
    return _Node("other")


def _subexpressions(message: Raw, numbers: Sequence[int]) -> Iterator[Raw]:
    return (part for number, part in _fields(message) if number in numbers)


def _constant(message: Raw) -> _Node:
    """A `Constant`: of its kinds those that a field of JSON can have, but for fractions."""
    for field, value in _fields(message):
        if field == 2:
            return _Node("literal", literal=bool(_varint(value, 0)[0]))
        if field == 3:
            number = _varint(value, 0)[0]
            return _Node("literal", literal=number - (1 << 64) if number >> 63 else number)
        if field == 6:
            return _Node("literal", literal=_text(value))
    return _Node("other")


def _text(raw: Raw) -> str:
    return bytes(raw).decode("utf-8")


def _fields(message: Raw) -> list[tuple[int, Raw]]:
    """The fields of a message by their numbers, each with the bytes of its value."""
    fields, at = [], 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 2:
            length, begin = _varint(message, at)
            at = begin + length
        else:
            begin = at
            at = _varint(message, at)[1] if tag & 7 == 0 else at + (8 if tag & 7 == 1 else 4)
        fields.append((tag >> 3, message[begin:at]))
    return fields


def _varint(message: Raw, at: int) -> tuple[int, int]:
    """The number that begins at a place, seven bits in a byte, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
