"""The small client of a running emulator, against a real one."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from reactor.emulator import EmulatorSettings, running
from reactor.emulator.client import Emulator
from reactor.emulator.limits import Limit


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running(EmulatorSettings(time_scale=0.01)) as url:
        with Emulator(url) as emulator:
            yield emulator


async def test_a_customer_creates_and_sees_what_there_is(emulator: Emulator) -> None:
    def play() -> tuple[int, ...]:
        emulator.create_volume("data")
        kinds = (emulator.volumes, emulator.snapshots, emulator.sandboxes, emulator.devboxes)
        return tuple(len(kind()) for kind in kinds)

    counts = await asyncio.to_thread(play)

    assert counts == (1, 0, 0, 0)
    assert await asyncio.to_thread(emulator.calls) == {"createVolume": 1}


async def test_limits_and_keys_are_put_in_force_and_end_with_a_reset(emulator: Emulator) -> None:
    def play() -> list[int]:
        statuses = []
        emulator.limits({"authenticated": Limit(0)})
        statuses.append(asks(emulator))
        emulator.limits({})
        emulator.accept_keys(daytona="dtn_new")
        statuses.append(asks(emulator))
        emulator.reset()
        statuses.append(asks(emulator))
        return statuses

    assert await asyncio.to_thread(play) == [429, 401, 200]


def asks(emulator: Emulator) -> int:
    try:
        emulator.create_volume("data")
    except httpx2.HTTPStatusError as refused:
        return refused.response.status_code
    return 200
