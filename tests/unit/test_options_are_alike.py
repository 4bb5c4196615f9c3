"""An option means one thing: whatever command has it, it is written, read and completed alike."""

from collections.abc import Iterator

import click
import pytest

from reactor.cli import reactor

NAMES = ("--api", "--rule")
"""Options that take a name of the configuration, which a shell can complete."""

LENGTHS = ("--since", "--until", "--for")


def options(command: click.Command, *path: str) -> Iterator[tuple[str, click.Option]]:
    """Every option of every command, with the command's words."""
    yield from ((" ".join(path), each) for each in command.params if isinstance(each, click.Option))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, *path, name)


ALL = list(options(reactor))


@pytest.mark.parametrize("name", ["--yes", "--dry-run", "--json", "--limit", "--since", "--api", "--rule"])
def test_an_option_is_written_and_read_alike_everywhere(name: str) -> None:
    found = [(each, each.make_metavar(click.Context(reactor))) for _, each in ALL if name in each.opts]

    assert len(found) > 2
    assert len({tuple(sorted(each.opts)) for each, _ in found}) == 1
    assert len({metavar for _, metavar in found}) == 1
    assert len({type(each.type) for each, _ in found}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_names_are_completed_wherever_they_are_taken(name: str) -> None:
    unaided = [command for command, each in ALL if name in each.opts and each._custom_shell_complete is None]

    assert not unaided


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_of_time_are_written_as_in_rule_files(name: str) -> None:
    found = [each for _, each in ALL if name in each.opts]

    assert found
    for each in found:
        assert each.type.convert("1h30m", each, None) == 5400.0
        with pytest.raises(click.BadParameter, match="expected a duration like"):
            each.type.convert("soon", each, None)
