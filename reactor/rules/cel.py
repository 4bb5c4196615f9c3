"""CEL, the one expression language of rule files: compiled and checked at load, bounded when it runs.

Owns the CEL library: nothing else imports it. An expression sees `event.<field>` for every field that is declared, typed,
so that a wrong name or type is refused when the file is loaded, and `event.data` with the whole payload, unchecked.
The library keeps the interpreter's lock while it compiles and while it evaluates (measured), so that a configuration may be
compiled in a thread while the event loop evaluates; neither ever runs beside the other.
"""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel

from reactor.errors import Severity
from reactor.events import Event
from reactor.rules.tree import Made, made_of
from reactor.yaml12 import expected_one_of, quoted

TYPES = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
}
"""JSON Schema's simple types in CEL; every other type is checked when it runs."""

EXAMPLES = {"string": "", "integer": 0, "number": 0.5, "boolean": False}
"""A value of each simple type."""

SOURCE = "event.data"

Choices = Mapping[str, Sequence[object]]
"""The values that a field can have, for the fields that list them."""

_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_FIELD = re.compile(r"(?<![\w.])event\.((?:data\.)?\w+)")
_NESTS = re.compile("[{'\"]")
_STRING_OR_BRACE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}]""", re.DOTALL)


class ExpressionError(ValueError):
    """An expression can't be compiled."""


class Unknown(ValueError):
    """An expression has no value for this event: a field is absent, a type differs, the budget is spent, or what comes
    out can't be said in JSON."""


class Scope:
    """The names an expression may use: the declared fields of the event types that a rule is about, and results.

    `results` are variables such as `box.id`, with their types: what earlier actions came to. `choices` are the values of the
    fields that list them: what compares such a field with anything else is a slip.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        results: Mapping[str, str] = MappingProxyType({}),
        choices: Choices = MappingProxyType({}),
    ) -> None:
        self.fields = dict(fields)
        self.results = dict(results)
        self.choices = {f"event.{name}": listed for name, listed in choices.items()}
        events = ((f"event.{name}", kind) for name, kind in self.fields.items())
        self._variables = (*events, *self.results.items())

    def compile(self, source: str) -> "Expression":
        """Check an expression. Raises ExpressionError."""
        expression = Expression(source, _compiled(self._variables, source))
        if any(name in source for name in self.choices) and (slips := list(self._slips(expression))):
            raise ExpressionError("; ".join(slips))
        return expression

    def _slips(self, expression: "Expression") -> Iterator[str]:
        """The literals that are compared with a field which is never one of them."""
        for name, literals in expression.made().compared.items():
            for literal in literals:
                if literal not in self.choices.get(name, literals):
                    unlisted = f"event.data.{name.removeprefix('event.')}"
                    yield (
                        f"{expected_one_of(str(literal), map(str, self.choices[name]))}; a value that is not listed yet "
                        f"can be compared with {unlisted}"
                    )

    def with_results(self, name: str, results: Mapping[str, str]) -> "Scope":
        """This scope and the results of an action that is called `name`."""
        scope = copy(self)
        scope.results = {**self.results, **{f"{name}.{each}": kind for each, kind in results.items()}}
        scope._variables = (*self._variables, *((f"{name}.{each}", kind) for each, kind in results.items()))
        return scope

    def values(self, event: Event) -> dict[str, Any]:
        """The variables that expressions of this scope see for one event."""
        known = {f"event.{name}": event.data[name] for name in self.fields if event.data.get(name) is not None}
        return known | {SOURCE: dict(event.data)}


Variables = tuple[tuple[str, str], ...]
"""Names and their simple types."""


@lru_cache(maxsize=200)
def _environment(variables: Variables) -> Any:
    """An environment with these variables: rules on the same events share one."""
    declared = {name: TYPES.get(kind, cel.Type.DYN) for name, kind in variables}
    return cel.NewEnv(variables=declared | {SOURCE: cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})


@lru_cache(maxsize=2000)
def _compiled(variables: Variables, source: str) -> Any:
    """A compiled expression: thousands of rules say `event.id`. Raises ExpressionError."""
    try:
        return _environment(variables).compile(source)
    except RuntimeError as error:
        names = [name for name, _ in variables]
        raise ExpressionError("; ".join(each + _meant(each, names) for each in _explain(str(error)))) from None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    _compiled: cel.Expression

    @property
    def kind(self) -> str:
        """The simple type of the value, as JSON Schema names it; empty where only an event can tell."""
        returned = self._compiled.return_type()
        return next((kind for kind, known in TYPES.items() if known == returned), "")

    def made(self) -> Made:
        """What the expression is made of."""
        return made_of(self._compiled.serialize())

    def fields(self) -> list[str]:
        """The fields of the event that the expression mentions; those it reaches by `event.data` as `data.<field>`."""
        return list(dict.fromkeys(_FIELD.findall(_QUOTED.sub("''", self.source))))

    def mentions(self, name: str) -> bool:
        """Whether the expression mentions a variable, or anything of it."""
        return bool(re.search(rf"(?<![\w.]){re.escape(name)}\b", _QUOTED.sub("''", self.source)))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The expression's value as JSON's plain data. Raises Unknown."""
        try:
            value = self._compiled.eval(data=dict(values))
            if value.type() == cel.Type.ERROR:
                raise ValueError(str(value.value()))
            return _plain(value)
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise Unknown(f"${{{self.source}}}: {_first_line(str(error))}") from None


@dataclass(frozen=True, slots=True)
class Template:
    """A value with `${…}` in its texts. A text that is one `${…}` keeps the expression's type; others become text."""

    value: Any
    _expressions: Mapping[str, Expression]
    _cut: Mapping[str, "tuple[Part, ...]"]
    """The parts of each text that could be compiled: a hot rule is rendered for every event."""

    def render(self, values: Mapping[str, Any], *, without: Collection[tuple[str | int, ...]] = ()) -> Any:
        """Fill in the expressions; texts at the paths `without` stay open, as None. Raises Unknown."""
        return self._render(self.value, values, (), frozenset(without))

    def late(self, names: Collection[str]) -> list[tuple[tuple[str | int, ...], str]]:
        """The texts, with their paths, that have an expression which mentions one of these variables."""
        return [
            (path, text)
            for path, text in (_texts(self.value, ()) if names else ())
            if any(expression.mentions(name) for expression in self.expressions([text]) for name in names)
        ]

    def expressions(self, texts: Iterable[str]) -> list[Expression]:
        """The expressions in some of the texts."""
        sources = [part.text for text in texts for part in self._cut.get(text, ()) if part.expression]
        return [self._expressions[source] for source in sources if source in self._expressions]

    def placed(self) -> Iterator[tuple[tuple[str | int, ...], Expression]]:
        """Every expression, with the path of the text that it is in."""
        for path, text in _texts(self.value, ()):
            yield from ((path, expression) for expression in self.expressions([text]))

    def sketch(self) -> "Sketch":
        """The value as far as it is known before any event."""
        holes: dict[tuple[str | int, ...], Hole] = {}
        return Sketch(self._sketch(self.value, (), holes), holes)

    def _sketch(self, value: Any, path: tuple[str | int, ...], holes: "dict[tuple[str | int, ...], Hole]") -> Any:
        if isinstance(value, dict):
            return {key: self._sketch(item, (*path, key), holes) for key, item in value.items()}
        if isinstance(value, list):
            return [self._sketch(item, (*path, number), holes) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            parts = list(split(value))
        except ExpressionError:  # told when it was compiled
            holes[path] = Hole(value, "")
            return None
        if not any(part.expression for part in parts):
            return "".join(part.text for part in parts)
        alone = self._expressions.get(parts[0].text) if len(parts) == 1 else None
        kind = alone.kind if alone else ("string" if len(parts) > 1 else "")
        holes[path] = Hole(value, kind)
        return EXAMPLES.get(kind)

    def _render(
        self,
        value: Any,
        values: Mapping[str, Any],
        path: tuple[str | int, ...],
        without: frozenset[tuple[str | int, ...]],
    ) -> Any:
        if isinstance(value, dict):
            return {key: self._render(item, values, (*path, key), without) for key, item in value.items()}
        if isinstance(value, list):
            return [self._render(item, values, (*path, number), without) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        return None if path in without else self._rendered(value, values)

    def _rendered(self, text: str, values: Mapping[str, Any]) -> Any:
        parts = self._cut[text]
        if len(parts) == 1 and parts[0].expression:
            return self._expressions[parts[0].text].evaluate(values)
        return "".join(self._text(part, values) for part in parts)

    def _text(self, part: "Part", values: Mapping[str, Any]) -> str:
        if not part.expression:
            return part.text
        result = self._expressions[part.text].evaluate(values)
        if isinstance(result, bool):
            return "true" if result else "false"
        if not isinstance(result, str | int | float):
            raise Unknown(f"${{{part.text}}}: a {type(result).__name__} can't stand inside a text")
        return str(result)


@dataclass(frozen=True, slots=True)
class Hole:
    """Where an expression will put a value: the text as written, and the value's type (empty: not known)."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sketch:
    """A template's value with an example of the right type in every hole."""

    value: Any
    holes: Mapping[tuple[str | int, ...], Hole]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a rule: the path to the value, or with `key` to its key, and what is wrong there."""

    path: tuple[str | int, ...]
    message: str
    key: bool = False
    severity: Severity = "error"


def template(value: Any, scope: Scope) -> tuple[Template, list[Fault]]:
    """Compile every `${…}` of a value; the faults of all of them are returned together."""
    expressions: dict[str, Expression] = {}
    cut: dict[str, tuple[Part, ...]] = {}
    faults: list[Fault] = []
    for path, text in _texts(value, ()):
        try:
            cut[text] = tuple(split(text))
            _compile_all(cut[text], scope, expressions)
        except ExpressionError as error:
            faults.append(Fault(path, f"in {quoted(text)}: {error}"))
    return Template(value, expressions, cut), faults


def _compile_all(parts: Iterable["Part"], scope: Scope, expressions: dict[str, Expression]) -> None:
    """Add the expressions of a text to those that are compiled. Raises ExpressionError with what is wrong with each."""
    wrong = []
    for part in parts:
        if part.expression and part.text not in expressions:
            try:
                expressions[part.text] = scope.compile(part.text)
            except ExpressionError as error:
                wrong.append(str(error))
    if wrong:
        raise ExpressionError("; ".join(dict.fromkeys(wrong)))


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text, or the inside of one `${…}`."""

    text: str
    expression: bool


def split(text: str) -> Iterator[Part]:
    """Cut a text at its `${…}`; `$${` is a literal `${`. Raises ExpressionError for one that does not end."""
    literal, position = "", 0
    while (start := text.find("${", position)) >= 0:
        if text[start - 1 : start] == "$":
            literal += text[position : start - 1] + "${"
            position = start + 2
            continue
        end = _closing(text, start + 2)
        if literal or start > position:
            yield Part(literal + text[position:start], expression=False)
        yield Part(text[start + 2 : end].strip(), expression=True)
        literal, position = "", end + 1
    if literal or position < len(text):
        yield Part(literal + text[position:], expression=False)


def _closing(text: str, start: int) -> int:
    """Find the brace that ends an expression, past nested braces and quoted strings."""
    end = text.find("}", start)
    if end >= 0 and not _NESTS.search(text, start, end):
        return end
    depth = 0
    for found in _STRING_OR_BRACE.finditer(text, start):
        if found[0] == "}" and depth == 0:
            return found.start()
        depth += (found[0] == "{") - (found[0] == "}")
    raise ExpressionError("the `${` has no closing `}`")


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))


def _plain(value: Any) -> Any:
    """Unwrap CEL values, which nest inside maps and lists. Raises ValueError for what JSON can't say."""
    match value.value() if isinstance(value, cel.Value) else value:
        case dict() as members:
            return {_key(key): _plain(item) for key, item in members.items()}
        case list() as items:
            return [_plain(item) for item in items]
        case None | str() | int() as scalar:
            return scalar
        case float() as number if math.isfinite(number):
            return number
        case other:
            raise ValueError(f"found {other!r}, which JSON can't say; make it a text with string(…)")


def _key(value: Any) -> str:
    key = _plain(value)
    if not isinstance(key, str):
        raise ValueError(f"found the key {key!r}, expected a text: JSON has no other keys")
    return key


def _explain(error: str) -> list[str]:
    """What is wrong first, and all names that nobody knows: other complaints often follow from the first."""
    found = [
        each.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
        for each in re.findall(r"<input>:-?\d+:-?\d+: (.*)", error)
    ]
    unknown = [each for each in found if each.startswith("undeclared reference")]
    return list(dict.fromkeys([*found[:1], *unknown])) or [_first_line(error).removeprefix("INVALID_ARGUMENT: ")]


def _meant(explained: str, names: Collection[str]) -> str:
    """The known name that an unknown one is nearest to."""
    unknown = re.search("undeclared reference to '([^']*)'", explained)
    near = get_close_matches(unknown[1][:60], names) if unknown else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text else "no value"
