"""Rows whose calls reach an API: the emulated Daytona, in good times and in bad ones."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from conftest import CONFIG, LOOPBACK, Opened
from stage import append, ended, eventually, said, volume, working
from structlog.testing import capture_logs
from structlog.typing import EventDict

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.emulator import EmulatorSettings, running
from reactor.queue import Ticket
from reactor.reload import Live
from reactor.store.ledger import Row


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """Daytona, where the configuration finds it."""
    async with running(EmulatorSettings(time_scale=0.01)) as url:
        monkeypatch.setenv("DAYTONA_API_URL", f"{url}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        headers = {"authorization": f"Bearer {EmulatorSettings().api_key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as http:
            yield http


async def calls(emulator: httpx2.AsyncClient, operation: str) -> int:
    counted: dict[str, int] = (await emulator.get("/emulator/calls")).json()["calls"]
    return counted.get(operation, 0)


async def ready_volume(opened: Opened, emulator: httpx2.AsyncClient, name: str = "build-1") -> Row:
    """A volume that has just become ready, and the row that follows from it."""
    made = (await emulator.post("/api/volumes", json={"name": name})).raise_for_status().json()

    async def is_ready() -> bool:
        shown: str = (await emulator.get(f"/api/volumes/{made['id']}")).json()["state"]
        return shown == "ready"

    await eventually(is_ready)
    appended = await append(opened, volume("ready", id=made["id"], name=name), f"msg_{name}")
    dispatcher = Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=5.0)
    await dispatcher.react(await opened.store.log.read("reader", block=0.1))
    [row] = await opened.store.plans.rows_of(appended.entry)
    return row


async def test_a_ready_volume_gets_its_sandbox(opened: Opened, emulator: httpx2.AsyncClient) -> None:
    async with working(opened):
        planned_row = await ready_volume(opened, emulator)
        row = await ended(opened, planned_row.id)

    assert row.state == "done"
    assert row.result["how"] == "created"
    assert await calls(emulator, "createSandbox") == 1


async def test_an_api_in_trouble_is_asked_again(opened: Opened, emulator: httpx2.AsyncClient) -> None:
    planned_row = await ready_volume(opened, emulator)
    await emulator.put("/emulator/faults", json={"api_error": 0.5})

    async with working(opened, opened.settings.model_copy(update={"attempts": 50})):
        row = await ended(opened, planned_row.id)

    state = (await emulator.get("/emulator/state")).json()
    assert row.state == "done"
    assert len(state["sandboxes"]) == 1


async def test_a_job_whose_attempts_are_used_up_is_dead(opened: Opened, emulator: httpx2.AsyncClient) -> None:
    row = await ready_volume(opened, emulator)
    await emulator.put("/emulator/faults", json={"api_error": 1.0})

    async with working(opened, opened.settings.model_copy(update={"attempts": 2})):
        end = await ended(opened, row.id)

    assert (end.state, end.attempts) == ("dead", 2)
    assert end.error is not None
    assert end.error.startswith("after 2 attempts: ")


async def test_a_refused_key_closes_the_gate_for_all_rows_and_spends_no_attempt(
    opened: Opened, emulator: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, logs: list[EventDict]
) -> None:
    first = await ready_volume(opened, emulator, "build-1")
    second = await ready_volume(opened, emulator, "build-2")
    monkeypatch.setenv("DAYTONA_API_KEY", "dtn_wrong")
    one_by_one = opened.settings.model_copy(update={"concurrency": 1})

    async with working(opened, one_by_one):
        await eventually(lambda: said(logs, "gate closed", api="daytona"))
        await eventually(lambda: said(logs, "job not claimed", reason="gated"))
        waiting = [await opened.store.ledger.get(row.id) for row in (first, second)]
        assert [(row.state, row.attempts) for row in waiting if row] == [("due", 0), ("due", 0)]

        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        await opened.store.redis.delete(opened.store.keys.gate("daytona"))
        await opened.store.redis.zadd(opened.store.keys.due, {first.id: 1, second.id: 1})
        for row in (first, second):
            assert (await ended(opened, row.id, within=30)).state == "done"


async def test_a_stock_rq_worker_performs_a_row_once(opened: Opened, emulator: httpx2.AsyncClient) -> None:
    row = await ready_volume(opened, emulator)
    await opened.queue.enqueue([Ticket(row.id)])
    environment = os.environ | {
        "REACTOR_REDIS_URL": opened.settings.redis_url,
        "REACTOR_CONFIG": str(CONFIG),
        "REACTOR_PRIVATE_NETWORKS": ",".join(LOOPBACK),
    }
    command = [str(Path(sys.executable).parent / "rq"), "worker", "--burst", "--serializer", "json"]
    command += ["--url", opened.settings.redis_url, "reactor"]

    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()

    end = await ended(opened, row.id)
    assert process.returncode == 0, output.decode()
    assert (end.state, end.attempts) == ("done", 1), output.decode()
    assert await calls(emulator, "createSandbox") == 1
