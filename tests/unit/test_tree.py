"""What an expression is made of is read from the tree that CEL itself writes."""

from collections.abc import Mapping

import pytest

from reactor.rules.cel import Scope
from reactor.rules.tree import Made

SCOPE = Scope({"state": "string", "before": "string", "size": "integer", "ok": "boolean"})


def made(source: str) -> Made:
    return SCOPE.compile(source).made()


COMPARED: Mapping[str, Mapping[str, list[object]]] = {
    'event.state == "a"': {"event.state": ["a"]},
    '"" != event.state': {"event.state": [""]},
    "event.state in ['a', r'\\d', \"ü\"]": {"event.state": ["a", "\\d", "ü"]},
    '"a" in [event.state, event.before]': {"event.state": ["a"], "event.before": ["a"]},
    "event.size == 0 || event.size == -9223372036854775808": {"event.size": [0, -(2**63)]},
    "event.ok == false ? 1 == event.size : true": {"event.ok": [False], "event.size": [1]},
    'has(event.data.x) && {"a": [event.state == "b"]}.a[0]': {"event.state": ["b"]},
    '[1, 2].exists(x, event.state == "c" && x == event.size)': {"event.state": ["c"]},
    "event.state == event.before": {},
    'event.state in ["a", event.before]': {},
    "true": {},
}


@pytest.mark.parametrize(("source", "literals"), COMPARED.items(), ids=COMPARED)
def test_the_literals_that_a_variable_is_compared_with(source: str, literals: Mapping[str, list[object]]) -> None:
    assert {name: list(found) for name, found in made(source).compared.items()} == literals


def test_of_what_is_only_compared_nothing_else_is_asked() -> None:
    found = made('event.state == "a" && event.before == "b" && event.before.startsWith("b")')

    assert found.only_compared == {"event.state"}
    assert found.variables == {"event.state", "event.before"}


@pytest.mark.parametrize(
    ("source", "loops"),
    [("event.data.tags.all(x, x > 1)", True), ("event.state.size() > 1", False), ("[1].map(x, x * 2)[0] == 2", True)],
)
def test_what_is_done_for_each_item_is_known(source: str, loops: bool) -> None:
    assert made(source).loops is loops


def test_regular_expressions_are_found_however_they_are_quoted() -> None:
    found = made(
        """event.state.matches(r'^\\d+$') || matches(event.before, \"\"\"a"b\"\"\") || event.state.matches(event.before)"""
    )

    assert found.patterns == ["^\\d+$", 'a"b']


def test_an_expression_of_thousands_of_parts_is_read() -> None:
    found = made(" || ".join(f'event.state == "{number}"' for number in range(3000)))

    assert len(found.compared["event.state"]) == 3000
