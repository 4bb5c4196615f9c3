"""The `simple` conditions of Arazzo: a small parser, and closures that can't run anything.

Arazzo has no normative grammar for them (OAI/Arazzo-Specification#518). This is the one that its examples and the
documents in use share: `||` binds weakest, then `&&`, then `!`, parentheses and one comparison; no chaining.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reactor.workflows.expressions import (
    ABSENT,
    BARE,
    LENGTH,
    Context,
    ExpressionError,
    Note,
    Reference,
    embedded_text,
    parse,
)

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 30
"""Levels of parentheses and `!`; with MAX_LENGTH it bounds the work of a condition."""

HABITS: Final[Mapping[str, str]] = {
    r"\band\b": "'and' is written &&",
    r"\bor\b": "'or' is written ||",
    r"\bnot\b": "'not' is written !",
    r"[=!]==|(?<![=!<>])=(?!=|~)": "equality is ==",
    r"<>": "inequality is !=",
    r"(?i)\bin\s*[\[(]": "one of several is written … == 'a' || … == 'b'",
    r"=~|\bmatches\b": "a pattern is a criterion of type regex",
    r"\$(?:response\.status(?:Code)?|status)\b": "the status is $statusCode",
}
"""What people write who know other languages, and what it is here."""

Value = Callable[[Context], Any]

_TOKENS: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<sign>\|\||&&|[=!<>]=|[<>!()])"
    r"|(?P<single>'(?:[^']|'')*')"
    r'|(?P<double>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<word>(?:true|false|null)\b)"
    r"|\{(?P<braced>\$[^{}]+)\}"
    rf"|(?P<bare>{BARE})"
    r"|(?P<plain>[A-Za-z][\w.@/+-]*)"
)
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides as they are compared: texts without case, a text as a number where the other side is one."""
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold(), right.casefold()
    if isinstance(left, str) and is_number(right):
        return _number(left), right
    if is_number(left) and isinstance(right, str):
        return left, _number(right)
    return left, right


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def equal(left: Any, right: Any) -> bool:
    """`==`: null equals null only, true is not 1, texts are compared without case."""
    left, right = _alike(left, right)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _ordered(sign: str, left: Any, right: Any) -> bool:
    left, right = _alike(left, right)
    comparable = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
    return comparable and _ORDERED[sign](left, right)


def compare(left: Any, sign: str, right: Any) -> bool:
    """One comparison. What has no order (null, lists, a text and a number) is neither less nor greater."""
    if sign in ("==", "!="):
        return equal(left, right) == (sign == "==")
    return _ordered(sign, left, right)


def truthy(value: Any) -> bool:
    """What an operand without a comparison says: lists and mappings are true because they are there."""
    return isinstance(value, list | Mapping) or (value is not ABSENT and bool(value))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKENS.match(text, position)
        if not found or not found.lastgroup:
            raise ExpressionError(f"found {text[position : position + 20]!r} in {text!r}, expected an operand")
        if found.lastgroup != "space":
            yield _Token(found.lastgroup, found[found.lastgroup])
        position = found.end()


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens of one condition; collects the references it meets."""

    text: str
    note: Note
    tokens: list[_Token] = field(init=False)
    references: list[Reference] = field(default_factory=list)

    def parse(self) -> Value:
        self.tokens = [*_tokens(self.text), _Token("end", "")]
        whole = self._or(0)
        self._expect("")
        return whole

    def _or(self, depth: int) -> Value:
        sides = [self._and(depth)]
        while self._take("||"):
            sides.append(self._and(depth))
        return sides[0] if len(sides) == 1 else lambda c: any(truthy(side(c)) for side in sides)

    def _and(self, depth: int) -> Value:
        sides = [self._comparison(depth)]
        while self._take("&&"):
            sides.append(self._comparison(depth))
        return sides[0] if len(sides) == 1 else lambda c: all(truthy(side(c)) for side in sides)

    def _comparison(self, depth: int) -> Value:
        before = len(self.references)
        left = self._operand(depth)
        asked, sign = self.references[before:], self.tokens[0].text
        if self.tokens[0].kind != "sign" or sign not in ("==", "!=", *_ORDERED):
            return left
        self.tokens.pop(0)
        right = self._plain(asked) if sign in ("==", "!=") and self.tokens[0].kind == "plain" else self._operand(depth)
        if any(_is_content_type(reference) for reference in asked):
            return lambda c: compare(*_media_types(left(c), sign, right(c)))
        return lambda c: compare(_null(left(c)), sign, _null(right(c)))

    def _plain(self, asked: Sequence[Reference]) -> Value:
        """A text without quotes, which can only be meant so behind a value that may be one; a status is none."""
        token = self.tokens.pop(0)
        if [reference.root for reference in asked] in ([], ["statusCode"]):
            return self._value(token)
        self.note(f"found {token.text} without quotes; the standard form is '{token.text}'")
        return self._literal(token.text)

    def _operand(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"found more than {MAX_DEPTH} levels in {self.text!r}, expected fewer")
        if self._take("!"):
            inner = self._operand(depth + 1)
            return lambda c: not truthy(inner(c))
        if self._take("("):
            inner = self._or(depth + 1)
            self._expect(")")
            return inner
        return self._value(self.tokens.pop(0))

    def _value(self, token: _Token) -> Value:
        match token.kind:
            case "number":
                number = float(token.text)
                return lambda c: number
            case "word":
                return lambda c: _WORDS[token.text]
            case "single":
                return self._literal(token.text[1:-1].replace("''", "'"))
            case "double":
                self.note(f"found {token.text}; the standard form is '{token.text[1:-1]}'")
                return self._literal(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
            case "braced" | "bare":
                reference = parse(token.text)
                self.references.append(reference)
                if (*reference.path, *reference.pointer)[-1:] == (LENGTH,):
                    self.note(f"found {token.text}; the standard has no length of lists in conditions of type simple")
                return reference.render
            case "plain":
                raise ExpressionError(f"found {token.text!r} in {self.text!r}, expected an operand; texts need quotes")
            case _:
                found = token.text or "the end"
                raise ExpressionError(f"found {found!r} in {self.text!r}, expected an expression or a value")

    def _literal(self, text: str) -> Value:
        """A text of the document; expressions in braces within it are resolved, and one that is all of it."""
        template = embedded_text(text, self.note)
        if template is None:
            return lambda c: text
        self.references.extend(template.references())
        return template.render

    def _take(self, sign: str) -> bool:
        if self.tokens[0] != _Token("sign", sign):
            return False
        self.tokens.pop(0)
        return True

    def _expect(self, sign: str) -> None:
        token = self.tokens.pop(0)
        if token.text != sign or token.kind not in ("sign", "end"):
            found, wanted = token.text or "the end", sign or "the end, && or ||"
            raise ExpressionError(f"found {found!r} in {self.text!r}, expected {wanted}")


def _is_content_type(reference: Reference) -> bool:
    return reference.root == "response" and [name.lower() for name in reference.path] == ["header", "content-type"]


def _media_types(found: Any, sign: str, wanted: Any) -> tuple[Any, str, Any]:
    """A Content-Type goes without its parameters, `application/json; charset=utf-8`, where none are wanted."""
    if isinstance(found, str) and not (isinstance(wanted, str) and ";" in wanted):
        found = found.partition(";")[0].strip()
    return _null(found), sign, _null(wanted)


def _null(value: Any) -> Any:
    return None if value is ABSENT else value


def compile_condition(text: str, note: Note) -> tuple[Callable[[Context], bool], tuple[Reference, ...]]:
    """A `simple` condition, and the expressions it reads. Raises ExpressionError for what it can't read to the end."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"found a condition of {len(text)} characters, expected at most {MAX_LENGTH}")
    parser = _Parser(text, note)
    try:
        value = parser.parse()
    except ExpressionError as error:
        jsonpath = "; what begins with $. is a criterion of type jsonpath" if re.match(r"[\s!(]*\$[.\[]", text) else ""
        raise ExpressionError(f"{error}{hint_for(text) or jsonpath}") from None
    return lambda context: truthy(value(context)), tuple(parser.references)


def hint_for(text: str) -> str:
    """How something in a condition that can't be read is written here; empty where nothing is known."""
    outside = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
    hint = next((hint for habit, hint in HABITS.items() if re.search(habit, outside)), "")
    return hint and f"; {hint}"
