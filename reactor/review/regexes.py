"""Regular expressions inside CEL: those that are no regular expression are found before an event finds them.

They can't run for long: CEL's are RE2's, linear in the text, without backreferences.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from reactor.rules.cel import Expression, ExpressionError, Scope, Unknown
from reactor.rules.fault import Fault
from reactor.rules.template import split
from reactor.yaml12 import quoted

_TRIAL: Final = Scope({"pattern": "string"}).compile('"".matches(event.pattern)')


def regex_faults(expressions: Iterable[tuple[tuple[str | int, ...], Expression]]) -> Iterator[Fault]:
    """What is wrong with the regular expressions in expressions, each with its place."""
    for path, expression in expressions:
        if "matches" in expression.source:
            yield from (Fault(path, message) for message in _faults(expression.made().patterns))


def _faults(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        try:
            _TRIAL.evaluate({"event.pattern": pattern})
        except Unknown as error:
            why = str(error).rpartition("regular expression: ")[2]
            yield (
                f"found {quoted(pattern)}, which is no regular expression: {why} (RE2: no backreferences, no look-around)"
            )


def expressions(text: str) -> list[str]:
    """The expressions in the `${…}` of a text; none of one that does not end, which is told elsewhere."""
    try:
        return [part.text for part in split(text) if part.expression]
    except ExpressionError:
        return []
