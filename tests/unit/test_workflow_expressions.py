"""Runtime expressions: what they mean, what is missing, and that a value is never read as an expression."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.workflows.expressions import (
    ABSENT,
    Context,
    Exchange,
    ExpressionError,
    compile_template,
    parse,
)

CONTEXT = Context(
    inputs={"name": "build-7", "size": 3, "dotted.name": "d", "list": [1, {"x": "y"}]},
    steps={"create": {"id": "vol-1", "all": {"a": {"b/c": 1}, "items": [{"id": "first"}]}, "none": None}},
    workflows={"other": {"inputs": {"i": 1}, "outputs": {"o": [1, 2]}}},
    outputs={"o": "out"},
    sources={"api": {"url": "https://api.example", "type": "openapi"}},
    components={"parameters": {"page": {"value": 5}}},
    request=Exchange({"X-Trace": "t"}, {"q": "1"}, {"id": "p"}, {"sent": True}),
    response=Exchange({"Content-Type": "application/json"}, {}, {}, {"state": "ready", "a": {"b": [10, 20]}, "e~/": 1}),
    message=Exchange({"h": "v"}, body={"orderId": 9}),
    status=200,
    url="https://api.example/x",
    method="GET",
    self_url="https://docs.example/x.yaml",
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$url", "https://api.example/x"),
        ("$method", "GET"),
        ("$statusCode", 200),
        ("$self", "https://docs.example/x.yaml"),
        ("$request.header.x-trace", "t"),
        ("$request.query.q", "1"),
        ("$request.path.id", "p"),
        ("$request.body#/sent", True),
        ("$response.header.content-type", "application/json"),
        ("$response.body#/state", "ready"),
        ("$response.body#/a/b/1", 20),
        ("$response.body#/e~0~1", 1),
        ("$response.body.a.b[1]", 20),
        ("$response.body.a.b", [10, 20]),
        ("$message.payload#/orderId", 9),
        ("$message.payload.orderId", 9),
        ("$message.header.h", "v"),
        ("$inputs.name", "build-7"),
        ("$inputs.dotted.name", "d"),
        ("$inputs.list#/1/x", "y"),
        ("$outputs.o", "out"),
        ("$steps.create.outputs.id", "vol-1"),
        ("$steps.create.outputs.all#/a/b~1c", 1),
        ("$steps.create.outputs.all.items[0].id", "first"),
        ("$workflows.other.outputs.o", [1, 2]),
        ("$workflows.other.inputs.i", 1),
        ("$sourceDescriptions.api.url", "https://api.example"),
        ("$components.parameters.page.value", 5),
    ],
)
def test_an_expression_has_the_value_of_its_own_type(expression: str, value: Any) -> None:
    assert parse(expression).render(CONTEXT) == value
    assert compile_template(expression, _refuse).render(CONTEXT) == value


@pytest.mark.parametrize(
    "expression",
    [
        "$steps.never.outputs.id",
        "$steps.create.outputs.unknown",
        "$steps.never.outputs.id#/x",
        "$workflows.x.outputs.y",
    ],
)
def test_the_outputs_of_what_never_ran_are_null(expression: str) -> None:
    assert parse(expression).render(CONTEXT) is None


@pytest.mark.parametrize(
    "expression", ["$inputs.unset", "$response.body#/none", "$response.body.a.b[7]", "$response.header.none"]
)
def test_what_nobody_gave_is_absent(expression: str) -> None:
    assert parse(expression).render(CONTEXT) is ABSENT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$input.name", "did you mean '$inputs'?"),
        ("$steps.create.output.id", "expected one of 'outputs'"),
        ("$steps.create", "1 more name(s)"),
        ("$response.bdy", "did you mean 'body'?"),
        ("$statusCode.x", "nothing after $statusCode"),
        ("$response.body#state", "to begin with /"),
        ("name", "expected a runtime expression"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_valid_words(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Bearer {$inputs.name}", "Bearer build-7"),
        ("{$inputs.size}", "3"),
        ("{$inputs.list} of {$inputs.name}", '[1,{"x":"y"}] of build-7'),
        ("{$inputs.list}", [1, {"x": "y"}]),
        ("{$response.body#/a}", {"b": [10, 20]}),
        ("n {$steps.never.outputs.id}", "n null"),
        ("{$inputs.unset}-x", ABSENT),
        ("costs $5 and {braces}", "costs $5 and {braces}"),
        ("$HOME/bin", "$HOME/bin"),
    ],
)
def test_expressions_in_braces_become_text_but_for_a_whole_list_or_object(text: str, value: Any) -> None:
    assert compile_template(text, _refuse).render(CONTEXT) == value


def test_bare_expressions_within_a_text_are_understood_and_noted() -> None:
    notes: list[str] = []

    template = compile_template("Bearer $inputs.name. '$steps.create.outputs.id'", notes.append)

    assert template.render(CONTEXT) == "Bearer build-7. 'vol-1'"
    assert [note.rpartition(" ")[2] for note in notes] == ["'{$inputs.name}'", "'{$steps.create.outputs.id}'"]


def test_the_plural_of_header_is_understood_and_noted() -> None:
    notes: list[str] = []

    template = compile_template("$response.headers.content-type", notes.append)

    assert template.render(CONTEXT) == "application/json"
    assert notes == ["found '$response.headers.content-type'; the standard form is '$response.header.content-type'"]


def test_a_mistyped_expression_is_sent_as_text_and_noted() -> None:
    notes: list[str] = []

    assert compile_template("$input.name", notes.append).render(CONTEXT) == "$input.name"
    assert "did you mean '$inputs'?" in notes[0]


def test_what_was_not_given_is_left_out_of_payloads() -> None:
    payload = {
        "name": "$inputs.name",
        "cpu": "$inputs.unset",
        "tags": ["$inputs.unset", "x"],
        "id": "$steps.never.outputs.id",
    }

    assert compile_template(payload, _refuse).render(CONTEXT) == {"name": "build-7", "tags": ["x"], "id": None}


@given(st.text() | st.sampled_from(["$inputs.other", "{$inputs.other}", "Bearer $statusCode", "$steps.a.outputs.b"]))
def test_a_value_is_never_read_as_an_expression(value: str) -> None:
    context = Context(inputs={"given": value, "other": "LEAK"}, status=200)

    assert compile_template("$inputs.given", _refuse).render(context) == value
    assert compile_template("<{$inputs.given}>", _refuse).render(context) == f"<{value}>"
    assert compile_template({"a": ["{$inputs.given}"]}, _refuse).render(context) == {"a": [value]}


def _refuse(note: str) -> None:
    raise AssertionError(note)
