"""Criteria: simple conditions, the three dialects of JSONPath, regular expressions; each with a finding."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.workflows.criteria import Criterion, Finding, compile_criterion
from reactor.workflows.expressions import ABSENT, Context, Exchange, ExpressionError
from reactor.workflows.jsonpath import compile_query

BODY = {
    "state": "Ready",
    "size": 5,
    "text": "7",
    "none": None,
    "ok": True,
    "list": [{"id": 1}],
    "empty": {},
    "quote": "it's",
}


FRAGMENTS = [
    *"$@?[]()!*,: .'1",
    "..",
    "[?",
    ".a",
    "'x'",
    "==",
    "&&",
    "||",
    "null",
    "length(",
    "match(",
    "{$inputs.x}",
    "[0]",
]


def criterion(condition: str, kind: str = "simple", notes: list[str] | None = None) -> Criterion:
    return compile_criterion(condition, kind, None if kind == "simple" else "$response.body", (notes or []).append)


def holds(condition: str, kind: str = "simple", body: Any = BODY, **inputs: Any) -> bool:
    response = Exchange(headers={"content-type": "application/json; charset=utf-8"}, body=body)
    return criterion(condition, kind).put_to(Context(inputs=inputs, status=200, response=response)).held


@pytest.mark.parametrize(
    "condition",
    [
        "$statusCode == 200",
        "$statusCode >= 200 && $statusCode < 300",
        "$statusCode == 404 || $statusCode == 200",
        "$statusCode == 404 && $statusCode == 1 || true",
        "$statusCode == 404 && ($statusCode == 1 || true) == false || !false",
        "!($statusCode == 404)",
        "$response.body#/state == 'ready'",
        '$response.body#/state == "READY"',
        "$response.body.state != 'error'",
        "{$response.body#/size} > 4.5",
        "$response.body#/text > 6",
        "'8' > $response.body#/text",
        "$response.body#/none == null",
        "$response.body#/missing == null",
        "null != $response.body#/size",
        "$response.body#/ok",
        "$response.body#/ok == true",
        "$response.body#/empty",
        "$response.body.list[0].id == 1",
        "$response.body#/quote == 'it''s'",
        '$response.body#/quote == "it\'s"',
        "'x-{$response.body#/size}' == 'X-5'",
        "'a' < 'B'",
        "$response.body#/state == ready",
        "$response.header.Content-Type == application/json",
        "$response.body.list.length == 1 && $response.body#/list/length > 0",
        "$response.body#/state == '$inputs.wanted'",
        "$response.header.content-type == 'application/json; charset=utf-8' && $response.body#/state != new",
    ],
)
def test_these_conditions_hold(condition: str) -> None:
    assert holds(condition, wanted="ready")


@pytest.mark.parametrize("wanted", ["application/json", "application/json; charset=utf-8"])
def test_a_content_type_that_an_input_says_is_compared_with_its_parameters_if_it_has_any(wanted: str) -> None:
    assert holds("$response.header.Content-Type == $inputs.wanted", wanted=wanted)


@pytest.mark.parametrize(
    "condition",
    [
        "$statusCode == 404",
        "$response.body#/state == 'ready '",
        "$response.body#/none",
        "$response.body#/missing",
        "$response.body#/none < 1",
        "$response.body#/none >= null",
        "$response.body#/ok == 1",
        "$response.body#/list > 0",
        "$response.body#/state > 1",
        "!$response.body#/ok",
        "$response.body#/size != '5'",
        "$response.body#/state == not-ready",
        "$response.header.Content-Type == text/html",
        "$response.header.Content-Type == 'application/json; charset=latin-1'",
    ],
)
def test_these_conditions_do_not_hold(condition: str) -> None:
    assert not holds(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "$statusCode = 200",
        "$statusCode == 200 == true",
        "$statusCode == ready",
        "$response.body#/size > big",
        "ready == $response.body#/state",
        "ready == ready",
        "$response.body#/state == ready now",
        "$status == 200",
        "($statusCode == 200",
        "$statusCode == 200)",
        "$statusCode 200",
        "&& true",
        "$statusCode == 'open",
        "__import__('os')",
        "(" * 100 + "true" + ")" * 100,
        "true || " * 1000 + "true",
    ],
)
def test_a_condition_that_can_not_be_read_is_refused(condition: str) -> None:
    with pytest.raises(ExpressionError, match="found"):
        criterion(condition)


@given(st.text(alphabet="$()!&|=<>'\"{}. ast12#/", max_size=40))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        compiled = criterion(text)
    except ExpressionError:
        return

    assert compiled.put_to(Context(status=200)).held in (True, False)


@pytest.mark.parametrize(
    ("condition", "body", "held"),
    [
        # Predicates: no JSONPath at all, and what most documents in use have.
        ('$.state == "ready"', {"state": "ready"}, True),
        ('$.state == "ready"', {"state": "creating"}, False),
        ('$.state == "ready"', {}, False),
        ('$.state != "ready" && $.state != "error"', {"state": "creating"}, True),
        ('$.state != "ready" && $.state != "error"', {"state": "error"}, False),
        ("$.a.b == 1 || $.c[0] == 'x'", {"c": ["x"]}, True),
        ("!$.error", {"state": "x"}, True),
        ("($.n > 1)", {"n": 2}, True),
        ("$.items.length > 1", {"items": [1, 2]}, True),
        ("count($.items[*]) > 2", {"items": [1, 2]}, False),
        ("$.state == ready && $.size > 1", {"state": "ready", "size": 2}, True),
        ("$.id == $inputs.x", {"id": "7"}, True),
        ("$.id == '$inputs.x'", {"id": "7"}, True),
        ("$.id == 'pre-{$inputs.x}'", {"id": "pre-7"}, True),
        ("$.items[?@.id == $inputs.x]", {"items": [{"id": "7"}]}, True),
        # Who waits until something is not null waits until it is there.
        ("$.exit != null", {"state": "x"}, False),
        ("$.exit != null", {"exit": 0}, True),
        ("$.exit == null", {"state": "x"}, True),
        ("$[?@.exit != null && @.state == 'x']", {"state": "x"}, False),
        ("$[?@.exit == null]", {"exit": None}, True),
        ("$.items[?@.exit != null]", {"items": [{}]}, True),
        # Wrapped: an object is asked as if it were in a list.
        ("$[?@.state == 'ready']", {"state": "ready", "id": "x"}, True),
        ("$[?@.state != 'ready']", {"state": "ready", "id": "x"}, False),
        ("$[?count(@.pets) > 0]", {"pets": ["rex"]}, True),
        ("$[?@.state == 'ready']", {}, False),
        # RFC 9535 as it stands: holds when it finds something.
        ("$.pets[*]", {"pets": []}, False),
        ("$.pets[*]", {"pets": [None]}, True),
        ("$[?@.state == 'ready']", [{"state": "x"}, {"state": "ready"}], True),
        ("$[?@ == 'ready']", {"state": "ready"}, True),
        ("$.a[?@.b == 1]", {"a": [{"b": 1}]}, True),
        ("$..id", {"a": [{"id": None}]}, True),
        ("$.a[?search(@, '^v[0-9]+$')]", {"a": ["v12"]}, True),
        ("$.a[?match(@, 'v[0-9]')]", {"a": ["v12"]}, False),
        ("$.a[?search(@, '(')]", {"a": ["("]}, False),
        ("$.a[?search(@, 'v')]", {"a": [5]}, False),
        ("$.state", "ready", False),
    ],
)
def test_each_dialect_of_jsonpath_conditions_is_understood(condition: str, body: Any, held: bool) -> None:
    assert holds(condition, "jsonpath", body, x="7") is held


@pytest.mark.parametrize(
    "condition",
    [
        "state == 'x'",
        "$.state = 'x'",
        "$.a] || $[?true",
        "$.a ==",
        "true",
        "",
        "$..a..b",
        "$" + "[*]" * 9,
        "$.a" * 999,
        "(" * 900 + "$.a == 1" + ")" * 900,
        "!" * 900 + "$.a",
        "$.a{$inputs.x}",
        "!$.error == true",
        "$.a == 1 == true",
    ],
)
def test_a_jsonpath_that_can_not_be_read_or_is_too_much_work_is_refused(condition: str) -> None:
    with pytest.raises(ExpressionError, match="found"):
        criterion(condition, "jsonpath")


def test_a_value_put_into_a_jsonpath_can_not_become_syntax() -> None:
    assert holds("$.id == '{$inputs.id}'", "jsonpath", {"id": "a' || true"}, id="a' || true")
    assert not holds("$.id == '{$inputs.id}'", "jsonpath", {"id": "a"}, id="b' || $.id == 'a")
    assert holds("$.size == {$inputs.size}", "jsonpath", {"size": 5}, size=5)


def test_what_is_not_standard_is_noted_with_the_standard_form() -> None:
    notes: list[str] = []

    compile_criterion('$.state == "ready"', "jsonpath", "$response.body", notes.append)
    compile_criterion('$statusCode == "x"', "simple", None, notes.append)

    assert "$response.body#/state == 'ready'" in notes[0]
    assert notes[1].endswith("the standard form is 'x'")


def test_a_body_that_is_nested_too_deep_holds_nothing() -> None:
    body: Any = None
    for _ in range(300):
        body = {"x": body}

    assert not holds("$..y", "jsonpath", body)
    assert compile_query("$..y")(body) is ABSENT


@pytest.mark.parametrize(
    ("query", "picked"),
    [("$.a[0].b", 1), ("$.a[*].b", [1, 2]), ("$.none", ABSENT), ("$.a[5:]", []), ("$..b", [1, 2])],
)
def test_a_query_picks_a_value_or_a_list_of_them(query: str, picked: Any) -> None:
    assert compile_query(query)({"a": [{"b": 1}, {"b": 2}]}) == picked


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join), st.sampled_from(["jsonpath", "regex"]))
def test_any_text_is_a_criterion_or_refused_when_it_is_read(text: str, kind: str) -> None:
    try:
        compiled = criterion(text, kind)
    except ExpressionError:
        return

    for body in (BODY, [BODY], "x", None, ABSENT):
        assert compiled.put_to(Context(inputs={"x": "q"}, response=Exchange(body=body))).held in (True, False)


@pytest.mark.parametrize(
    ("pattern", "body", "held"),
    [
        (r"^v\d+(\.\d+)?$", "v1.2", True),
        (r"^v\d+(\.\d+)?$", "xv1", False),
        ("^5$", 5, True),
        ("ready", None, False),
        ("ready", ABSENT, False),
        ("(a+)+$", "a" * 50_000 + "b", False),
    ],
)
def test_a_regular_expression_is_searched_in_linear_time(pattern: str, body: Any, held: bool) -> None:
    assert holds(pattern, "regex", body) is held


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "[", r"(\w{1000}){1000}", "^{$inputs.x}$"])
def test_a_regular_expression_without_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(ExpressionError, match="found"):
        criterion(pattern, "regex")


def test_unknown_types_xpath_and_a_missing_context_are_refused() -> None:
    for kind, context, said in (
        ("xpath", "$response.body", "found a criterion of type xpath"),
        ("jsonpth", "$response.body", "did you mean 'jsonpath'?"),
        ("jsonpath", None, "found no context"),
    ):
        with pytest.raises(ExpressionError) as refused:
            compile_criterion("$.a", kind, context, print)

        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("condition", "kind", "hint"),
    [
        ("$statusCode == 200 and $response.body#/state == 'or'", "simple", "'and' is written &&"),
        ("$statusCode in [200, 201]", "simple", "one of several is written … == 'a' || … == 'b'"),
        ("$response.body#/state === 'x'", "simple", "equality is =="),
        ("$response.status == 200", "simple", "the status is $statusCode"),
        ("$.state == 'ready'", "simple", "is a criterion of type jsonpath"),
        ("$.state == 'and' or $.size > 1", "jsonpath", "'or' is written ||"),
        ("$.state =~ /rea.*/", "jsonpath", "a pattern is a criterion of type regex"),
    ],
)
def test_who_writes_a_condition_as_in_another_language_is_told_how_it_is_written(
    condition: str, kind: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as refused:
        criterion(condition, kind)

    assert str(refused.value).endswith(hint)


@pytest.mark.parametrize(
    ("condition", "context", "form"),
    [
        (
            '$.state == "ready"',
            "$message.payload",
            "the standard form is \"$message.payload#/state == 'ready'\", type simple",
        ),
        (
            "$.state != ready",
            "$response.body#/a",
            "the standard form is \"$response.body#/a/state != 'ready'\", type simple",
        ),
        ("count($.items[*]) == 0", "$response.body", "it is read as the filter of one, $[?…]"),
        ("$.id == '{$inputs.id}'", "$response.body", "it is read as the filter of one, $[?…]"),
    ],
)
def test_a_standard_form_is_told_only_where_it_says_the_same(condition: str, context: str, form: str) -> None:
    notes: list[str] = []

    compile_criterion(condition, "jsonpath", context, notes.append)

    assert notes[-1] == f"found {condition!r}, which is no JSONPath query; {form}"


def test_a_finding_says_what_was_asked_and_what_was_seen() -> None:
    context = Context(status=200, response=Exchange(body={"state": "creating"}))

    assert criterion("$statusCode == 200").put_to(context) == Finding("$statusCode == 200", {"$statusCode": 200}, True)
    assert criterion('$.state == "ready"', "jsonpath").put_to(context) == Finding(
        '$.state == "ready"', {"$.state": "creating"}, False
    )
