"""Grouped requests: who asks while one is under way shares the next one, and gets its own part of the answer."""

import asyncio
from collections.abc import Sequence

import pytest

from reactor.errors import StoreUnavailable
from reactor.store.grouping import Grouped


class Doubling:
    """Doubles numbers when it is let; remembers what it was asked together, and can't answer for 13."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        await self.let.wait()
        if 13 in numbers:
            raise StoreUnavailable("13")
        return [2 * number for number in numbers]


async def test_who_asks_while_a_request_is_under_way_shares_the_next_one() -> None:
    doubling = Doubling()
    grouped = Grouped(doubling, most=4)

    tasks = [asyncio.create_task(grouped.ask(numbers)) for numbers in ([1], [2, 3], [4], [5, 6], [7, 8, 9, 10, 11])]
    first = asyncio.create_task(grouped.ask([]))
    await asyncio.sleep(0)
    doubling.let.set()

    assert await asyncio.gather(*tasks, first) == [[2], [4, 6], [8], [10, 12], [14, 16, 18, 20, 22], []]
    assert doubling.groups == [[1, 2, 3, 4], [5, 6], [7, 8, 9, 10, 11]]


async def test_a_request_that_fails_fails_those_who_share_it_and_nobody_else() -> None:
    doubling = Doubling()
    grouped = Grouped(doubling, most=2)

    tasks = [asyncio.create_task(grouped.ask([number])) for number in (1, 13, 2)]
    doubling.let.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable, list]


async def test_who_is_cancelled_has_asked_and_takes_no_answer_from_others() -> None:
    doubling = Doubling()
    grouped = Grouped(doubling)
    tasks = [asyncio.create_task(grouped.ask([number])) for number in (1, 2)]
    await asyncio.sleep(0)

    tasks[0].cancel()
    doubling.let.set()

    assert await tasks[1] == [4]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert doubling.groups == [[1, 2]]
