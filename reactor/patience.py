"""Waiting for no longer than one must: for so long, until told to stop. Knows nothing of what is waited for."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


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


async def until(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do work until it ends, or until told to stop: then, or when the caller is cancelled, it is cancelled wherever it is.

    It has ended when this returns. Raises what it raises.
    """
    task, told = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancelled({task, told})
    if not task.cancelled():
        task.result()


async def cancelled(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel tasks, and wait until the last has ended."""
    ending = set(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
