"""The knobs of a rule: what may stand in them, and at what place a mistake is told."""

from pathlib import Path

import pytest
from conftest import CONFIG

from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.rules.match import CompiledRule

RULE = """rules:
  - name: r
    on: sandbox.state.updated
    match: {newState: error}
    do: [{call: daytona.startSandbox, parameters: {sandboxIdOrName: "${event.id}"}}]
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path in CONFIG.iterdir():
        if path.name != "rules":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "rules").mkdir()
    return tmp_path


def loaded(directory: Path, *knobs: str) -> CompiledRule:
    text = RULE + "".join(f"    {knob}\n" for knob in knobs)
    (directory / "rules" / "r.yaml").write_text(text, "utf-8")
    [rule] = load_config(directory).rules.rules
    return rule


@pytest.mark.parametrize(
    ("knob", "place", "message"),
    [
        ("for: 10", "6:10", "found 10, expected a duration like 90s, 10m, 1h30m or 7d"),
        ("for: 15d", "6:10", "at most 14d"),
        ("cooldown: 1hh", "6:15", "expected a duration"),
        ("cooldon: 1h", "6:5", "did you mean 'cooldown'?"),
        ("max_age: 0s", "6:14", "more than nothing"),
        ("throttle: {limit: 0, within: 1m}", "6:23", "greater than or equal to 1"),
        ("throttle: {limit: 5}", "6:15", "found no 'within'"),
        ("count: {at_least: 1, within: 1m}", "6:23", "greater than or equal to 2"),
        ("count: {at_least: 2, within: 1m, by: id}", "6:38", "found 'by'"),
        ("debounce: {wait: 10m, at_most: 1m}", "6:15", "found `at_most` shorter than `wait`"),
        ("debounce: {wait: 10m}", "6:15", "found no 'at_most'"),
        ("debounce: 10m", "6:15", "expected a mapping"),
        ("unless: {on: sandbox.created, within: 1m, matc: {}}", "6:47", "did you mean 'match'?"),
        ("unless: {on: sandbox.created, within: 1m, match: {stat: x}}", "6:55", "did you mean 'state'?"),
        ("unless: {on: sandbox.created, within: 1m, key: '${event.idd}'}", "6:52", "undeclared reference"),
        ("unless: {on: sandbox.create, within: 1m}", "6:18", "did you mean 'sandbox.created'?"),
        ("unless: {on: sandbox.created, within: 1m, match: {state: startd}}", "6:62", "did you mean 'started'?"),
        ("stale: maybe", "6:12", "expected one of 'run', 'skip'"),
        ("enforce: shadwo", "6:14", "did you mean 'shadow'?"),
        ("key: 5", "6:10", "expected a text"),
        ("key: event.id", "6:10", "one key for all events, expected ${event.id}"),
        ("key: '${event.idd}'", "6:10", "undeclared reference to 'event.idd'"),
        ("retry: {attempts: 0}", "6:23", "greater than or equal to 1"),
        ("retry: {backof: 1s}", "6:13", "did you mean 'backoff'?"),
        ("when: event.newState == 5", "6:11", "no matching overload"),
        ("when: [event.id == 'x', event.newStat == 'x']", "6:29", "undeclared reference"),
    ],
)
def test_a_wrong_knob_is_told_with_its_place(directory: Path, knob: str, place: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(directory, knob)

    [problem] = refused.value.problems
    assert f"{problem.line}:{problem.column}" == place
    assert message in problem.message


@pytest.mark.parametrize(
    "knobs",
    [
        ("for: 1m", "debounce: {wait: 1m, at_most: 2m}"),
        ("for: 1m", "unless: {on: sandbox.created, within: 1m}"),
        ("unless: {on: sandbox.created, within: 1m}", "debounce: {wait: 1m, at_most: 2m}"),
    ],
)
def test_a_rule_waits_once(directory: Path, knobs: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="a rule waits once"):
        loaded(directory, *knobs)


def test_the_key_of_a_rule_must_make_sense_for_the_events_that_call_it_off(directory: Path) -> None:
    knobs = ("key: '${event.newState}'", "unless: {on: sandbox.created, within: 1m}")

    with pytest.raises(ConfigError, match=r"6:\d+|undeclared reference to 'event.newState'"):
        loaded(directory, *knobs)


def test_a_state_that_no_event_tells_can_not_hold(directory: Path) -> None:
    text = RULE.replace("sandbox.state.updated", "fleet.counted").replace("event.id", "event.data.id")
    (directory / "rules" / "r.yaml").write_text(text + "    for: 1m\n", "utf-8")

    with pytest.raises(ConfigError, match=r"6:5: found no event of `on` that tells a state, expected one of .*sandbox"):
        load_config(directory)


def test_every_knob_has_its_place_in_the_compiled_rule(directory: Path) -> None:
    rule = loaded(
        directory,
        "key: '${event.organizationId}'",
        "count: {at_least: 3, within: 10m}",
        "for: 5m",
        "max_age: 2h",
        "cooldown: 1h",
        "throttle: {limit: 5, within: 1d}",
        "stale: run",
        "enforce: shadow",
        "retry: {attempts: 3, backoff: 10s}",
    )

    controls = rule.controls
    assert controls.count is not None
    assert (controls.count.number, controls.count.within, controls.hold) == (3, 600_000, 300_000)
    assert (controls.max_age, controls.stale, controls.enforce) == (7_200_000, "run", "shadow")
    assert [(limit.control, limit.number, limit.within) for limit in controls.limits] == [
        ("cooldown", 1, 3_600_000),
        ("throttle", 5, 86_400_000),
    ]
    assert (controls.retry.attempts, controls.retry.backoff) == (3, 10_000)
