"""Requests that come while one is under way share the next one.

Hundreds of jobs each ask Redis for a little. Alone, every request costs a connection, a round trip and, with
`appendfsync always`, a flush to disk; together they cost one of each. Knows nothing of what is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 500
"""Items that one request has: those of the next one wait no longer than it takes to answer so many."""


class Grouped(Generic[Item, Result]):
    """Asks for many items at once. `perform` answers a group: a result for each item, in order, or one exception."""

    def __init__(self, perform: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int = MOST) -> None:
        self._perform = perform
        self._most = most
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[list[Result]]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def ask(self, items: Sequence[Item]) -> list[Result]:
        """The results for these items, which stay together. Raises what their group raised.

        Whoever is cancelled meanwhile has asked all the same.
        """
        if not items:
            return []
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        while group := self._taken():
            items = [item for asked, _ in group for item in asked]
            await asyncio.wait([answer := asyncio.create_task(self._ask(items))])
            _settle(group, answer)

    async def _ask(self, items: Sequence[Item]) -> Sequence[Result]:
        return await self._perform(items)

    def _taken(self) -> list[tuple[Sequence[Item], "asyncio.Future[list[Result]]"]]:
        """The next group: all that wait, up to a number of items, and one in any case."""
        count, size = 0, 0
        for items, _ in self._waiting:
            size += len(items)
            if count and size > self._most:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


def _settle(
    group: Sequence[tuple[Sequence[Item], "asyncio.Future[list[Result]]"]], answer: "asyncio.Future[Sequence[Result]]"
) -> None:
    """Give each its share of the answer; who was cancelled meanwhile needs none."""
    at = 0
    for items, future in group:
        if future.done():
            pass
        elif answer.cancelled():
            future.cancel()
        elif error := answer.exception():
            future.set_exception(error)
        else:
            future.set_result(list(answer.result()[at : at + len(items)]))
        at += len(items)
