"""Expressions and templates: what is refused at load, what has no value for an event, what comes out."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.events import Event
from reactor.rules.cel import ExpressionError, Scope, Unknown
from reactor.rules.fault import Fault
from reactor.rules.template import Part, split, template

FIELDS = {"id": "string", "count": "integer", "size": "number", "ok": "boolean", "tags": "array", "any": ""}


def values(scope: Scope, **data: Any) -> dict[str, Any]:
    return scope.values(Event("msg_1", "daytona", "t", "org", data, time=None, received=None))


def evaluated(source: str, **data: Any) -> Any:
    scope = Scope(FIELDS)
    return scope.compile(source).evaluate(values(scope, **data))


def rendered(value: Any, **data: Any) -> Any:
    scope = Scope(FIELDS)
    compiled, faults = template(value, scope)
    assert faults == []
    return compiled.render(values(scope, **data))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("event.idd", "undeclared reference to 'event.idd'; did you mean 'event.id'?"),
        (
            "event.idd == 'a' && event.cout > 2 && event.idd != 'b'",
            "undeclared reference to 'event.idd'; did you mean 'event.id'?; "
            "undeclared reference to 'event.cout'; did you mean 'event.count'?",
        ),
        ("event.quite_another", "undeclared reference to 'event.quite_another'"),
        ("event.id == 5", "no matching overload for '_==_' applied to '(string, int)'"),
        ("event.id + 1", "no matching overload"),
        ("1 +", "Syntax error"),
        ("", "Syntax error"),
        ("nothing(event.id)", "undeclared reference to 'nothing'"),
    ],
)
def test_a_wrong_expression_is_refused_when_it_is_compiled(source: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(message)) as refused:
        Scope(FIELDS).compile(source)

    assert "\n" not in str(refused.value)


def test_all_bad_references_of_a_text_are_told_together() -> None:
    _, faults = template({"a": "${event.idd} of ${event.cout} in ${event.idd}, ${event.id}"}, Scope(FIELDS))

    [told] = faults
    assert told.message.endswith(
        ": undeclared reference to 'event.idd'; did you mean 'event.id'?; "
        "undeclared reference to 'event.cout'; did you mean 'event.count'?"
    )


@pytest.mark.parametrize(
    ("source", "data", "value"),
    [
        ("event.id", {"id": "v1"}, "v1"),
        ("event.id.startsWith('v') && event.count > 2", {"id": "v1", "count": 3}, True),
        ("event.size * 2.0", {"size": 5}, 10.0),
        ("event.tags", {"tags": [1, {"a": [None, True]}]}, [1, {"a": [None, True]}]),
        ("event.any", {"any": {"b": 1}}, {"b": 1}),
        ("event.data.future.field", {"future": {"field": "x"}}, "x"),
        ("has(event.data.future)", {}, False),
        ("event.data.big", {"big": 2**64 - 1}, 2**64 - 1),
        ("{'a': [1, 2.5, 'x', null]}", {}, {"a": [1, 2.5, "x", None]}),
        ("string(timestamp('2026-01-01T00:00:00Z') + duration('60s'))", {}, "2026-01-01T00:01:00Z"),
    ],
)
def test_an_expression_gives_plain_data(source: str, data: dict[str, Any], value: Any) -> None:
    assert evaluated(source, **data) == value
    assert type(evaluated(source, **data)) is type(value)


@pytest.mark.parametrize(
    ("source", "data", "why"),
    [
        ("event.id", {}, "event.id"),
        ("event.id", {"id": None}, "event.id"),
        ("event.any", {"any": None}, "event.any"),
        ("event.id", {"id": 5}, "Unexpected value type"),
        ("event.count", {"count": 1.5}, "float"),
        ("event.count", {"count": 2**70}, "too big"),
        ("event.data.gone", {}, "gone"),
        ("1 / event.count", {"count": 0}, "divide by zero"),
        ("event.tags.all(a, event.tags.all(b, event.tags.all(c, a + b + c >= 0)))", {"tags": [*range(300)]}, "budget"),
    ],
)
def test_what_has_no_value_for_an_event_is_unknown_and_says_why(source: str, data: dict[str, Any], why: str) -> None:
    with pytest.raises(Unknown, match=why) as unknown:
        evaluated(source, **data)

    assert source in str(unknown.value)


@pytest.mark.parametrize(
    "source", ["duration('3s')", "timestamp('2026-01-01T00:00:00Z')", "b'abc'", "{1: 2}", "type(1)", "1.0 / 0.0"]
)
def test_what_json_can_not_say_is_unknown(source: str) -> None:
    with pytest.raises(Unknown, match="JSON"):
        evaluated(f"[{source}]")


@pytest.mark.parametrize("name", ["in", "x-trace", "two words", "1a", "größe"])
def test_a_field_whose_name_is_no_identifier_spoils_no_other(name: str) -> None:
    scope = Scope({name: "string", "id": "string"})

    assert scope.compile("event.id").evaluate(values(scope, id="v1", **{name: "x"})) == "v1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("plain", [("plain", False)]),
        ("${a}", [("a", True)]),
        ("${ a }", [("a", True)]),
        ("x-${a}-${b}", [("x-", False), ("a", True), ("-", False), ("b", True)]),
        ("${a}${b}", [("a", True), ("b", True)]),
        ("$${a}", [("${a}", False)]),
        ("${a}$${b}", [("a", True), ("${b}", False)]),
        ("$ { $x {}", [("$ { $x {}", False)]),
        ("${ {'k': {'l': 1}} }", [("{'k': {'l': 1}}", True)]),
        ("${'}'}!", [("'}'", True), ("!", False)]),
        ('${"it\'s }"}', [('"it\'s }"', True)]),
        (r"${'\'}'}", [(r"'\'}'", True)]),
        (r"${'\\'}x", [(r"'\\'", True), ("x", False)]),
    ],
)
def test_a_text_is_cut_at_its_expressions(text: str, parts: list[tuple[str, bool]]) -> None:
    assert list(split(text)) == [Part(*part) for part in parts]


@pytest.mark.parametrize("text", ["${", "a ${b", "${ {'k': 1 }", "${'}'"])
def test_an_expression_that_does_not_end_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="no closing `}`"):
        list(split(text))


@given(st.text(alphabet="${}'\"\\ a"))
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        parts = list(split(text))
    except ExpressionError:
        return

    if not any(part.expression for part in parts):
        assert "".join(part.text for part in parts) == text.replace("$${", "${")


def test_a_whole_expression_keeps_its_type_and_one_within_a_text_becomes_text() -> None:
    body = {
        "n": "${event.count}",
        "text": "n=${event.count} ${event.ok} ${event.id}",
        "list": [1, None, "${event.tags}"],
    }

    result = rendered(body, count=3, ok=True, id="v1", tags=["a"])

    assert result == {"n": 3, "text": "n=3 true v1", "list": [1, None, ["a"]]}


def test_nothing_is_rendered_twice() -> None:
    assert rendered("${event.id}", id="${event.count}") == "${event.count}"
    assert rendered("<${event.id}>", id="${1}") == "<${1}>"


@pytest.mark.parametrize(("source", "kind"), [("null", "NoneType"), ("[1]", "list"), ("{'a': 1}", "dict")])
def test_only_scalars_stand_inside_a_text(source: str, kind: str) -> None:
    with pytest.raises(Unknown, match=f"a {kind} can't stand inside a text"):
        rendered(f"x${{{source}}}")


def test_the_faults_of_all_texts_come_together_each_with_its_path() -> None:
    value = {"a": "${event.idd}", "b": ["ok ${event.id}", "${"], "c": 5}

    _, faults = template(value, Scope(FIELDS))

    assert [fault.path for fault in faults] == [("a",), ("b", 1)]
    assert faults[1] == Fault(("b", 1), "in '${': the `${` has no closing `}`")


def test_a_rendered_value_is_json() -> None:
    assert json.loads(json.dumps(rendered({"x": "${event.data}"}, a=[1, {"b": None}])))["x"] == {"a": [1, {"b": None}]}


def test_expressions_keep_their_values_while_others_are_compiled_in_threads() -> None:
    scope = Scope({"name": "string"})
    asked = scope.compile('event.name.startsWith("x") && event.name.matches("x+")')

    def compile_many() -> None:
        for number in range(1000):
            scope.compile(f'event.name == "y{number}"')

    with ThreadPoolExecutor(2) as threads:
        compiling = [threads.submit(compile_many) for _ in range(2)]
        values = [asked.evaluate({"event.name": "x", "event.data": {}}) for _ in range(5000)]

    assert all(each.exception() is None for each in compiling)
    assert set(values) == {True}
