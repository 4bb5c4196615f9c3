"""Criteria: conditions of type simple, jsonpath and regex, each answering with a finding. XPath is refused.

Owns which dialects of JSONPath conditions are understood. A criterion that can't be
understood is refused when the document is read, never taken for false: a false one may open the gate of a wait.

Documents in use write three dialects of JSONPath conditions, and no other evaluator takes all of them:

    query      $.pets[?@.name == 'Rex']            RFC 9535 as it stands: holds when it finds anything
    wrapped    $[?@.state == 'ready']              of an object: RFC 9535 would look at its members, not at itself
    predicate  $.state == "ready" && $.size > 1    no query at all, but what RFC 9535 allows within [? ]
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from jsonpath_rfc9535 import JSONPathError, JSONPathQuery
from jsonpath_rfc9535.filter_expressions import FilterContext, FilterExpression
from jsonpath_rfc9535.selectors import FilterSelector

from reactor.workflows.conditions import MAX_LENGTH, compile_condition, hint_for
from reactor.workflows.expressions import (
    ABSENT,
    BARE,
    Context,
    ExpressionError,
    Note,
    Reference,
    Template,
    as_text,
    descend,
    embedded_text,
    parse,
)
from reactor.workflows.jsonpath import bounded, compile_regex, unless_too_deep
from reactor.yaml12 import expected_one_of

TYPES: Final = ("simple", "jsonpath", "regex")

_PLAIN_PATH: Final = re.compile(r"[$@](?:\.[A-Za-z_][\w-]*)+")
_EMBEDDED: Final = re.compile(r"\{\$[A-Za-z][^{}]*\}")
_PARTS: Final = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|\{(?P<braced>\$[A-Za-z][^{}]*)\}"
    rf"|(?P<bare>{BARE})"
    r"|(?P<sign>[=!]=\s*)(?P<word>(?!(?:true|false|null)\b)[A-Za-z][\w-]*)(?=\s*(?:$|&&|\|\||[)\]]))"
)
"""What a JSONPath condition may have that JSONPath has not: expressions, also within its texts, and texts without quotes."""

_NULL: Final = re.compile(r"(?P<path>[$@](?:\.[A-Za-z_][\w-]*|\[\d+\])+)\s*(?P<sign>[=!]=)\s*null\b")


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
    parts = tuple(_parts(condition, note))
    embedded = tuple(reference for part in parts if not isinstance(part, str) for reference in part.references())
    # Compiled with nulls first: what can't be understood is known before anything runs.
    filled = _filled(parts, Context())
    fixed = _compile_jsonpath(filled, note, _Said(condition, looked_at))
    fits = None if embedded else fixed

    def holds(context: Context) -> bool:
        body = looked_at.render(context)
        if body is ABSENT:
            return False
        test = fits or _compile_jsonpath(_filled(parts, context), lambda warning: None, _Said(condition, looked_at))
        return unless_too_deep(test, False)(body)

    names_all = not re.search(r"\.\.|\*|\[(?!\?)|@(?!\.)", filled) and not _is_bare_query(filled)
    paths = tuple(dict.fromkeys(_PLAIN_PATH.findall(filled))) if names_all else None
    return Criterion("jsonpath", condition, looked_at, embedded, paths, holds)


def _is_bare_query(condition: str) -> bool:
    return condition.strip() == "$"


def _parts(condition: str, note: Note) -> Iterator[str | Template]:
    """A condition as JSONPath, and the expressions whose values stand in it. Raises ExpressionError."""
    end = 0
    for found in _PARTS.finditer(condition):
        yield condition[end : found.start()]
        end = found.end()
        if found["text"]:
            yield embedded_text(found["text"][1:-1], note) or found["text"]
        elif found["word"]:
            note(f"found {found['word']} without quotes; the standard form is '{found['word']}'")
            yield f'{found["sign"]}"{found["word"]}"'
        else:
            if found["bare"]:
                note(f"found {found['bare']!r} in {condition!r}; the standard form is '{{{found['bare']}}}'")
            yield parse(found["braced"] or found["bare"])
    yield condition[end:]


def _filled(parts: Sequence[str | Template], context: Context) -> str:
    """The condition with its expressions as JSON literals: a value can't become syntax."""

    def literal(part: Template) -> str:
        value = part.render(context)
        value = None if value is ABSENT else value
        as_is = isinstance(part, Reference) and isinstance(value, bool | int | float | None)
        return f" {orjson.dumps(value if as_is else as_text(value)).decode()} "

    return "".join(part if isinstance(part, str) else literal(part) for part in parts)


@dataclass(frozen=True, slots=True)
class _Said:
    """A condition as the document has it, and what it looks at: for messages."""

    condition: str
    looked_at: Reference

    def as_simple(self) -> str | None:
        """The same condition as it would be written with type simple; None where that can't say it."""
        if re.search(r"[\[\]@{]|\w\(|\.length\b", self.condition):
            return None
        stem = self.looked_at.text if self.looked_at.pointer else f"{self.looked_at.text}#"
        quoted = _PARTS.sub(lambda part: f"{part['sign']}'{part['word']}'" if part["word"] else part[0], self.condition)
        return _PLAIN_PATH.sub(lambda path: stem + path[0][1:].replace(".", "/"), quoted).replace('"', "'")


def _compile_jsonpath(condition: str, note: Note, said: _Said) -> Callable[[Any], bool]:
    if len(condition) > MAX_LENGTH:
        raise ExpressionError(f"found a condition of {len(condition)} characters, expected at most {MAX_LENGTH}")
    try:
        query = bounded(condition)
    except JSONPathError:
        return _predicate(condition, note, said)
    if not re.match(r"\$\[\?.*@[.\[]", condition):
        return lambda body: _finds(query, body)
    note(f"found {said.condition!r}; on an object it is read as asking the object itself, as if that were in a list")
    wrapped = bounded(_with_nulls(condition))
    return lambda body: _finds_wrapped(wrapped, body)


def _with_nulls(condition: str) -> str:
    """What is not there is null, as its author has it who waits until something `!= null`; RFC 9535 tells them apart."""
    return _NULL.sub(
        lambda found: (
            f"({found[0]} {'||' if found['sign'] == '==' else '&&'} {'!' * (found['sign'] == '==')}{found['path']})"
        ),
        condition,
    )


def _finds(query: JSONPathQuery, body: Any) -> bool:
    return isinstance(body, dict | list) and query.find_one(body) is not None


def _finds_wrapped(query: JSONPathQuery, body: Any) -> bool:
    """An object is asked itself; its members too if all could be meant. `!=` would hold for any that is a mere text."""
    if isinstance(body, dict) and _finds(query, [body]):
        return True
    members = body.values() if isinstance(body, dict) else ()
    return all(isinstance(member, dict | list) for member in members) and _finds(query, body)


def _predicate(condition: str, note: Note, said: _Said) -> Callable[[Any], bool]:
    """What RFC 9535 allows within `[? ]`, with both `$` and `@` for the context."""
    try:
        query = bounded(f"$[?{_with_nulls(_with_length(condition, note))}]")
    except JSONPathError as error:
        problem = re.sub(r", line \d+, column \d+$", "", str(error)) + hint_for(condition)
        raise ExpressionError(f"found {said.condition!r}, expected a JSONPath query (RFC 9535): {problem}") from None
    selectors = [selector for segment in query.segments for selector in segment.selectors]
    if len(selectors) != 1 or not isinstance(selectors[0], FilterSelector):
        raise ExpressionError(f"found {said.condition!r}, expected a JSONPath query or one condition")
    expression: FilterExpression = selectors[0].expression
    standard = said.as_simple()
    form = f"the standard form is {standard!r}, type simple" if standard else "it is read as the filter of one, $[?…]"
    note(f"found {said.condition!r}, which is no JSONPath query; {form}")
    return lambda body: expression.evaluate(FilterContext(env=query.env, current=body, root=body))


def _with_length(condition: str, note: Note) -> str:
    """`$.items.length > 0`, as JavaScript has it, asks for the length."""
    standard = re.sub(r"([$@][\w.\[\]]*)\.length\b(?=\s*[<>=!])", r"length(\1)", condition)
    if standard != condition:
        note(f"found '.length' in {condition!r}; the standard form is {standard!r}")
    return standard
