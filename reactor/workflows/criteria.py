"""Criteria: conditions of type simple, jsonpath and regex, each answering with a finding. XPath is refused.

Owns which dialects of JSONPath conditions are understood. A criterion that can't be
understood is refused when the document is read, never taken for false: a false one may open the gate of a wait.

Documents in use write three dialects of JSONPath conditions, and no other evaluator takes all of them:

    query      $.pets[?@.name == 'Rex']            RFC 9535 as it stands: holds when it finds anything
    wrapped    $[?@.state == 'ready']              of an object: RFC 9535 would look at its members, not at itself
    predicate  $.state == "ready" && $.size > 1    no query at all, but what RFC 9535 allows within [? ]
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from jsonpath_rfc9535 import JSONPathError, JSONPathQuery
from jsonpath_rfc9535.filter_expressions import FilterContext, FilterExpression
from jsonpath_rfc9535.selectors import FilterSelector

from reactor.workflows.conditions import MAX_LENGTH, compile_condition
from reactor.workflows.expressions import ABSENT, Context, ExpressionError, Note, Reference, as_text, descend, parse
from reactor.workflows.jsonpath import bounded, compile_regex, unless_too_deep
from reactor.yaml12 import expected_one_of

TYPES: Final = ("simple", "jsonpath", "regex")

_PLAIN_PATH: Final = re.compile(r"[$@](?:\.[A-Za-z_][\w-]*)+")
_EMBEDDED: Final = re.compile(r"(?P<quote>['\"]?)\{(?P<expression>\$[A-Za-z][^{}]*)\}(?P=quote)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion put to one context: what it asked, the values it looked at, and whether it held."""

    asked: str
    saw: dict[str, Any]
    held: bool


Test = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One compiled condition. `paths` are the members of its context that a jsonpath names; None: any may count."""

    kind: str
    condition: str
    context: Reference | None
    references: tuple[Reference, ...]
    paths: tuple[str, ...] | None
    _test: Test = field(repr=False, compare=False)

    def put_to(self, context: Context) -> Finding:
        """What it says in a context."""
        saw = {reference.text: reference.render(context) for reference in self.references}
        if self.context is not None:
            body = self.context.render(context)
            saw |= {path: descend(body, tuple(path.split(".")[1:])) for path in self.paths or ()}
        return Finding(self.condition, saw, self._test(context))


def compile_criterion(condition: str, kind: str, context: str | None, note: Note) -> Criterion:
    """Compile a criterion; `note` takes a warning for each liberty. Raises ExpressionError for what isn't understood."""
    if kind == "xpath":
        raise ExpressionError("found a criterion of type xpath, expected simple, jsonpath or regex: the APIs send JSON")
    if kind not in TYPES:
        raise ExpressionError(expected_one_of(kind, TYPES))
    if kind == "simple":
        test, references = compile_condition(condition, note)
        return Criterion(kind, condition, None, references, (), test)
    if context is None:
        raise ExpressionError(f"found no context, expected it: a {kind} criterion looks at $response.body or the like")
    looked_at = parse(context)
    if kind == "regex":
        return _regex(condition, looked_at)
    return _jsonpath(condition, looked_at, note)


def _regex(condition: str, looked_at: Reference) -> Criterion:
    if _EMBEDDED.search(condition):
        raise ExpressionError(f"found an expression within the pattern {condition!r}, expected a fixed pattern")
    matches = compile_regex(condition)

    def holds(context: Context) -> bool:
        value = looked_at.render(context)
        return value is not ABSENT and value is not None and matches(as_text(value))

    return Criterion("regex", condition, looked_at, (looked_at,), (), holds)


def _jsonpath(condition: str, looked_at: Reference, note: Note) -> Criterion:
    embedded = tuple(parse(found["expression"]) for found in _EMBEDDED.finditer(condition))
    # Compiled with nulls first: what can't be understood is known before anything runs.
    fixed = _compile_jsonpath(_EMBEDDED.sub(" null ", condition), note)
    fits = None if embedded else fixed

    def holds(context: Context) -> bool:
        body = looked_at.render(context)
        if body is ABSENT:
            return False
        test = fits or _compile_jsonpath(_filled(condition, context), lambda warning: None)
        return unless_too_deep(test, False)(body)

    names_all = not re.search(r"\.\.|\*|\[(?!\?)|@(?!\.)", condition) and not _is_bare_query(condition)
    paths = tuple(dict.fromkeys(_PLAIN_PATH.findall(condition))) if names_all else None
    return Criterion("jsonpath", condition, looked_at, embedded, paths, holds)


def _is_bare_query(condition: str) -> bool:
    return condition.strip() == "$"


def _filled(condition: str, context: Context) -> str:
    """The condition with its embedded expressions as JSON literals: a value can't become syntax."""

    def literal(found: re.Match[str]) -> str:
        value = parse(found["expression"]).render(context)
        value = None if value is ABSENT else value
        as_is = not found["quote"] and isinstance(value, bool | int | float | None)
        return f" {orjson.dumps(value if as_is else as_text(value)).decode()} "

    return _EMBEDDED.sub(literal, condition)


def _compile_jsonpath(condition: str, note: Note) -> Callable[[Any], bool]:
    if len(condition) > MAX_LENGTH:
        raise ExpressionError(f"found a condition of {len(condition)} characters, expected at most {MAX_LENGTH}")
    try:
        query = bounded(condition)
    except JSONPathError:
        return _predicate(condition, note)
    if not re.match(r"\$\[\?.*@[.\[]", condition):
        return lambda body: _finds(query, body)
    note(f"found {condition!r}; on an object it is read as asking the object itself, as if that were in a list")
    return lambda body: _finds_wrapped(query, body)


def _finds(query: JSONPathQuery, body: Any) -> bool:
    return isinstance(body, dict | list) and query.find_one(body) is not None


def _finds_wrapped(query: JSONPathQuery, body: Any) -> bool:
    """An object is asked itself; its members too if all could be meant. `!=` would hold for any that is a mere text."""
    if isinstance(body, dict) and _finds(query, [body]):
        return True
    members = body.values() if isinstance(body, dict) else ()
    return all(isinstance(member, dict | list) for member in members) and _finds(query, body)


def _predicate(condition: str, note: Note) -> Callable[[Any], bool]:
    """What RFC 9535 allows within `[? ]`, with both `$` and `@` for the context."""
    try:
        query = bounded(f"$[?{_with_length(condition, note)}]")
    except JSONPathError as error:
        raise ExpressionError(f"found {condition!r}, expected a JSONPath query (RFC 9535): {error}") from None
    selectors = [selector for segment in query.segments for selector in segment.selectors]
    if len(selectors) != 1 or not isinstance(selectors[0], FilterSelector):
        raise ExpressionError(f"found {condition!r}, expected a JSONPath query or one condition")
    expression: FilterExpression = selectors[0].expression
    note(
        f"found {condition!r}, which is no JSONPath query; the standard form is {_as_simple(condition)!r}, type simple"
    )
    return lambda body: expression.evaluate(FilterContext(env=query.env, current=body, root=body))


def _as_simple(condition: str) -> str:
    """The same condition as it would be written with type simple, for the common case of the reply's body."""
    pointed = _PLAIN_PATH.sub(lambda path: "$response.body#" + path[0][1:].replace(".", "/"), condition)
    return pointed.replace('"', "'")


def _with_length(condition: str, note: Note) -> str:
    """`$.items.length > 0`, as JavaScript has it, asks for the length."""
    standard = re.sub(r"([$@][\w.\[\]]*)\.length\b(?=\s*[<>=!])", r"length(\1)", condition)
    if standard != condition:
        note(f"found '.length' in {condition!r}; the standard form is {standard!r}")
    return standard
