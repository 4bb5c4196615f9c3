"""One look tells everything: what is wrong with a rule's structure hides nothing of what the rest of it means."""

import shutil
from pathlib import Path

import pytest
from conftest import CONFIG

from reactor.config import inspect
from reactor.rehearsal.suite import inspect_with_tests

CALL = 'call: daytona.getVolume\n        parameters: {volumeId: "${event.id}"}'


def said(tmp_path: Path, rule: str) -> list[str]:
    """The errors in a file with one rule, each as `line: words`."""
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("rules"))
    (tmp_path / "config" / "rules").mkdir()
    (tmp_path / "config" / "rules" / "r.yaml").write_text(f"rules:\n{rule}", "utf-8")
    found = inspect(tmp_path / "config").problems
    return [f"{each.line}: {each.message}" for each in found if each.severity == "error"]


TWO = {
    "a knob and a state": (
        f"  - name: r\n    on: volume.state.updated\n    match: {{newState: redy}}\n    coldown: 1h\n    do:\n      - {CALL}\n",
        ["4: found 'redy'", "5: found 'coldown'"],
    ),
    "the knob `match` itself, and what it asks": (
        f"  - name: r\n    on: volume.state.updated\n    mach: {{newState: redy}}\n    do:\n      - {CALL}\n",
        ["4: found 'mach'", "4: found 'redy'"],
    ),
    "a value that is no duration, and an operation": (
        "  - name: r\n    on: volume.state.updated\n    match: {newState: ready}\n    for: 10\n"
        "    do:\n      - call: daytona.listVolume\n",
        ["5: found 10", "7: found 'listVolume'"],
    ),
    "a name, a type and a body": (
        "  - name: My rule\n    on: volume.state.updatd\n    do:\n"
        "      - call: daytona.createVolume\n        body: {nam: x, name: 5}\n",
        ["2: found 'My rule'", "3: found 'volume.state.updatd'", "6: found an integer"],
    ),
    "a field of an action, and what it fills in": (
        "  - name: r\n    on: volume.state.updated\n    do:\n      - call: daytona.getVolume\n"
        '        paramters: {volumId: "${event.idd}"}\n',
        [
            "6: found 'paramters'",
            "6: found 'volumId'",
            "6: found no parameters volumeId",
            "6: in '${event.idd}'",
        ],
    ),
    "the word of an action, and its parameters": (
        "  - name: r\n    on: volume.state.updated\n    do:\n      - cal: daytona.getVolume\n        parameters: {id: v}\n",
        ["5: found 'cal'", "5: found no 'call'", "6: found 'id'", "6: found no parameters volumeId"],
    ),
    "nothing of what is required, and an expression": (
        "  - when: event.newState == 'redy'\n    for: 5m\n",
        [
            "2: found no 'do'",
            "2: found no 'name'",
            "2: found no 'on'",
            "2: in \"event.newState == 'redy'\"",
        ],
    ),
    "in what calls it off": (
        "  - name: r\n    on: volume.state.updated\n    unless: {on: volume.state.updated, matc: {newState: redy}, within: 5}\n"
        f"    do:\n      - {CALL}\n",
        ["4: found 'matc'", "4: found 'redy'", "4: found 5"],
    ),
    "several patterns": (
        "  - name: r\n    on: volume.state.updated\n"
        "    match: {name: [{prefx: a}, {suffix: 5}], id: {exists: 1}, newState: redy}\n"
        f"    do:\n      - {CALL}\n",
        ["4: found 'redy'", "4: found 1, expected", "4: found 5, expected", "4: found operator 'prefx'"],
    ),
    "two ways to wait, and a field": (
        "  - name: r\n    on: volume.state.updated\n    for: 5m\n"
        "    unless: {on: volume.created, within: 5m}\n    key: ${event.nme}\n"
        f"    do:\n      - {CALL}\n",
        ["5: found `for` and `unless`", "5: in '${event.nme}'", "6: in '${event.nme}'"],
    ),
    "an impossible match and an unknown operation": (
        "  - name: r\n    on: volume.state.updated\n    match: {name: 5}\n    do:\n      - call: daytona.gtVolume\n",
        ["4: found a pattern that no string can hold for", "6: found 'gtVolume'"],
    ),
}


@pytest.mark.parametrize(("rule", "expected"), TWO.values(), ids=TWO)
def test_no_mistake_hides_another(rule: str, expected: list[str], tmp_path: Path) -> None:
    found = said(tmp_path, rule)

    assert [line for line in found if not any(line.startswith(each) for each in expected)] == []
    assert [each for each in expected if not any(line.startswith(each) for line in found)] == []


ONE = {
    "a match that is none": (
        "  - name: r\n    on: volume.created\n    match: [ready]\n    do:\n      - call: daytona.createVolume\n",
        "4: found a list, expected a mapping",
    ),
    "parameters that are none": (
        "  - name: r\n    on: volume.created\n    do:\n      - call: daytona.getVolume\n        parameters: [v]\n",
        "6: found a list, expected a mapping",
    ),
    "an action that nobody knows, of which others speak": (
        "  - name: r\n    on: volume.created\n    match: {name: a}\n    do:\n      - {do_it: now, as: It}\n"
        "      - notify: ops-slack\n        text: ${It.id}\n",
        "6: found 'It'",
    ),
    "no `on`": (
        '  - name: r\n    match: {newState: active}\n    do:\n      - emit: fleet.x\n        data: {n: "${event.name}"}\n',
        "2: found no 'on'",
    ),
}


@pytest.mark.parametrize(("rule", "expected"), ONE.values(), ids=ONE)
def test_what_nobody_can_know_is_not_blamed(rule: str, expected: str, tmp_path: Path) -> None:
    found = said(tmp_path, rule)

    assert found[-1].startswith(expected)
    assert len({line.partition(":")[0] for line in found}) == 1


def test_two_rules_without_a_name_are_not_taken_for_one(tmp_path: Path) -> None:
    nameless = f"  - on: volume.created\n    do:\n      - {CALL}\n"

    found = said(tmp_path, nameless + nameless)

    assert [line.partition(",")[0] for line in found] == ["2: found no 'name'", "6: found no 'name'"]


def test_the_list_of_rules_may_be_mistyped_itself(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("rules"))
    (tmp_path / "config" / "rules").mkdir()
    rule = f"ruls:\n  - name: r\n    on: volume.created\n    match: {{nme: a}}\n    do:\n      - {CALL}\n"
    (tmp_path / "config" / "rules" / "r.yaml").write_text(rule, "utf-8")

    found = [f"{each.line}:{each.column}: {each.message}" for each in inspect(tmp_path / "config").problems]

    assert [line.partition(",")[0] for line in found] == [
        "1:1: found 'ruls'",
        "1:1: found no 'rules'",
        "4:13: found 'nme'",
    ]


def test_a_test_that_is_none_is_told_beside_the_rules_that_are_wrong(tmp_path: Path) -> None:
    said(tmp_path, f"  - name: r\n    on: volume.created\n    match: {{nme: a}}\n    do:\n      - {CALL}\n")
    (tmp_path / "config" / "rules" / "r.test.yaml").write_text(
        "tests:\n  - {nme: it, events: [], expect: []}\n", "utf-8"
    )

    found = inspect_with_tests(tmp_path / "config").problems

    assert {f"{Path(each.file).name}:{each.line}" for each in found} == {"r.yaml:4", "r.test.yaml:2"}
