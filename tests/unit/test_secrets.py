"""A secret is read where it is declared, each time anew, and its value is shown nowhere."""

from pathlib import Path

import pytest

from reactor.errors import ConfigError
from reactor.secrets import Secret


def test_a_variable_is_read_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret("KEY", env="TEST_KEY")
    monkeypatch.setenv("TEST_KEY", "one")
    first = secret.read()
    monkeypatch.setenv("TEST_KEY", "two")

    assert (first, secret.read()) == ("one", "two")


def test_a_file_is_read_anew_each_time_without_its_last_line_break(tmp_path: Path) -> None:
    path = tmp_path / "key"
    secret = Secret("KEY", file=str(path))
    path.write_text("one\n")
    first = secret.read()
    path.write_text("  two  \r\n")

    assert (first, secret.read()) == ("one", "two")


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_variable_says_what_to_set(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TEST_KEY", value)
    secret = Secret("KEY", env="TEST_KEY")

    with pytest.raises(ConfigError, match="secret KEY is empty: set the environment variable TEST_KEY"):
        secret.read()
    assert secret.peek() == ""


def test_a_missing_or_empty_file_says_what_to_set(tmp_path: Path) -> None:
    secret = Secret("KEY", file=str(tmp_path / "key"))

    with pytest.raises(ConfigError, match=r"secret KEY is empty: set the file .*/key"):
        secret.read()
    (tmp_path / "key").touch()
    assert secret.peek() == ""


def test_a_file_that_can_not_be_read_is_an_error_even_to_a_peek(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"hidden\xff")

    with pytest.raises(ConfigError, match="can't be read: IsADirectoryError"):
        Secret("KEY", file=str(tmp_path)).peek()
    with pytest.raises(ConfigError, match="can't be read: UnicodeDecodeError") as refused:
        Secret("KEY", file=str(tmp_path / "binary")).peek()

    assert "hidden" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_secret_prints_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "hidden")
    secret = Secret("KEY", env="TEST_KEY")
    secret.read()

    assert "hidden" not in repr(secret)
