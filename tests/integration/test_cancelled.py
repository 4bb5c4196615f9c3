"""Whoever asks the server can be told to end at any moment, and ends then."""

import asyncio

import pytest
from conftest import Opened

pytestmark = pytest.mark.every_server

MOMENTS = 40
"""Turns of the event loop that one request takes, and more."""


async def test_who_asks_the_server_for_ever_ends_at_whatever_moment_it_is_cancelled(opened: Opened) -> None:
    async def ask() -> None:
        while True:
            await opened.store.log.length()

    lived_on = []
    for moment in range(MOMENTS):
        asking = asyncio.create_task(ask())
        for _ in range(moment):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking}, timeout=1)
        if not asking.done():
            lived_on.append(moment)
            asking.cancel()
            await asyncio.wait({asking})

    assert lived_on == []
    assert await opened.store.log.length() == 0
