"""The command line explains itself: every command has help with an example, and a mistake names what was meant."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from e2e.machine import Machine
from reactor.cli import reactor


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The words that name a command, and each one below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, *path, name)


@pytest.mark.parametrize("path", list(commands(reactor)), ids=lambda path: " ".join(("reactor", *path)))
def test_help_has_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(reactor, [*path, "--help"], prog_name="reactor")

    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert " ".join(("reactor", *path[:1])) in shown.output.partition("Example")[2]


@pytest.mark.parametrize(
    ("words", "meant"), [(["srve"], "serve"), (["serve", "--prot", "1"], "--port"), (["completion", "fisch"], "fish")]
)
def test_a_slip_is_answered_with_what_was_meant(machine: Machine, words: list[str], meant: str) -> None:
    ended = machine.run(*words)

    assert ended.returncode == 2
    assert meant in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(shell: str) -> None:
    script = CliRunner().invoke(reactor, ["completion", shell])

    assert script.exit_code == 0
    assert f"_REACTOR_COMPLETE={shell}_complete" in script.output


def test_completing_a_word_names_the_commands_that_begin_so(machine: Machine) -> None:
    completed = machine.run(_REACTOR_COMPLETE="bash_complete", COMP_WORDS="reactor d", COMP_CWORD="1")

    assert completed.stdout.split() == ["plain,demo", "plain,dev", "plain,dispatch"]
