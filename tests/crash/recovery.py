"""How long a killed worker's jobs take to be done by another: a worker is killed with many in hand, again and again.

Owns measuring. What is promised is the lease and eight seconds, for 99 of 100.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crash.load import BUILD
from crash.nursery import until
from crash.observer import KEYS
from crash.stand import LEASE, Stand, stand_in

ASKED = 12
"""Jobs that a worker is given, and has in hand, all of them, when it is killed."""

SLOW = 6.0
"""Seconds that the API takes for a create, so that the first job still waits when the last one begins."""

PATIENCE = 60.0

PROMISED = LEASE + 8.0


async def recoveries(directory: Path, samples: int) -> list[float]:
    """Seconds from the death of a worker to the end of each job it had, at least so many of them."""
    took: list[float] = []
    async with stand_in(directory) as stand:
        await stand.fleet.start(("web-1", "dispatch-1"))
        for number in itertools.count():
            took += await _kill_one(stand, number)
            if len(took) >= samples:
                break
    return took


async def _kill_one(stand: Stand, number: int) -> list[float]:
    await stand.fleet.retire("work")
    await stand.weather(create_delay=SLOW)
    await stand.fleet.begin("work-1")
    names = [f"{BUILD}{number:03}-{each:03}" for each in range(ASKED)]
    asking = asyncio.create_task(stand.load.ask_for(names, 0.0))
    in_hand: dict[Any, Any] = {}

    async def has_many() -> bool:
        in_hand.clear()
        in_hand.update({key: row for key, row in (await _rows(stand)).items() if row[b"state"] == b"running"})
        return len(in_hand) == ASKED

    assert await until(has_many, PATIENCE), f"{len(in_hand)} jobs in hand"
    await stand.fleet.begin("work-2")
    await stand.weather()
    killed = time.time()
    stand.fleet.kill("work-1")
    await asking
    assert await until(stand.observer.is_quiet, PATIENCE), f"{await stand.observer.left()}"
    rows = await _rows(stand)
    return [int(rows[key][b"ended"]) / 1000 - killed for key in in_hand]


async def _rows(stand: Stand) -> dict[Any, dict[Any, Any]]:
    keys: list[Any] = [key async for key in stand.redis.scan_iter(KEYS.row("*"), count=1000)]
    return {key: await stand.redis.hgetall(key) for key in keys}


def percentile(took: Sequence[float], percent: int) -> float:
    """The time within which so many percent were done."""
    return statistics.quantiles(took, n=100, method="inclusive")[percent - 1]


def report(took: Sequence[float]) -> str:
    """One line about it."""
    return (
        f"recovery of a killed worker's job, lease {LEASE:g} s, {len(took)} samples: p50 {percentile(took, 50):.2f} s, "
        f"p99 {percentile(took, 99):.2f} s, longest {max(took):.2f} s; promised: p99 < {PROMISED:g} s"
    )
