"""Tokens: made at random, kept as hashes, compared whole, and rotated by changing the file."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from reactor.cli import reactor
from reactor.errors import ConfigError
from reactor.tokens import PREFIX, Holder, Tokens, hash_of, new_token


def write(path: Path, *lines: str) -> Tokens:
    path.write_text("\n".join(["tokens:", *(f"  {line}" for line in lines)]) + "\n", "utf-8")
    return Tokens(path)


def line(name: str, token: str, role: str = "read") -> str:
    return f"{name}: {{role: {role}, sha256: {hash_of(token)}}}"


def test_every_token_is_another_and_can_be_told_from_other_secrets() -> None:
    made = {new_token()[0] for _ in range(100)}

    assert len(made) == 100
    assert all(token.startswith(PREFIX) and len(token) > 40 for token in made)


def test_a_token_is_known_by_its_hash(tmp_path: Path) -> None:
    token, digest = new_token()
    tokens = write(tmp_path / "tokens.yaml", f"deploy: {{role: operate, sha256: {digest}}}")

    assert tokens.holder(token) == Holder("deploy", "operate")
    assert token not in tokens.path.read_text("utf-8")


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "a", lambda t: t.swapcase(), lambda t: "", hash_of])
def test_anything_but_the_whole_token_is_nobodys(tmp_path: Path, change: "type[str]") -> None:
    token, _ = new_token()
    tokens = write(tmp_path / "tokens.yaml", line("deploy", token))

    assert tokens.holder(change(token)) is None


def test_a_token_of_characters_that_are_none_is_nobodys(tmp_path: Path) -> None:
    tokens = write(tmp_path / "tokens.yaml", line("deploy", "x"))

    assert tokens.holder("\udcff\x00é") is None


def test_who_operates_may_read_and_who_reads_may_not_operate() -> None:
    assert Holder("a", "operate").may("read")
    assert Holder("a", "operate").may("operate")
    assert Holder("a", "read").may("read")
    assert not Holder("a", "read").may("operate")


def test_a_token_is_rotated_without_a_restart(tmp_path: Path) -> None:
    old, new = "old", "new"
    tokens = write(tmp_path / "tokens.yaml", line("deploy", old))
    assert tokens.holder(old)

    write(tmp_path / "tokens.yaml", line("deploy", old), line("deploy-2", new))
    both = tokens.holder(old), tokens.holder(new)
    write(tmp_path / "tokens.yaml", line("deploy-2", new))

    assert all(both)
    assert tokens.holder(old) is None
    assert tokens.holder(new) == Holder("deploy-2", "read")


def test_a_mounted_directory_that_is_swapped_is_seen(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write(tmp_path / version / "tokens.yaml", line("deploy", version))
        os.utime(tmp_path / version / "tokens.yaml", (1, 1))
    (tmp_path / "data").symlink_to("one")
    tokens = Tokens(tmp_path / "data" / "tokens.yaml")
    assert tokens.holder("one")

    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")

    assert tokens.holder("one") is None
    assert tokens.holder("two")


def test_without_a_file_nobody_holds_a_token(tmp_path: Path) -> None:
    assert Tokens(tmp_path / "tokens.yaml").entries() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens: {a: {role: admin, sha256: x}}", "found 'admin'"),
        ("tokens: {a: {role: read, token: rct_x}}", "found .token."),
        ("tokens: [", "tokens.yaml:2:1: found broken YAML"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(text, "utf-8")

    with pytest.raises(ConfigError, match=said):
        Tokens(path).holder("x")


def test_what_the_command_prints_is_a_token_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    runner = CliRunner(env={"REACTOR_TOKENS": str(path)})

    said = runner.invoke(reactor, ["tokens", "new", "deploy", "--role", "operate"]).output.splitlines()
    token, line_of_file = said[1].strip(), said[-1].strip()
    tokens = write(path, line_of_file)
    listed = runner.invoke(reactor, ["tokens", "ls"])

    assert tokens.holder(token) == Holder("deploy", "operate")
    assert str(path) in said[-2]
    assert listed.output.split() == ["deploy", "operate"]


def test_a_name_that_is_none_is_refused() -> None:
    refused = CliRunner().invoke(reactor, ["tokens", "new", "Dep loy", "--role", "read"])

    assert refused.exit_code == 2
    assert "expected small letters" in refused.output
