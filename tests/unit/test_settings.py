"""The REACTOR_* variables: defaults that work, bounds, and errors that name the variable."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from reactor.errors import ConfigError
from reactor.settings import Settings, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def _no_reactor_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REACTOR_{name.upper()}", raising=False)


def test_an_empty_environment_is_enough() -> None:
    settings = load_settings()

    assert (settings.instance, settings.config, settings.redis_url) == ("reactor", Path("config"), "")


def test_a_variable_is_read_as_the_type_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REACTOR_PORT": "0", "REACTOR_LEASE": "2.5", "REACTOR_CONFIG": "/etc/reactor"}.items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert (settings.port, settings.lease, settings.config) == (0, 2.5, Path("/etc/reactor"))


def test_what_the_command_line_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_PORT", "1")

    assert load_settings(port=2).port == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REACTOR_PORT", "65536"),
        ("REACTOR_PORT", "http"),
        ("REACTOR_PORT", ""),
        ("REACTOR_LEASE", "0"),
        ("REACTOR_ATTEMPTS", "0"),
        ("REACTOR_CONCURRENCY", "5001"),
        ("REACTOR_BODY_LIMIT", "10"),
        ("REACTOR_INSTANCE", "Staging"),
        ("REACTOR_INSTANCE", "a:b"),
        ("REACTOR_INSTANCE", "staging\n"),
        ("REACTOR_INSTANCE", "x" * 32),
        ("REACTOR_LOG_LEVEL", "loud"),
        ("REACTOR_REDIS_DURABILITY", "none"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError) as refused:
        load_settings()

    assert str(refused.value).startswith(f"{name}: found {value!r}: ")


def test_every_bad_variable_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_PORT", "x")
    monkeypatch.setenv("REACTOR_LEASE", "-1")

    with pytest.raises(ConfigError) as refused:
        load_settings()

    assert [problem.file for problem in refused.value.problems] == ["REACTOR_LEASE", "REACTOR_PORT"]


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        load_settings().port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_name() -> None:
    environment = ["REACTOR_RETENTON", "REACTOR_XYZZY", "REACTOR_PORT", "REACTOR_FAILPOINT", "PATH"]

    assert unknown_variables(environment) == [
        "REACTOR_RETENTON is no setting; did you mean REACTOR_RETENTION?",
        "REACTOR_XYZZY is no setting; docs/operations.md lists them all",
    ]
