"""`when`: expressions that must be true, each with a finding of its own."""

from typing import Any

import pytest

from reactor.events import Event
from reactor.rules.compile import compile_rule
from reactor.rules.match import ABSENT, CompiledRule, Decision
from reactor.rules.model import Rule

FIELDS = {"id": "string", "newState": "string", "size": "integer", "tags": "array"}


def compiled(*when: str, **parts: Any) -> CompiledRule:
    written = {"name": "r", "on": "t", "do": [{"call": "a.b"}], "when": list(when), **parts}
    rule, faults = compile_rule(Rule(**written), FIELDS)
    assert faults == []
    return rule


def decision(*when: str, match: dict[str, Any] | None = None, **data: Any) -> Decision:
    return compiled(*when, match=match or {}).put_to(Event("m", "s", "t", "o", data, time=None, received=None))


def test_each_expression_has_a_finding_with_what_it_saw() -> None:
    seen = decision("event.size > 5", "event.newState == 'ready' && has(event.data.owner)", size=7, newState="ready")

    assert [(each.clause, each.asked, each.saw, each.held) for each in seen.findings] == [
        ("when", "event.size > 5", {"size": 7}, True),
        (
            "when",
            "event.newState == 'ready' && has(event.data.owner)",
            {"newState": "ready", "data.owner": ABSENT},
            False,
        ),
    ]
    assert not seen.fired


@pytest.mark.parametrize(
    ("source", "data", "why"),
    [
        ("event.size > 5", {}, "event.size"),
        ("event.size > 5", {"size": "many"}, "Unexpected value type"),
        ("event.data.size", {"size": 7}, "7 is neither true nor false"),
        ("event.tags.all(a, event.tags.all(b, event.tags.all(c, a + b + c >= 0)))", {"tags": [*range(300)]}, "budget"),
    ],
)
def test_an_expression_without_an_answer_does_not_hold_and_says_why(
    source: str, data: dict[str, Any], why: str
) -> None:
    [found] = decision(source, **data).findings

    assert not found.held
    assert found.saw.startswith("unknown: ")
    assert why in found.saw


def test_an_answer_that_does_not_need_what_is_absent_is_an_answer() -> None:
    assert decision("event.newState == 'ready' || event.size > 5", newState="ready").fired


def test_text_in_quotes_is_not_taken_for_a_field() -> None:
    [found] = decision("event.newState != 'event.size'", newState="ready").findings

    assert found.saw == {"newState": "ready"}


def test_no_expression_is_evaluated_where_a_pattern_does_not_hold() -> None:
    rule = compiled("event.size > 5", match={"newState": "ready"})

    assert rule.fire(Event("m", "s", "t", "o", {"size": 7, "newState": "error"}, time=None, received=None)) is None
    fired = rule.fire(Event("m", "s", "t", "o", {"size": 7, "newState": "ready"}, time=None, received=None))
    assert fired is not None
    assert [each.clause for each in fired.findings] == ["newState", "when"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("event.newStat == 'ready'", "undeclared reference to 'event.newStat'"),
        ("event.newState == 5", "no matching overload"),
        ("event.size + 1", "found a integer, expected what is true or false"),
        ("event.size >", "Syntax error"),
    ],
)
def test_a_wrong_expression_is_refused_when_the_rule_is_loaded(source: str, message: str) -> None:
    written: dict[str, Any] = {"name": "r", "on": "t", "do": [{"call": "a.b"}], "when": ["true", source]}

    _, [fault] = compile_rule(Rule(**written), FIELDS)

    assert fault.path == ("when", 1)
    assert message in fault.message
