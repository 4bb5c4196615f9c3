"""JSONPath as RFC 9535 has it, and patterns in linear time: all that knows the library.

Owns how much work one query may be, and that a test without a meaning is refused: the library takes some that the
standard has not, `!@.error == true` among them, and answers them with a silent false. Dialects are criteria.py's.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import jsonschema_rs
from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery, JSONPathRecursionError
from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    Expression,
    FilterExpressionLiteral,
    FilterQuery,
    FunctionExtension,
    LogicalExpression,
    PrefixExpression,
)
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction
from jsonpath_rfc9535.lex import tokenize
from jsonpath_rfc9535.selectors import FilterSelector
from jsonpath_rfc9535.tokens import TokenType

from reactor.workflows.expressions import ABSENT, ExpressionError

Thing = TypeVar("Thing")

# How often these may stand in one JSONPath: each can multiply the work by the size of the body, or nests.
_LIMITS: Final = {
    TokenType.DOUBLE_DOT: 1,
    TokenType.FILTER: 2,
    TokenType.WILD: 3,
    TokenType.COMMA: 4,
    TokenType.LPAREN: 30,
    TokenType.NOT: 30,
    TokenType.FUNCTION: 10,
}
_DOT: Final = re.compile(r"(?P<other>\\.|\[(?:\\.|[^\]\\])*\])|\.", re.DOTALL)
"""A dot of an I-Regexp (RFC 9485), which stands for anything but a line's end; `other` is an escape or a class before it."""


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """Whether a text contains a match of an ECMA-262 pattern. Raises ExpressionError for what has no linear time.

    The Rust regex engine, reached through JSON Schema's `pattern`, translates ECMA-262 and refuses look-around and
    back-references, so no pattern can hang the process. A pattern may take one MiB compiled.
    """
    options = jsonschema_rs.RegexOptions(size_limit=1 << 20)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options).is_valid
    except ValueError:
        message = f"found the pattern {pattern!r}, expected a regular expression without look-around or back-references"
        raise ExpressionError(message) from None


class _Matching(FilterFunction):
    """`match()` and `search()` of RFC 9535 in linear time; the library's own backtrack."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - declared so by the library
    return_type = ExpressionType.LOGICAL

    def __init__(self, whole: bool) -> None:
        self.whole = whole

    def __call__(self, text: object, pattern: object) -> bool:
        """Whether the pattern matches; a pattern that is none matches nothing (RFC 9535, 2.4.6)."""
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        try:
            pattern = _DOT.sub(lambda found: found["other"] or r"[^\n\r]", pattern)
            return compile_regex(f"^(?:{pattern})$" if self.whole else pattern)(text)
        except ExpressionError:
            return False


def _environment() -> JSONPathEnvironment:
    environment = JSONPathEnvironment()
    environment.function_extensions |= {"match": _Matching(True), "search": _Matching(False)}
    return environment


def compile_query(text: str) -> Callable[[Any], Any]:
    """A JSONPath that picks a value: that of a singular query, the list of values of another, ABSENT for none.

    Raises ExpressionError.
    """
    try:
        query = bounded(text)
    except JSONPathError as error:
        raise ExpressionError(f"found {text!r}, expected a JSONPath query (RFC 9535): {error}") from None

    def pick(value: Any) -> Any:
        if query.empty():
            return value
        found = query.find(value).values() if isinstance(value, dict | list) else []
        return (found[0] if found else ABSENT) if query.singular_query() else found

    return unless_too_deep(pick, ABSENT)


def unless_too_deep(read: Callable[[Any], Thing], otherwise: Thing) -> Callable[[Any], Thing]:
    """What a JSONPath reads; `otherwise` where it would have to descend more than the library's hundred levels."""

    def read_or_not(value: Any) -> Thing:
        try:
            return read(value)
        except JSONPathRecursionError:
            return otherwise

    return read_or_not


def bounded(text: str) -> JSONPathQuery:
    """A compiled query, whose work is at most about the square of the body's size.

    Raises JSONPathError for what is no JSONPath, ExpressionError for one that is too much work or asks nothing.
    """
    counted = Counter(token.type_ for token in tokenize(text))
    for kind, limit in _LIMITS.items():
        if counted[kind] > limit:
            raise ExpressionError(f"found {counted[kind]} of {kind.name} in {text!r}, expected at most {limit}")
    query = _environment().compile(text)
    if strays := list(_stray_tests(query)):
        raise ExpressionError(f"found {strays[0]} in {text!r}, expected a JSONPath query (RFC 9535)")
    return query


def _stray_tests(query: JSONPathQuery) -> Iterator[str]:
    """What stands where a test has to, and is none."""
    for segment in query.segments:
        for selector in segment.selectors:
            if isinstance(selector, FilterSelector):
                yield from _stray(selector.expression.expression)


def _stray(test: Expression) -> Iterator[str]:
    match test:
        case ComparisonExpression():
            for side in (test.left, test.right):
                yield from _stray_value(side)
        case LogicalExpression():
            yield from _stray(test.left)
            yield from _stray(test.right)
        case PrefixExpression():
            yield from _stray(test.right)
        case FilterQuery():
            yield from _stray_tests(test.query)
        case FunctionExtension() if _gives_a_value(test):
            yield f"{test}, which is no test by itself"
        case FunctionExtension():
            yield from _stray_arguments(test)
        case _:
            yield f"{test}, which is no test by itself"


def _stray_value(side: Expression) -> Iterator[str]:
    match side:
        case FilterExpressionLiteral() | FilterQuery():
            return
        case FunctionExtension():
            yield from _stray_arguments(side)
        case _:
            yield f"a comparison with {side}, which is no value"


def _stray_arguments(call: FunctionExtension) -> Iterator[str]:
    for argument in call.args:
        match argument:
            case FilterExpressionLiteral():
                continue
            case FilterQuery():
                yield from _stray_tests(argument.query)
            case FunctionExtension():
                yield from _stray_arguments(argument)
            case _:
                yield f"{argument} as an argument of {call.name}()"


def _gives_a_value(call: FunctionExtension) -> bool:
    function = _environment().function_extensions.get(call.name)
    return isinstance(function, FilterFunction) and function.return_type == ExpressionType.VALUE
