"""Results of earlier actions: what may be asked for is checked when the rule is loaded, and what is open is rendered once."""

from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG

from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.events import Event
from reactor.rules.cel import Unknown
from reactor.rules.compile import compile_rule
from reactor.rules.late import LATE, Asked, Earlier, filled, rendered, unfilled
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule

FIELDS = {"id": "string", "name": "string", "size": "integer"}


def compiled(*actions: dict[str, Any]) -> CompiledRule:
    written: dict[str, Any] = {"name": "r", "on": "t", "do": list(actions)}
    rule, faults = compile_rule(Rule(**written), FIELDS)
    assert faults == []
    return rule


def what(body: Any, **data: Any) -> dict[str, Any]:
    """What the second of two actions asks for, with what is open."""
    rule = compiled({"call": "a.b", "as": "box"}, {"call": "a.c", "body": body})
    event = Event("m", "s", "t", "o", data, time=None, received=None)
    values = rule.scope.values(event)
    return rendered(
        Asked(rule.actions[1], event, "r"), rule.scope, values, {"box": Earlier("row1", rule.actions[0].kind.results)}
    )


def test_what_is_known_is_rendered_and_what_is_open_is_kept_with_all_it_needs() -> None:
    asked = what({"a": "${event.name}", "b": ["${box.id}-${event.size}", 5]}, name="n", size=3, id="x")

    assert asked["body"] == {"a": "n", "b": [None, 5]}
    assert asked[LATE] == {
        "texts": [[["body", "b", 0], "${box.id}-${event.size}"]],
        "fields": {"size": "integer"},
        "values": {"event.size": 3},
        "rows": {"box": "row1"},
        "results": {f"box.{name}": kind for name, kind in compiled({"call": "a.b"}).actions[0].kind.results.items()},
    }


def test_what_is_open_is_rendered_with_the_results() -> None:
    asked = what({"a": "${box.data.tags}", "b": ["${box.id}-${event.size}"]}, size=3)

    complete = filled(asked, {"box": {"how": "created", "sandbox": {"id": "s1", "name": None}, "data": {"tags": [1]}}})

    assert complete == {
        "operation": "c",
        "if_exists": "fail",
        "parameters": {},
        "body": {"a": [1], "b": ["s1-3"]},
    }


def test_what_mentions_a_result_that_is_not_known_yet_stays_open() -> None:
    rule = compiled(
        {"call": "a.b", "as": "box"},
        {"call": "a.b", "as": "disk"},
        {"call": "a.c", "body": ["${box.id}", "${disk.id} in ${box.id}", "${disk.id}"]},
    )
    event = Event("m", "s", "t", "o", {}, time=None, received=None)
    results = rule.actions[0].kind.results
    asked = rendered(
        Asked(rule.actions[2], event, "r"), rule.scope, {}, {name: Earlier(name, results) for name in ("box", "disk")}
    )

    half = filled(asked, {"box": {"id": "b"}})

    assert half["body"] == ["b", None, None]
    assert unfilled(half)["body"] == ["b", "${disk.id} in ${box.id}", "${disk.id}"]
    assert filled(half, {"box": {"id": "b"}, "disk": {"id": "d"}})["body"] == ["b", "d in b", "d"]


def test_texts_of_events_are_not_rendered_with_what_is_open() -> None:
    asked = what({"a": "${event.data.x}", "b": "${box.id}", "c": "${box.how + event.data.x}"}, x="${box.id}")

    complete = filled(asked, {"box": {"how": "used", "sandbox": {"id": "${event.id}", "name": "n"}}})

    assert complete["body"] == {"a": "${box.id}", "b": "${event.id}", "c": "used${box.id}"}


def test_a_result_that_is_not_there_is_unknown() -> None:
    with pytest.raises(Unknown, match=r"\$\{box\.id\}"):
        filled(what("${box.id}"), {"box": {"how": "used"}})


@pytest.mark.parametrize(
    ("second", "place", "message"),
    [
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "${bax.id}"}}, "parameters", "reference to 'bax.id'"),
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "${box.idd}"}}, "parameters", "to 'box.idd'"),
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "${box.id + 1}"}}, "parameters", "overload"),
        (
            {"call": "daytona.getVolume", "parameters": {"volumeId": "${later.id}"}, "as": "later"},
            "parameters",
            "later",
        ),
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "x"}, "as": "box"}, "as", "a second time"),
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "x"}, "as": "event"}, "as", "the event's own name"),
        ({"call": "daytona.getVolume", "parameters": {"volumeId": "x"}, "as": "in"}, "as", "CEL keeps for itself"),
    ],
)
def test_a_wrong_result_is_refused_when_the_rule_is_loaded(second: dict[str, Any], place: str, message: str) -> None:
    first = {"call": "daytona.createVolume", "as": "box", "body": {"name": "x"}}

    written: dict[str, Any] = {"name": "r", "on": "t", "do": [first, second]}
    _, [fault] = compile_rule(Rule(**written), FIELDS)

    assert fault.path[:3] == ("do", 1, place)
    assert message in fault.message


def test_what_creates_nothing_has_no_id(tmp_path: Path) -> None:
    for path in CONFIG.iterdir():
        if path.name != "rules":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yaml").write_text(
        """rules:
  - name: r
    on: sandbox.state.updated
    match: {newState: error}
    do:
      - {call: daytona.getSandbox, as: seen, parameters: {sandboxIdOrName: "${event.id}"}}
      - {call: daytona.startSandbox, parameters: {sandboxIdOrName: "${seen.id}"}}
""",
        "utf-8",
    )

    with pytest.raises(ConfigError, match=r"7:\d+: in '\$\{seen.id\}': getSandbox creates nothing"):
        load_config(tmp_path)
