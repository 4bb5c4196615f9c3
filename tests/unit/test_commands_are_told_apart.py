"""Every command is known to look only, or to act: what looks is held to it by a test on a real server."""

from collections.abc import Iterator

import click
from reading import ACTS, LOOKS

from reactor.cli import reactor


def commands(command: click.Command, *path: str) -> Iterator[str]:
    """Every command that can be called, by its words."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield " ".join(path)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, *path, name)


def test_every_command_looks_or_acts() -> None:
    every = set(commands(reactor))
    looks = {name for name in every if any(f"{line} ".startswith(f"{name} ") for line in LOOKS)}

    unsaid = every - looks - set(ACTS)
    assert not unsaid, f"say in tests/reading.py whether these only look: {sorted(unsaid)}"
    assert set(ACTS) <= every
