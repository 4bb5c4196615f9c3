"""One thing done to several that are named: what can't be done to one is said, and is no reason to leave the others."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from reactor.cli.shown import print_json
from reactor.errors import NotFound, NotPossible, ReactorError

Thing = TypeVar("Thing")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Batch(Generic[Done]):
    """What was done, and what was refused and why."""

    done: list[Done]
    refused: list[str]

    def tell(self, value: Callable[[Done], Any], line: Callable[[Done], str], *, as_json: bool) -> None:
        """Print what was done. Raises ReactorError with what was refused."""
        if as_json:
            print_json([value(each) for each in self.done])
        else:
            for each in self.done:
                click.echo(line(each))
        if self.refused:
            raise ReactorError("\n".join(self.refused))


async def each_of(things: Iterable[Thing], do: Callable[[Thing], Awaitable[Done]]) -> Batch[Done]:
    """Do it to one after the other. Raises StoreUnavailable."""
    batch: Batch[Done] = Batch([], [])
    for thing in things:
        try:
            batch.done.append(await do(thing))
        except (NotFound, NotPossible) as error:
            batch.refused.append(str(error))
    return batch
