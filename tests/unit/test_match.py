"""What `on` and `match` mean: which events a rule asks for, and the finding of each clause."""

from typing import Any

import pytest

from reactor.events import Event
from reactor.rules.cel import Scope
from reactor.rules.match import ABSENT, CompiledRule, Finding, PatternError, compile_match
from reactor.rules.ruleset import Rules


def event(type: str = "volume.created", **data: Any) -> Event:
    return Event(id="msg_1", source="daytona", type=type, organization="org", data=data, time=None, received=None)


def rule(name: str, *on: str, match: dict[str, Any] | None = None) -> CompiledRule:
    return CompiledRule(name, on, compile_match(match or {}), (), Scope({}))


def finding(pattern: Any, **data: Any) -> Finding:
    [clause] = compile_match({"field": pattern})
    return clause.put_to(data)


@pytest.mark.parametrize(
    ("pattern", "held", "not_held"),
    [
        ("ready", ["ready"], ["Ready", "ready ", None, 1, ["ready"], ABSENT]),
        (1, [1, 1.0], [True, "1", 2, None, ABSENT]),
        (True, [True], [1, "true", False, ABSENT]),
        (False, [False], [0, "", None, ABSENT]),
        (None, [None], ["", 0, False, ABSENT]),
        (["ready", 5, None], ["ready", 5, None], ["error", False, ABSENT]),
        ({"prefix": "build-"}, ["build-", "build-7"], ["Build-7", "a build-7", None, 7, ["build-"], ABSENT]),
        ({"suffix": "-data"}, ["-data", "x-data"], ["x-data-1", None, ABSENT]),
        ({"equals-ignore-case": "Straße"}, ["STRASSE", "straße"], ["strase", None, ABSENT]),
        ({"anything-but": "ready"}, ["error", None, 5], ["ready", ABSENT]),
        ({"anything-but": ["ready", {"prefix": "pend"}]}, ["error"], ["ready", "pending_create", ABSENT]),
        ({"exists": True}, ["x", "", None, False], [ABSENT]),
        ({"exists": False}, [ABSENT], ["x", "", None, False]),
        ({"numeric": [">", 0, "<=", 5]}, [1, 0.5, 5], [0, 5.5, True, "3", None, ABSENT]),
        ({"numeric": ["=", 3]}, [3, 3.0], [4, ABSENT]),
        ({"numeric": ["<", 3]}, [-1], [3]),
        ({"numeric": [">=", 3]}, [3], [2.9]),
        ([{"prefix": "a"}, {"numeric": [">", 9]}, "z"], ["ab", 10, "z"], ["b", 9, ABSENT]),
    ],
)
def test_a_pattern_holds_for_these_values_and_for_no_others(pattern: Any, held: list[Any], not_held: list[Any]) -> None:
    [clause] = compile_match({"field": pattern})

    def holds(value: Any) -> bool:
        return clause.put_to({} if value is ABSENT else {"field": value}).held

    assert [value for value in held if not holds(value)] == []
    assert [value for value in not_held if holds(value)] == []


def test_a_finding_says_what_was_asked_and_what_was_seen() -> None:
    assert finding({"prefix": "build-"}, field="data-7") == Finding("field", {"prefix": "build-"}, "data-7", False)
    assert repr(finding("ready").saw) == "(absent)"


def test_an_or_holds_when_every_clause_of_one_branch_does() -> None:
    [clause] = compile_match({"$or": [{"newState": "ready", "name": {"prefix": "a"}}, {"newState": "error"}]})

    assert clause.put_to({"newState": "ready", "name": "a1"}).held
    assert clause.put_to({"newState": "error"}).held
    assert not clause.put_to({"newState": "ready", "name": "b1"}).held
    assert not clause.put_to({}).held


def test_an_or_says_it_saw_the_fields_that_its_branches_ask_for() -> None:
    [clause] = compile_match({"$or": [{"a": 1}, {"$or": [{"b": {"exists": False}}, {"c": 1}]}]})

    found = clause.put_to({"a": 2, "c": 3, "d": 4})

    assert (found.saw, found.held) == ({"a": 2, "c": 3}, True)


@pytest.mark.parametrize(
    ("match", "path", "message"),
    [
        ({"name": []}, ("name",), "found an empty list, which can never hold"),
        ({"name": {}}, ("name",), "found {}, expected one of prefix, suffix"),
        ({"name": {"prefix": "a", "suffix": "b"}}, ("name",), "expected one of prefix, suffix"),
        (
            {"name": {"prefx": "a"}},
            ("name", "prefx"),
            "found operator 'prefx', expected one of prefix, suffix, "
            "equals-ignore-case, anything-but, exists, numeric; did you mean prefix?",
        ),
        ({"name": {"starts-with": "a"}}, ("name", "starts-with"), "found operator 'starts-with', expected one of pre"),
        ({"name": {"prefix": ""}}, ("name", "prefix"), "found '', expected a text that is not empty"),
        ({"name": {"suffix": 1}}, ("name", "suffix"), "found 1, expected a text"),
        ({"name": ["a", {"exists": "yes"}]}, ("name", 1, "exists"), "found 'yes', expected true or false"),
        ({"name": {"anything-but": ["a", ["b"]]}}, ("name", "anything-but", 1), "found ['b'] within a list"),
        ({"size": {"numeric": [">"]}}, ("size", "numeric"), "expected comparisons and numbers in turn"),
        ({"size": {"numeric": ["!=", 1]}}, ("size", "numeric"), "expected comparisons and numbers in turn"),
        ({"size": {"numeric": [">", True]}}, ("size", "numeric"), "expected comparisons and numbers in turn"),
        ({"size": {"numeric": 5}}, ("size", "numeric"), "expected comparisons and numbers in turn"),
        ({"$or": {"name": "a"}}, ("$or",), "expected a list of two or more mappings"),
        ({"$or": [{"name": "a"}]}, ("$or",), "expected a list of two or more mappings"),
        ({"$or": [{"name": "a"}, "b"]}, ("$or",), "expected a list of two or more mappings"),
        ({"$or": [{"name": "a"}, {"name": {"prefix": 5}}]}, ("$or", 1, "name", "prefix"), "found 5, expected a text"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused_at_its_place(
    match: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(PatternError) as refused:
        compile_match(match)

    assert refused.value.path == path
    assert message in str(refused.value)


def test_a_rule_asks_for_types_by_name_or_by_star() -> None:
    rules = Rules(
        [
            rule("exact", "volume.created"),
            rule("states", "*.state.updated"),
            rule("two", "volume.created", "volume.state.updated"),
            rule("all", "*"),
        ]
    )

    def asking(event_type: str) -> list[str]:
        return [found.name for found in rules.asking_for(event_type)]

    assert asking("volume.created") == ["exact", "two", "all"]
    assert asking("volume.state.updated") == ["states", "two", "all"]
    assert asking("Volume.created") == ["all"]
    assert asking("volume.created") == ["exact", "two", "all"]


def test_a_flood_of_unknown_types_is_answered_right_and_not_remembered_without_bound() -> None:
    rules = Rules([rule("made", "*.created")])

    answers = [len(rules.fired(event(f"thing{number}.created"))) for number in range(3000)]

    assert answers == [1] * 3000
    assert len(rules._awake._by_type) == 1000


def test_a_decision_gives_a_finding_for_every_clause_and_fires_when_all_hold() -> None:
    rules = Rules([rule("ready", "volume.*", match={"newState": "ready", "name": {"prefix": "build-"}})])

    [fired] = rules.put_to(event(newState="ready", name="build-7"))
    [refused] = rules.put_to(event(newState="ready"))

    assert fired.fired
    assert not refused.fired
    assert [(f.clause, f.held) for f in refused.findings] == [("newState", True), ("name", False)]


def test_a_rule_without_clauses_fires_for_every_event_it_asks_for() -> None:
    rules = Rules([rule("all", "volume.*")])

    assert [decision.fired for decision in rules.put_to(event())] == [True]
    assert rules.put_to(event("sandbox.created")) == []
