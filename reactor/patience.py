"""Waiting for something for no longer than so long. Knows nothing of what is waited for."""

import asyncio


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, for so long at most; returns whether it is.

    By `asyncio.wait`, because `wait_for` of Python 3.11 may swallow that its caller is cancelled in the moment it returns.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
    return event.is_set()
