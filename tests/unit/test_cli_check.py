"""`reactor check` as a person sees it: the place, the line with a mark, the remedy, the status."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import CONFIG

from reactor.cli import reactor


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def checked(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(reactor, ["check", str(directory), *options])


def write(directory: Path, old: str, new: str) -> None:
    file = directory / "rules" / "volumes.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_a_sound_directory_is_said_to_be(directory: Path) -> None:
    result = checked(directory, "--strict")

    assert result.exit_code == 0
    assert "sound, 0 warnings; revision " in result.output


def test_a_typo_is_shown_in_its_line_with_a_mark_and_the_nearest_name(directory: Path) -> None:
    write(directory, "newState:", "newSate:")

    result = checked(directory)

    assert result.exit_code == 1
    head, line, mark, *_ = result.output.splitlines()
    assert head.startswith(f"{directory}/rules/volumes.yaml:8:7: error: found 'newSate', expected one of")
    assert head.endswith("did you mean 'newState'?")
    assert line.index("newSate") == mark.index("^")


def test_warnings_fail_only_when_that_is_asked_for(directory: Path) -> None:
    write(directory, "sandbox-for-${event.name}", "the-sandbox")
    (directory / "rules" / "volumes.test.yaml").unlink()

    results = [checked(directory), checked(directory, "--strict")]

    assert [result.exit_code for result in results] == [0, 1]
    assert "warning: found the name 'the-sandbox'" in results[0].output


def test_the_same_is_said_in_json(directory: Path) -> None:
    write(directory, "newState:", "newSate:")

    result = checked(directory, "--json")

    report = json.loads(result.output)
    assert report["revision"] is None
    [problem] = report["problems"]
    assert (problem["line"], problem["column"], problem["severity"]) == (8, 7, "error")
    assert problem["file"].endswith("rules/volumes.yaml")


def test_a_secret_in_clear_is_not_printed(directory: Path) -> None:
    secret = "dtn_" + "0123456789abcdef" * 2
    write(directory, "snapshot: build-base", f"snapshot: {secret}")

    outputs = [checked(directory).output, checked(directory, "--json").output]

    assert "••••" in outputs[0]
    assert not any(secret in output for output in outputs)


def test_letters_that_would_move_the_cursor_are_not_printed(directory: Path) -> None:
    write(directory, "newState: ready", "newSate: ready # \u202e\u200b")

    assert "\u202e" not in checked(directory).output


def test_a_directory_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    result = checked(tmp_path / "nowhere")

    assert result.exit_code == 1
    assert "nowhere is no directory" in result.output


FAILING = """\
tests:
  - name: nothing follows
    events: [{event: volume.state.updated, id: vol-1, name: build-1, oldState: creating, newState: ready}]
    expect: [{rule: sandbox-for-ready-volume, body: {name: other}}, {rule: nobody}]
"""


def test_a_test_that_fails_is_an_error_told_once_with_all_its_failures(directory: Path) -> None:
    (directory / "rules" / "mine.test.yaml").write_text(FAILING)

    result = checked(directory)
    told = json.loads(checked(directory, "--json").stdout)

    assert result.exit_code == 1
    assert f"{directory}/rules/mine.test.yaml:2:1: error: test failed: nothing follows\n" in result.output
    assert result.output.count("test failed") == 1
    assert "sandbox-for-ready-volume" in result.output
    assert "nobody" in result.output
    assert "    2 |   - name: nothing follows" in result.output
    assert result.output.endswith("1 error, 0 warnings\n")
    assert [problem["severity"] for problem in told["problems"]] == ["error"]
    assert told["revision"] is None


def test_a_file_of_tests_that_is_none_is_an_error_too(directory: Path) -> None:
    (directory / "rules" / "mine.test.yaml").write_text("tests:\n  - nme: x\n")

    result = checked(directory)

    assert result.exit_code == 1
    assert "mine.test.yaml:2:5: error: found 'nme'" in result.output


def test_a_test_that_is_not_there_is_not_passed() -> None:
    said = CliRunner().invoke(reactor, ["rules", "test", "-k", "nothing"], env={"REACTOR_CONFIG": str(CONFIG)})

    assert (said.exit_code, said.output) == (1, "no test has 'nothing' in its name\n")
