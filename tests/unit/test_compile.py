"""What is wrong with one rule beyond its shape is found when it is compiled, all of it at once."""

from typing import Any

import pytest
from pydantic import ValidationError

from reactor.events import Event
from reactor.rules.compile import compile_rule
from reactor.rules.fault import Fault
from reactor.rules.model import Rule

FIELDS = {"id": "string", "name": "string", "newState": "string"}


def rule(**parts: Any) -> Rule:
    return Rule(**{"name": "r", "on": "volume.created", "do": [{"call": "daytona.createVolume"}], **parts})


def test_a_rule_becomes_clauses_and_actions() -> None:
    written = rule(
        match={"newState": "ready"},
        do=[{"call": "daytona.createSandbox", "body": {"name": "for-${event.name}"}, "if_exists": "use"}],
    )
    event = Event("m", "s", "volume.created", "o", {"newState": "ready", "name": "v"}, time=None, received=None)

    compiled, faults = compile_rule(written, FIELDS)

    [action] = compiled.actions
    assert faults == []
    assert (compiled.name, compiled.on) == ("r", ("volume.created",))
    assert compiled.put_to(event).fired
    assert action.kind.name == "call"
    assert (action.api, action.operation, action.plain["if_exists"]) == ("daytona", "createSandbox", "use")
    assert action.arguments.render(compiled.scope.values(event)) == {"parameters": {}, "body": {"name": "for-v"}}


def test_every_fault_is_told_with_its_place_and_the_nearest_name() -> None:
    written = rule(
        match={"newStat": "ready", "name": {"prefix": 5}},
        do=[
            {"call": "daytona.createVolume", "body": {"name": "${event.nam}"}},
            {"call": "daytona.getVolume", "parameters": {"volumeId": ["${"]}},
        ],
    )

    _, faults = compile_rule(written, FIELDS)

    assert [(fault.path, fault.key) for fault in faults] == [
        (("match", "newStat"), True),
        (("match", "name", "prefix"), False),
        (("do", 0, "body", "name"), False),
        (("do", 1, "parameters", "volumeId", 0), False),
    ]
    assert faults[0].message == "found 'newStat', expected one of 'id', 'name', 'newState'; did you mean 'newState'?"


def test_a_field_named_in_a_branch_is_checked_like_any_other() -> None:
    written = rule(match={"$or": [{"name": "a"}, {"nam": "b"}]})

    _, faults = compile_rule(written, FIELDS)

    message = "found 'nam', expected one of 'id', 'name', 'newState'; did you mean 'name'?"
    assert faults == [Fault(("match", "$or", 1, "nam"), message, key=True)]


@pytest.mark.parametrize("wrong", ["a", ["a", "b"], [{"name": "a"}, ["nam"]]])
def test_an_or_of_the_wrong_shape_is_one_fault(wrong: Any) -> None:
    _, faults = compile_rule(rule(match={"$or": wrong}), FIELDS)

    assert [fault.path for fault in faults] == [("match", "$or")]


def test_events_that_nobody_described_may_have_any_field_in_match() -> None:
    _, faults = compile_rule(rule(match={"whatever": "x"}), {})

    assert faults == []


def test_one_event_type_may_be_written_without_a_list() -> None:
    assert rule(on="a.b").on == ["a.b"]
    assert rule(on=["a.b", "c.*"]).on == ["a.b", "c.*"]


@pytest.mark.parametrize(
    "parts",
    [
        {"name": "Big"},
        {"name": ""},
        {"name": "a" * 64},
        {"name": "two words"},
        {"on": []},
        {"do": []},
        {"do": [{"call": "createVolume"}]},
        {"do": [{"call": "daytona.createVolume", "if_exists": "maybe"}]},
    ],
)
def test_a_rule_of_the_wrong_shape_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**parts)
