"""Regular expressions inside CEL: those that are no regular expression are found before an event finds them.

They can't run for long: CEL's are RE2's, linear in the text, without backreferences.
"""

import re
from collections.abc import Iterator
from typing import Any

from reactor.rules.cel import ExpressionError, Fault, Scope, Unknown, split

_MATCHES = re.compile(r"""\bmatches\(\s*(?:event\.[\w.]+\s*,\s*)?(r?"(?:\\.|[^"\\])*"|r?'(?:\\.|[^'\\])*')\s*\)""")


def regex_faults(written: Any, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """What is wrong with the regular expressions in the texts of a value."""
    if isinstance(written, dict):
        for key, item in written.items():
            yield from regex_faults(item, (*path, key))
    elif isinstance(written, list):
        for number, item in enumerate(written):
            yield from regex_faults(item, (*path, number))
    elif isinstance(written, str) and "matches(" in written:
        yield from (Fault(path, message) for message in _faults(written))


def _faults(text: str) -> Iterator[str]:
    for literal in _MATCHES.findall(text):
        try:
            Scope({}).compile(f'"".matches({literal})').evaluate({"event.data": {}})
        except (Unknown, ExpressionError) as error:
            why = str(error).rpartition("regular expression: ")[2]
            yield f"found {literal}, which is no regular expression: {why} (RE2: no backreferences, no look-around)"


def expressions(text: str) -> list[str]:
    """The expressions in the `${…}` of a text; none of one that does not end, which is told elsewhere."""
    try:
        return [part.text for part in split(text) if part.expression]
    except ExpressionError:
        return []
