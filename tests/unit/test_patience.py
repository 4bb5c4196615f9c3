"""Waiting no longer than so long: for what happens, for what does not, and for one who is told to end meanwhile."""

import asyncio

import pytest

from reactor.patience import until, within


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


class Work:
    """Something that goes on for ever, and notes how it ended."""

    ended = ""

    async def go_on(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.ended = "cancelled"
            raise


async def test_work_ends_when_it_is_told_to() -> None:
    stopping, work = asyncio.Event(), Work()
    asyncio.get_running_loop().call_soon(stopping.set)

    await until(stopping, work.go_on())

    assert work.ended == "cancelled"


async def test_who_is_cancelled_leaves_no_work_behind() -> None:
    work = Work()
    waiting = asyncio.create_task(until(asyncio.Event(), work.go_on()))
    await asyncio.sleep(0.01)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert work.ended == "cancelled"


async def test_what_goes_wrong_in_work_is_told() -> None:
    async def break_down() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await until(asyncio.Event(), break_down())
