"""What only shows when rules and APIs are seen together, on the shipped APIs."""

import shutil
from pathlib import Path

import pytest

from reactor.config import load_config
from reactor.errors import ConfigError

CONFIG = Path(__file__).parents[2] / "config"

RULE = """\
rules:
  - name: a-rule
    on: volume.state.updated
    match: {MATCH}
    do:
      - call: CALL
"""

SANDBOX = """daytona.createSandbox
        body:
          name: sandbox-for-${event.name}
          volumes: [{volumeId: "${event.id}", mountPath: /data}]
"""


def problems(tmp_path: Path, call: str = SANDBOX, match: str = "newState: ready") -> list[str]:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text(RULE.replace("MATCH", match).replace("CALL", call), "utf-8")
    try:
        load_config(directory)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{directory}/rules/") for problem in error.problems]
    return []


GOOD = {
    "a body with expressions": SANDBOX,
    "a create without a name": "daytona.createSandbox\n        body: {snapshot: base}\n",
    "a create without a body": "daytona.createSandbox\n",
    "a body that is one expression": """daytona.replaceLabels
        parameters: {sandboxIdOrName: s}
        body: "${event.data}"
""",
    "a value that only an event can tell": 'daytona.createSandbox\n        body: {cpu: "${event.data.cpu}"}\n',
    "an expression of the right type": 'daytona.createSandbox\n        body: {cpu: "${size(event.name)}"}\n',
    "an expression where a choice is asked for": """daytona.createSnapshot
        body: {name: s, imageName: i, sandboxClass: "${event.name}"}
""",
}


@pytest.mark.parametrize("call", GOOD.values(), ids=GOOD.keys())
def test_a_good_call_loads(call: str, tmp_path: Path) -> None:
    assert problems(tmp_path, call) == []


BAD = {
    "an unknown API": ("daytna.createSandbox\n", "r.yaml:6:15: found 'daytna', expected one of"),
    "an unknown operation": ("daytona.createSandbx\n", "did you mean 'createSandbox'?"),
    "an unknown parameter": (
        'daytona.getVolume\n        parameters: {volumeID: "1"}\n',
        "r.yaml:7:22: found 'volumeID', expected one of 'X-Daytona-Organization-ID', 'volumeId'; did you",
    ),
    "a missing parameter": (
        "daytona.getVolume\n",
        "found no parameters volumeId, expected them: getVolume requires them",
    ),
    "a field of the wrong type": (
        "daytona.createSandbox\n        body: {volumes: 5}\n",
        "r.yaml:7:25: found an integer, expected array",
    ),
    "a field that is missing deep inside": (
        "daytona.createSandbox\n        body: {volumes: [{volumeId: v}]}\n",
        "r.yaml:7:26: found no 'mountPath', expected it: it is required",
    ),
    "an expression of the wrong type": (
        'daytona.createSandbox\n        body: {cpu: "${event.name}"}\n',
        "r.yaml:7:21: found a string, expected integer (${event.name} is a string)",
    ),
    "text around an expression where a number is asked for": (
        'daytona.createSandbox\n        body: {cpu: "1${event.name}"}\n',
        "found a string, expected integer",
    ),
    "a choice that is none": (
        "daytona.createSnapshot\n        body: {name: s, imageName: i, sandboxClass: containr}\n",
        "r.yaml:7:53: found 'containr', expected one of",
    ),
    "no body where one is required": (
        "daytona.replaceLabels\n        parameters: {sandboxIdOrName: x}\n",
        "found no `body`",
    ),
}


@pytest.mark.parametrize(("call", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_bad_call_is_told_at_its_place(call: str, complaint: str, tmp_path: Path) -> None:
    assert any(complaint in problem for problem in problems(tmp_path, call))


MISTYPED = {
    "a state": ("newState: raedy", "r.yaml:4:23: found 'raedy', expected one of"),
    "a state in a list": ("newState: [ready, eror]", "r.yaml:4:31: found 'eror'"),
    "a state to exclude": ("newState: {anything-but: [raedy]}", "r.yaml:4:39: found 'raedy'"),
    "a state in a branch": ("$or: [{newState: raedy}, {name: x}]", "r.yaml:4:30: found 'raedy'"),
}


@pytest.mark.parametrize(("match", "complaint"), MISTYPED.values(), ids=MISTYPED.keys())
def test_a_value_that_no_event_can_have_is_told_with_the_way_out(match: str, complaint: str, tmp_path: Path) -> None:
    [found] = problems(tmp_path, match=match)

    assert complaint in found
    assert "{prefix: " in found


def test_a_state_that_is_not_listed_yet_can_be_matched(tmp_path: Path) -> None:
    assert problems(tmp_path, match="newState: {prefix: hibernating}") == []


def rule_problems(tmp_path: Path, on: str, match: str, call: str = "daytona.createSandbox") -> list[str]:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    text = RULE.replace("volume.state.updated", on).replace("CALL", call).replace("    match: {MATCH}\n", match)
    (directory / "rules" / "r.yaml").write_text(text, "utf-8")
    try:
        load_config(directory)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{directory}/rules/") for problem in error.problems]
    return []


@pytest.mark.parametrize("on", ["volume.state.updatd", "[sandbox.created, volume.state.updatd]"])
def test_a_mistyped_event_type_is_told_with_the_way_out(on: str, tmp_path: Path) -> None:
    found = rule_problems(tmp_path, on, "    match: {id: x}\n")

    assert any("did you mean 'volume.state.updated'?; a type" in each for each in found), found
    assert any("matched as volume.state.updatd*" in each for each in found)


@pytest.mark.parametrize("on", ["volume.hibernated", "invoice.paid", "volume.state.updatd*"])
def test_a_type_that_is_not_listed_yet_may_be_asked_for(on: str, tmp_path: Path) -> None:
    assert rule_problems(tmp_path, on, "") == []


@pytest.mark.parametrize("on", ["sandbox.created", "sandbox.*", "'*'"])
def test_a_rule_that_would_follow_from_its_own_effect_for_ever_is_refused(on: str, tmp_path: Path) -> None:
    [found] = rule_problems(tmp_path, on, "")

    assert "r.yaml:5:15: createSandbox causes sandbox.created" in found
    assert "narrow it by `match`" in found


def test_a_rule_that_is_narrowed_may_create_more_of_its_kind(tmp_path: Path) -> None:
    assert rule_problems(tmp_path, "sandbox.state.updated", "    match: {newState: error}\n") == []


def test_a_file_of_rules_with_another_ending_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory)
    (directory / "rules" / "more.yml").write_text("rules: []\n", "utf-8")

    with pytest.raises(ConfigError, match=r"more\.yml: is not read: rename it"):
        load_config(directory)
