"""An index finds every rule that fires, and fires none that the patterns themselves would not."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.events import Event
from reactor.rules.compile import compile_rule
from reactor.rules.index import Index
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule
from reactor.rules.ruleset import Rules

TEXTS = st.sampled_from(["", "a", "b", "ab", "ba", "aba", "AB", "ß", "SS", "ready"])
VALUES = st.one_of(TEXTS, st.integers(-2, 2), st.sampled_from([0.0, 1.0, 1.5]), st.booleans(), st.none())
WORDS = TEXTS.filter(bool)
OPERATORS = st.one_of(
    st.builds(lambda text: {"prefix": text}, WORDS),
    st.builds(lambda text: {"suffix": text}, WORDS),
    st.builds(lambda text: {"equals-ignore-case": text}, WORDS),
    st.builds(lambda there: {"exists": there}, st.booleans()),
    st.builds(lambda sign, bound: {"numeric": [sign, bound]}, st.sampled_from(["<", ">=", "="]), st.integers(-2, 2)),
    st.builds(lambda values: {"anything-but": values}, st.lists(VALUES, min_size=1, max_size=3)),
)
PATTERNS = st.one_of(VALUES, OPERATORS, st.lists(st.one_of(VALUES, OPERATORS), min_size=1, max_size=3))
FIELDS = st.sampled_from(["state", "name", "size"])
PLAIN = st.dictionaries(FIELDS, PATTERNS, max_size=3)
MATCHES = st.one_of(
    PLAIN, st.builds(lambda match, branches: {**match, "$or": branches}, PLAIN, st.lists(PLAIN, min_size=2, max_size=3))
)
TYPES = st.lists(st.sampled_from(["a.made", "a.gone", "b.made", "*", "a.*", "*.made"]), min_size=1, max_size=2)
ENFORCED = st.sampled_from(["on", "off"])
PAYLOADS = st.dictionaries(FIELDS, st.one_of(VALUES, st.just([1]), st.just({"a": 1})), max_size=3)


def compiled(number: int, on: list[str], match: dict[str, Any]) -> CompiledRule:
    action = {"call": "things.get"}
    rule = Rule.model_validate({"name": f"rule-{number}", "on": on, "match": match, "do": [action]})
    made, faults = compile_rule(rule, {})
    assert faults == []
    return made


def waiting(number: int, on: list[str], match: dict[str, Any], enforce: str) -> CompiledRule:
    """A rule that acts unless such an event comes."""
    rule = Rule.model_validate(
        {"name": f"rule-{number}", "on": "a.waits", "match": {}, "enforce": enforce}
        | {"unless": {"on": on, "match": match, "within": "5m"}, "do": [{"call": "things.get"}]}
    )
    made, faults = compile_rule(rule, {})
    assert faults == []
    return made


def _watched(rule: CompiledRule, number: int, asked: list[int]) -> CompiledRule:
    """The rule, which notes when its `unless` is put to a payload."""
    unless = rule.controls.unless
    assert unless
    matches = unless.matches
    noting = replace(unless, matches=lambda data: asked.append(number) or matches(data))  # type: ignore[func-returns-value]
    return replace(rule, controls=replace(rule.controls, unless=noting))


def happened(event_type: str, data: dict[str, Any]) -> Event:
    return Event("m", "s", event_type, "o", data, time=None, received=None)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(TYPES, MATCHES), max_size=8), st.lists(PAYLOADS, min_size=1, max_size=5))
def test_the_rules_that_fire_are_the_same_with_and_without_the_index(
    written: list[tuple[list[str], dict[str, Any]]], payloads: list[dict[str, Any]]
) -> None:
    rules = Rules([compiled(number, on, match) for number, (on, match) in enumerate(written)])

    for event_type in ("a.made", "b.made", "c.other"):
        for data in payloads:
            event = happened(event_type, data)
            one_by_one = [decision.rule.name for decision in rules.put_to(event) if decision.fired]
            assert [decision.rule.name for decision in rules.fired(event)] == one_by_one


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TYPES, MATCHES, ENFORCED), max_size=8), st.lists(PAYLOADS, min_size=1, max_size=5))
def test_the_rules_that_are_called_off_are_the_same_with_and_without_the_index(
    written: list[tuple[list[str], dict[str, Any], str]], payloads: list[dict[str, Any]]
) -> None:
    rules = Rules([waiting(number, *each) for number, each in enumerate(written)])

    for event_type in ("a.made", "b.made", "c.other"):
        for data in payloads:
            event = happened(event_type, data)
            met = {rule.name for rule in rules.rules if rule.controls.unless and rule.controls.unless.is_met_by(event)}
            one_by_one = [rule.name for rule in rules.rules if rule.name in met and rule.controls.enforce != "off"]
            assert [rule.name for rule, _ in rules.called_off(event)] == one_by_one


def test_of_a_thousand_rules_that_wait_only_those_are_looked_at_that_an_event_may_call_off() -> None:
    asked: list[int] = []
    rules = [waiting(number, ["a.*"], {"name": f"team-{number}"}, "on") for number in range(1000)]
    watched = Rules([_watched(rule, number, asked) for number, rule in enumerate(rules)])

    found = watched.called_off(happened("a.gone", {"name": "team-7"}))
    watched.called_off(happened("b.gone", {"name": "team-7"}))

    assert [rule.name for rule, _ in found] == ["rule-7"]
    assert asked == [7]


def test_of_a_thousand_rules_only_those_are_looked_at_that_ask_for_the_rarest_value() -> None:
    rules = [
        compiled(number, ["*"], {"state": "ready", "name": {"prefix": f"team-{number}-"}}) for number in range(1000)
    ]

    index = Index(rules)

    assert index.candidates({"state": "ready", "name": "team-7-x"}) == [rules[7]]
    assert index.candidates({"state": "ready", "name": "other"}) == []
