"""`reactor workflows check` and `explain`: what is wrong or odd, for people and for programs."""

from pathlib import Path

import orjson
from click.testing import CliRunner, Result

from reactor.cli.workflows import workflows

ROOT = Path(__file__).parents[2]
SEED = ROOT / "tests" / "data" / "arazzo" / "000.arazzo.yaml"
BROKEN = """\
arazzo: 1.0.1
info: {title: t, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: daytona.json, type: openapi}]
workflows:
- workflowId: main
  steps:
  - {stepId: one, operationId: createSandox, onSuccess: [{name: on, type: goto, stepId: tow}]}
"""


def run(*words: str | Path) -> Result:
    command, *rest = map(str, words)
    return CliRunner().invoke(workflows, [command, "--config", str(ROOT / "config"), *rest])


def test_liberties_are_warnings_with_the_standard_form() -> None:
    told = run("check", SEED)

    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1] == f"{SEED}: 1 workflows, 3 steps"
    assert all(line.startswith("warning: ") for line in told.stdout.splitlines()[:-1])
    assert "the standard form is $sourceDescriptions.<name>.createVolume" in told.stdout


def test_problems_are_told_as_json_with_their_severity(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(BROKEN)

    told = run("check", "--json", SEED, broken)

    seed, other = orjson.loads(told.stdout)
    assert told.exit_code == 1
    assert (seed["workflows"], seed["steps"], {each["severity"] for each in seed["problems"]}) == (1, 3, {"warning"})
    assert {(each["line"], each["severity"]) for each in other["problems"]} == {(7, "error")}
    said = [each["message"] for each in other["problems"]]
    assert sorted(message.partition(", expected")[0] for message in said) == [
        "found 'tow'",
        "step 'one': found 'createSandox'",
    ], "what the document says of itself, and what the APIs do not have"


def test_the_shape_alone_can_be_checked(tmp_path: Path) -> None:
    shaped, shapeless = tmp_path / "shaped.yaml", tmp_path / "shapeless.yaml"
    shaped.write_text(BROKEN)
    shapeless.write_text(BROKEN.replace("operationId: createSandox, ", ""))

    assert run("check", "--shape", shaped).exit_code == 0
    refused = run("check", "--shape", shapeless)
    assert (refused.exit_code, "found nothing to perform" in refused.stderr) == (1, True)


def test_each_step_is_explained_as_json() -> None:
    told = run("explain", "--json", SEED)

    assert [step["what"] for step in orjson.loads(told.stdout)] == ["call", "wait", "call"]


def test_the_configured_workflows_are_listed_with_what_they_take() -> None:
    heading, line = run("ls").stdout.splitlines()

    assert heading.split() == ["NAME", "WORKFLOW", "STEPS", "WAITS", "INPUTS", "SUMMARY"]
    assert line.split()[:7] == ["volume-and-sandbox"] * 2 + ["3", "1", "volumeName", "snapshot", "[mountPath]"]
    [listed] = orjson.loads(run("ls", "--json").stdout)
    assert listed["inputs"] == {"volumeName": True, "snapshot": True, "mountPath": False}
