"""Values with `${…}` in their texts: cut at load, and filled in for each event.

Owns what a text with expressions comes to. What an expression is, is `cel`'s.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reactor.rules.cel import Expression, ExpressionError, Scope, Unknown
from reactor.rules.fault import Fault
from reactor.yaml12 import quoted

EXAMPLES = {"string": "", "integer": 0, "number": 0.5, "boolean": False}
"""A value of each simple type."""

_NESTS = re.compile("[{'\"]")
_STRING_OR_BRACE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}]""", re.DOTALL)


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
