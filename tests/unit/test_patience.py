"""Waiting no longer than so long: for what happens, for what does not, and for one who is told to end meanwhile."""

import asyncio

import pytest

from reactor.patience import within


async def test_what_happens_is_waited_for_no_longer_than_that() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)

    assert await within(event, 60.0)


async def test_what_does_not_happen_is_waited_for_so_long() -> None:
    assert not await within(asyncio.Event(), 0.01)


async def test_who_is_told_to_end_ends_though_the_event_happens_at_that_moment() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(within(event, 60.0))
    await asyncio.sleep(0)

    event.set()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
