"""The tasks that outlive the request that started them. They end when the emulator is reset or stops, never later."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

_T = TypeVar("_T")


class Background:
    """A set of running tasks. An exception in one of them is asyncio's to report: nothing here hides it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def spawn(self, work: Coroutine[None, None, _T]) -> asyncio.Task[_T]:
        """Run `work` beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def hold(self, work: Coroutine[None, None, _T]) -> _T | None:
        """Wait for `work` on behalf of a caller, but not longer than the emulator runs: then the answer is None."""
        task = self.spawn(work)
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def stop(self) -> None:
        """Cancel every task and wait until the last has ended."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
