"""The emulator as a process of its own: it says where it listens, and ends when told to."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

PROGRAM = """
import asyncio
from reactor.emulator import EmulatorSettings, serve
asyncio.run(serve(EmulatorSettings(), "127.0.0.1", 0, lambda url: print(url, flush=True)), debug=False)
"""


@pytest_asyncio.fixture
async def process() -> AsyncIterator[asyncio.subprocess.Process]:
    command = (sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield process
    if process.returncode is None:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_served_emulator_stops_cleanly_on_a_signal_even_with_a_call_under_way(
    process: asyncio.subprocess.Process, signal_number: int
) -> None:
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()

    async with httpx2.AsyncClient(base_url=url, headers={"authorization": "Bearer dtn_emulator"}) as http:
        creating = asyncio.create_task(http.post("/api/sandbox", json={}))
        deadline = time.monotonic() + 5
        while "createSandbox" not in (await http.get("/emulator/calls")).json()["calls"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        process.send_signal(signal_number)
        answer = await creating
    _, errors = await process.communicate()

    assert answer.json()["state"] == "creating"
    assert (process.returncode, errors.decode()) == (0, "")


async def test_a_served_emulator_does_not_wait_for_calls_that_it_holds(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()

    async with httpx2.AsyncClient(base_url=url, headers={"authorization": "Bearer ak_emulator"}) as http:
        path = f"/runloop/v1/devboxes/{(await http.post('/runloop/v1/devboxes', json={})).json()['id']}"
        wait = {"statuses": ["shutdown"], "timeout_seconds": 30}
        holding = asyncio.create_task(http.post(f"{path}/wait_for_status", json=wait))
        deadline = time.monotonic() + 5
        while "runloop.waitForDevboxStatus" not in (await http.get("/emulator/calls")).json()["calls"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        process.terminate()
        answer = await holding
    _, errors = await process.communicate()

    assert answer.status_code == 408
    assert (process.returncode, errors.decode()) == (0, "")
