"""Tests beside rules: what they find, and how they say why."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CONFIG

from reactor.cli import reactor
from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.rehearsal.suite import Checked, run_tests
from reactor.reload import passed

RULES = """\
rules:
  - name: stuck
    on: sandbox.state.updated
    match: {newState: [starting, restoring]}
    for: 10m
    cooldown: 1h
    do: [{notify: ops-slack, text: "${event.id} is ${event.newState}"}]
  - name: lost
    on: volume.state.updated
    match: {newState: error}
    do:
      - call: daytona.createVolume
        body: {name: "${event.name}-again"}
        as: volume
      - notify: ops-slack
        text: "made ${volume.id}"
      - emit: fleet.volume-lost
        data: {name: "${event.name}"}
  - name: tells
    on: fleet.volume-lost
    do: [{notify: ops-mail, text: "${event.data.name}"}]
  - name: watched
    on: volume.state.updated
    match: {newState: error}
    enforce: shadow
    do: [{notify: ops-mail, text: never}]
"""

STARTING = "{event: sandbox.state.updated, id: one, oldState: stopped, newState: starting}"
STARTED = "{event: sandbox.state.updated, id: one, oldState: starting, newState: started}"
LOST = "{event: volume.state.updated, id: v, name: data, oldState: creating, newState: error}"
LOST_JOBS = """
      - {rule: lost, call: daytona.createVolume, body: {name: data-again}}
      - {rule: lost, notify: ops-slack}
      - {rule: lost, emit: fleet.volume-lost, data: {name: data}}
      - {rule: tells, notify: ops-mail, text: data}
"""


def directory_with(tmp_path: Path, tests: str) -> Path:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text(RULES, "utf-8")
    (directory / "rules" / "r.test.yaml").write_text(tests, "utf-8")
    return directory


def run_one(tmp_path: Path, events: str, expect: str) -> list[Checked]:
    directory = directory_with(tmp_path, f"tests:\n  - name: it\n    events: [{events}]\n    expect: {expect}\n")
    return run_tests(load_config(directory), directory)


@pytest.mark.parametrize(
    ("events", "expect"),
    [
        (f"{STARTING}, {{after: 10m}}", '[{rule: stuck, after: 10m, text: "one is starting"}]'),
        (LOST, LOST_JOBS.replace("{rule: lost, call", "{rule: lost, after: 0s, call")),
        (f"{STARTING}, {{after: 9m}}", "[]"),
        (f"{STARTING}, {{after: 9m}}, {STARTED}, {{after: 1h}}", "[]"),
        (f"{STARTING}, {{after: 10m}}, {STARTED}, {STARTING}, {{after: 20m}}", "[{rule: stuck}]"),
        (LOST, LOST_JOBS),
        (LOST, LOST_JOBS.replace("ops-slack}", "ops-slack, text: made something}")),
        (f"{LOST}, {LOST}", LOST_JOBS),
        (f"{LOST}, {{after: 1h}}, {LOST}", LOST_JOBS + LOST_JOBS),
        ("{event: fleet.volume-lost, name: data}", "[{rule: tells, after: 0s, text: data}]"),
        (
            "{event: fleet.volume-lost, name: data}, {after: 1h, event: fleet.volume-lost, name: data}",
            "[{rule: tells, after: 0s}, {rule: tells, after: 1h}]",
        ),
    ],
)
def test_what_follows_is_what_is_expected(tmp_path: Path, events: str, expect: str) -> None:
    [test] = run_one(tmp_path, events, expect)

    assert test.judged.failures == ()


@pytest.mark.parametrize(
    ("events", "expect", "said"),
    [
        (STARTED, "[{rule: stuck}]", 'failed newState: asked ["starting","restoring"], saw started'),
        (f"{STARTING}, {{after: 9m}}", "[{rule: stuck}]", "then waiting:"),
        (f"{STARTING}, {{after: 9m}}", "[{rule: stuck}]", "the test ends 9m after it began: let time pass"),
        (f"{STARTING}, {{after: 9m}}", "[{rule: stuck}]", "waits  for: 10m, until 2026-01-01T00:10:00"),
        (
            f"{STARTING}, {{after: 1m}}, {STARTED}, {{after: 1h}}",
            "[{rule: stuck}]",
            "failed for: asked 10m, saw started",
        ),
        (f"{STARTING}, {{after: 10m}}", "[{rule: stuck, after: 5m}]", "after: expected 5m, found 10m"),
        (f"{STARTING}, {{after: 10m}}", "[{rule: stuck, text: x}]", "text: expected x, found one is starting"),
        (
            f"{STARTING}, {{after: 10m}}",
            "[{rule: stuck, txt: x}]",
            "txt: expected x, found a job that has notify, text",
        ),
        (f"{STARTING}, {{after: 10m}}", "[]", "a job that is not expected: stuck after 10m"),
        (STARTED, "[{rule: stuk}]", "there is no rule of this name"),
        (LOST, "[{rule: stuck}]", "no event is of a type in its `on`: sandbox.state.updated"),
        (LOST, "[]", "made ${volume.id}"),
        (LOST, "[{rule: watched}]", "failed enforce: asked on, saw shadow"),
    ],
)
def test_an_expectation_that_is_not_met_says_why(tmp_path: Path, events: str, expect: str, said: str) -> None:
    [test] = run_one(tmp_path, events, expect)

    assert any(said in line for failure in test.judged.failures for line in failure), test.judged.failures


def test_events_between_which_no_time_passes_happened_in_their_order(tmp_path: Path) -> None:
    created = "{event: volume.created, id: v, name: data, state: pending_create}"

    [test] = run_one(tmp_path, f"{created}, {LOST}, {{after: 1m}}", LOST_JOBS)

    assert test.judged.failures == ()


CHAINED = """\
rules:
  - name: replaced
    on: volume.state.updated
    match: {newState: error}
    do:
      - {call: daytona.createVolume, as: fresh, body: {name: again}}
      - {call: daytona.getVolume, as: seen, parameters: {volumeId: "${fresh.id}"}}
      - {emit: fleet.volume-replaced, data: {id: "${fresh.id}", state: "${seen.data.state}"}}
      - {notify: ops-mail, title: "${fresh.id}", text: "${fresh.id} is ${seen.data.state}"}
  - name: not-ready
    on: fleet.volume-replaced
    match: {state: {anything-but: ready}}
    do: [{notify: ops-slack, text: "${event.data.id}"}]
"""


def run_chained(tmp_path: Path, results: str, expect: str) -> Checked:
    directory = directory_with(
        tmp_path, f"tests:\n  - name: it\n    events: [{LOST}]\n    results: {results}\n    expect: {expect}\n"
    )
    (directory / "rules" / "r.yaml").write_text(CHAINED, "utf-8")
    [test] = run_tests(load_config(directory), directory)
    return test


def chained(id: str, state: str, title: str = "v2") -> str:
    return f"""
      - {{rule: replaced, call: daytona.createVolume, body: {{name: again}}}}
      - {{rule: replaced, call: daytona.getVolume, parameters: {{volumeId: {id}}}}}
      - {{rule: replaced, emit: fleet.volume-replaced, data: {{id: {id}, state: {state}}}}}
      - {{rule: replaced, notify: ops-mail, title: {title}, text: {id} is {state}}}"""


NOT_READY = "\n      - {rule: not-ready, notify: ops-slack, text: v2}"
BOTH = "{replaced: {fresh: {id: v2}, seen: {data: {state: STATE}}}}"


@pytest.mark.parametrize(
    ("results", "expect"),
    [
        (BOTH.replace("STATE", "ready"), chained("v2", "ready")),
        (BOTH.replace("STATE", "error"), chained("v2", "error") + NOT_READY),
        ("{replaced: {fresh: {id: v2}}}", chained("v2", "x").replace("is x", "is what is open") + NOT_READY),
    ],
)
def test_what_actions_come_to_is_told_and_the_later_ones_go_on_from_there(
    tmp_path: Path, results: str, expect: str
) -> None:
    assert run_chained(tmp_path, results, expect).judged.failures == ()


@pytest.mark.parametrize(
    ("results", "expect", "said"),
    [
        (BOTH.replace("STATE", "ready"), chained("v3", "ready"), "parameters.volumeId: expected v3, found v2"),
        (BOTH.replace("STATE", "ready"), chained("v2", "error"), "data.state: expected error, found ready"),
        (BOTH.replace("STATE", "ready"), chained("v2", "ready") + NOT_READY, "failed state: asked"),
        (BOTH.replace("STATE", "error"), chained("v2", "error"), "a job that is not expected: not-ready"),
        ("{replaced: {fresh: {id: v2}}}", chained("v2", "x", "v3"), "title: expected v3, found v2"),
        (
            "{replaced: {fresh: {how: adopted}}}",
            chained("v2", "ready"),
            "replaced, daytona.getVolume: an argument has no value by `results`: ${fresh.id}",
        ),
        ("{replacd: {fresh: {id: v2}}}", "[]", "results: found 'replacd', expected one of"),
        ("{replaced: {frsh: {id: v2}}}", "[]", "results.replaced: found 'frsh', expected one of 'fresh', 'seen'"),
        ("{replaced: {fresh: {ids: v2}}}", "[]", "results.replaced.fresh: found 'ids', expected one of"),
    ],
)
def test_what_does_not_follow_from_the_results_that_are_told_says_why(
    tmp_path: Path, results: str, expect: str, said: str
) -> None:
    failures = run_chained(tmp_path, results, expect).judged.failures

    assert any(said in line for failure in failures for line in failure), failures


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ("tests: []", "found a list, expected at least 1 item in it"),
        ("tests:\n  - {name: it, events: [{after: soon}], expect: []}", "a duration like"),
        ("tests:\n  - {name: it, events: [{id: x}], expect: []}", "found no `event`"),
        ("tests:\n  - {name: it, events: [{after: 1m}], expct: []}", "expct"),
    ],
)
def test_a_bad_test_file_is_told_at_its_place(tmp_path: Path, tests: str, said: str) -> None:
    directory = directory_with(tmp_path, tests)

    with pytest.raises(ConfigError) as error:
        run_tests(load_config(directory), directory)

    assert "r.test.yaml:" in str(error.value)
    assert said in str(error.value)


def test_a_directory_whose_tests_fail_does_not_come_into_force(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, f"tests:\n  - {{name: it, events: [{STARTED}], expect: [{{rule: stuck}}]}}\n")

    with pytest.raises(ConfigError, match="test failed: it"):
        passed(directory)


def test_the_command_line_says_what_failed_and_exits_with_1(tmp_path: Path) -> None:
    directory = directory_with(tmp_path, f"tests:\n  - {{name: it, events: [{STARTED}], expect: [{{rule: stuck}}]}}\n")

    result = CliRunner().invoke(reactor, ["rules", "test", "--config", str(directory)])

    assert result.exit_code == 1
    assert "FAILED" in result.output
    assert "1 of 1 failed" in result.output
