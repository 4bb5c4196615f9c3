"""Runtime expressions of Arazzo: parsed once to values, resolved against a context. Pure, and never `eval`.

Owns the grammar (Arazzo 1.1, "Runtime Expressions") and what a missing value means. A resolved value is data: no text
that came from an input, an event or a reply is ever parsed as an expression.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

import orjson

from reactor.yaml12 import expected_one_of


class Absent(Enum):
    """The type of ABSENT: a value that nobody gave. Unlike null it is left out of what is sent."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = Absent.ABSENT

LENGTH: Final = "length"
"""Of a list how long it is, as JavaScript has it and documents in use take for granted."""

Note = Callable[[str], None]
"""Takes the warning of a liberty: what was found, and the standard form."""


class ExpressionError(ValueError):
    """A text that has to be a runtime expression is none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One side of an HTTP exchange, or a message: what `$request`, `$response` and `$message` read."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    path: Mapping[str, Any] = field(default_factory=dict)
    body: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Context:
    """What expressions can see. `steps` has the outputs of the steps that ran, `workflows` those of called workflows."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    workflows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    components: Mapping[str, Any] = field(default_factory=dict)
    request: Exchange = Exchange()
    response: Exchange = Exchange()
    message: Exchange = Exchange()
    status: int | None = None
    url: str | None = None
    method: str | None = None
    self_url: str | None = None


class Template(Protocol):
    """A value of a document that may hold expressions."""

    def render(self, context: Context) -> Any:
        """The value in a context; ABSENT when it is nothing but an input that was not given."""

    def references(self) -> "Iterator[Reference]":
        """Every expression in it."""


def descend(value: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of names and indices. Names may hold dots, so the longest rest that is a key wins."""
    for position, name in enumerate(path):
        if isinstance(value, Mapping):
            rest = ".".join(path[position:])
            if rest in value:
                return value[rest]
            value = value.get(name, ABSENT)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, list) and name == LENGTH:
            value = len(value)
        else:
            return ABSENT
    return value


def at_pointer(value: Any, pointer: tuple[str, ...]) -> Any:
    """The value at a JSON Pointer (RFC 6901), already split."""
    for name in pointer:
        value = descend(value, (name,))
    return value


def split_pointer(text: str) -> tuple[str, ...]:
    """The names of a JSON Pointer; it is empty or begins with a slash. Raises ExpressionError."""
    if text and not text.startswith("/"):
        raise ExpressionError(f"found the JSON Pointer {text!r}, expected it to begin with /")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text.split("/")[1:])


def _null(value: Any) -> Any:
    return None if value is ABSENT else value


def _part(exchange: Exchange, path: tuple[str, ...]) -> Any:
    """`header.Name`, `query.name`, `path.name`, `body` or `payload` with what is below it."""
    match path[0]:
        case "header":
            wanted = ".".join(path[1:]).lower()
            return next((value for name, value in exchange.headers.items() if name.lower() == wanted), ABSENT)
        case "query" | "path":
            return descend(exchange.query if path[0] == "query" else exchange.path, path[1:])
        case _:
            return descend(exchange.body, path[1:])


_HTTP: Final = frozenset({"header", "query", "path", "body"})


@dataclass(frozen=True, slots=True)
class _Root:
    """How one kind of expression is read: what its path must look like, and where its value is."""

    read: Callable[[Context, tuple[str, ...]], Any]
    fewest: int = 0
    words: Mapping[int, frozenset[str]] = field(default_factory=dict)


_ROOTS: Final[Mapping[str, _Root]] = {
    "inputs": _Root(lambda c, path: descend(c.inputs, path), 1),
    "outputs": _Root(lambda c, path: _null(descend(c.outputs, path)), 1),
    # A step or workflow that never ran has outputs of null: `end` may come before it.
    "steps": _Root(lambda c, path: _null(descend(c.steps.get(path[0]), path[2:])), 2, {1: frozenset({"outputs"})}),
    "workflows": _Root(
        lambda c, path: _null(descend(c.workflows, path)), 2, {1: frozenset({"inputs", "outputs", "steps"})}
    ),
    "sourceDescriptions": _Root(lambda c, path: descend(c.sources.get(path[0], {}), path[1:]), 2),
    "components": _Root(lambda c, path: descend(c.components, path), 2),
    "request": _Root(lambda c, path: _part(c.request, path), 1, {0: _HTTP}),
    "response": _Root(lambda c, path: _part(c.response, path), 1, {0: _HTTP}),
    "message": _Root(lambda c, path: _part(c.message, path), 1, {0: frozenset({"header", "payload"})}),
    "statusCode": _Root(lambda c, path: c.status),
    "url": _Root(lambda c, path: c.url),
    "method": _Root(lambda c, path: c.method),
    "self": _Root(lambda c, path: c.self_url),
}

_STEM: Final = r"\$(?P<root>[A-Za-z]+)(?P<path>(?:\.[A-Za-z0-9_-]+|\[\d+\]|\['[^'\]{}]*'\])*)"
_WHOLE: Final = re.compile(_STEM + r"(?:#(?P<pointer>[^{}]*))?")
_KNOWN: Final = "|".join(_ROOTS)
BARE: Final = rf"\$(?:{_KNOWN})\b(?:\.[A-Za-z0-9_-]+|\[\d+\]|\['[^'\]{{}}]*'\])*(?:#/[^\s{{}}'\"<>=!&|(),;]*)?"
"""A pattern that finds expressions of a known kind within a text, without braces."""

_ONLY: Final = re.compile(BARE)
_EMBEDDED: Final = re.compile(rf"\{{(?P<braced>\$(?:{_KNOWN})\b[^{{}}]*)\}}|(?P<bare>{BARE})")


@dataclass(frozen=True, slots=True)
class Reference:
    """One runtime expression. `path` is what follows the root, `pointer` the JSON Pointer after `#`, split."""

    text: str
    root: str
    path: tuple[str, ...]
    pointer: tuple[str, ...] = ()

    def render(self, context: Context) -> Any:
        """Its value, of the type it has. ABSENT where a context has nothing; null for steps that never ran."""
        value = _ROOTS[self.root].read(context, self.path)
        if not self.pointer:
            return value
        below = at_pointer(value, self.pointer)
        return _null(below) if self.root in ("steps", "workflows", "outputs") else below

    def references(self) -> "Iterator[Reference]":
        """Itself."""
        yield self


def parse(text: str) -> Reference:
    """Read one expression. Raises ExpressionError, which names the valid words."""
    found = _WHOLE.fullmatch(text.strip())
    if not found:
        raise ExpressionError(f"found {text!r}, expected a runtime expression like $steps.create.outputs.id")
    name = found["root"]
    if name not in _ROOTS:
        raise ExpressionError(expected_one_of(f"${name}", (f"${root}" for root in _ROOTS)))
    path = tuple(re.findall(r"[^.\[\]']+", found["path"]))
    if name in ("request", "response") and path[:1] == ("headers",):
        path = ("header", *path[1:])  # the specification's own example of a loan has it
    root = _ROOTS[name]
    if len(path) < root.fewest:
        raise ExpressionError(f"found {text!r}, expected {root.fewest - len(path)} more name(s) after it")
    if path and not root.fewest:
        raise ExpressionError(f"found {text!r}, expected nothing after ${name}")
    for position, words in root.words.items():
        if path[position] not in words:
            raise ExpressionError(expected_one_of(path[position], words))
    return Reference(text.strip(), name, path, split_pointer(found["pointer"] or ""))


@dataclass(frozen=True, slots=True)
class Literal:
    """A value without expressions."""

    value: Any

    def render(self, context: Context) -> Any:
        """The value."""
        return self.value

    def references(self) -> Iterator[Reference]:
        """None."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Text:
    """A text with expressions in it. Texts go in as they are, other values as JSON.

    A list or an object that is the whole text stays what it is, as in the specification's `"products": "{$inputs.products}"`.
    """

    parts: tuple[Literal | Reference, ...]

    def render(self, context: Context) -> Any:
        """The text; ABSENT when one of its inputs was not given, since half a text is worse than none."""
        values = [part.render(context) for part in self.parts]
        if len(values) == 1 and isinstance(values[0], list | Mapping):
            return values[0]
        return ABSENT if any(value is ABSENT for value in values) else "".join(map(as_text, values))

    def references(self) -> Iterator[Reference]:
        """Its expressions, from left to right."""
        return (part for part in self.parts if isinstance(part, Reference))


@dataclass(frozen=True, slots=True)
class Tree:
    """A list (`names` is None) or a mapping of templates. What is ABSENT is left out."""

    names: tuple[str, ...] | None
    items: tuple[Template, ...]

    def render(self, context: Context) -> Any:
        """The list or mapping."""
        values = [item.render(context) for item in self.items]
        if self.names is None:
            return [value for value in values if value is not ABSENT]
        return {name: value for name, value in zip(self.names, values, strict=True) if value is not ABSENT}

    def references(self) -> Iterator[Reference]:
        """The expressions of all items."""
        return (reference for item in self.items for reference in item.references())


def as_text(value: Any) -> str:
    """A value within a text: texts as they are, other values as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def compile_template(value: Any, note: Note) -> Template:
    """Find the expressions of a value. Raises ExpressionError for those in braces that are none."""
    if isinstance(value, Mapping):
        return Tree(tuple(value), tuple(compile_template(item, note) for item in value.values()))
    if isinstance(value, list):
        return Tree(None, tuple(compile_template(item, note) for item in value))
    return _compile_text(value, note) if isinstance(value, str) else Literal(value)


def _compile_text(text: str, note: Note) -> Template:
    whole = _WHOLE.fullmatch(text)
    if whole and whole["root"] in _ROOTS:
        if whole["path"].startswith(".headers."):
            note(f"found {text!r}; the standard form is {text.replace('.headers.', '.header.', 1)!r}")
        return parse(text)
    if whole and whole["path"]:
        note(f"{text!r} is sent as text: {expected_one_of('$' + whole['root'], (f'${root}' for root in _ROOTS))}")
    parts = tuple(_parts(text, note))
    return Text(parts) if any(isinstance(part, Reference) for part in parts) else Literal(text)


def embedded_text(text: str, note: Note) -> Template | None:
    """A text of a condition that has expressions in braces, or is nothing but one without; None for a mere text."""
    if "{$" not in text and not _ONLY.fullmatch(text):
        return None
    parts = tuple(_parts(text, note))
    return Text(parts) if any(isinstance(part, Reference) for part in parts) else None


def _parts(text: str, note: Note) -> Iterator[Literal | Reference]:
    end = 0
    for found in _EMBEDDED.finditer(text):
        if found.start() > end:
            yield Literal(text[end : found.start()])
        if found["bare"]:
            note(f"found {found['bare']!r} within a text; the standard form is '{{{found['bare']}}}'")
        yield parse(found["braced"] or found["bare"])
        end = found.end()
    if text[end:]:
        yield Literal(text[end:])
