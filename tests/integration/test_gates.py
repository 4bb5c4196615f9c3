"""Limits and refused keys met by a crowd of jobs: counted at the API."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from conftest import Opened
from emulated import emulating
from redis import Redis
from stage import eventually, planned, working

from reactor.emulator import EmulatorSettings
from reactor.store.plans import NewRow

CROWD = 200
HANDFUL = 8


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """An emulated Daytona that the shipped configuration calls."""
    async with emulating() as emulated:
        monkeypatch.setenv("DAYTONA_API_URL", f"{emulated.http.base_url}/api".replace("//api", "/api"))
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        yield emulated.http


def creating(name: str) -> dict[str, Any]:
    return {"operation": "createSandbox", "if_exists": "fail", "parameters": {}, "body": {"name": name}}


async def crowd(opened: Opened) -> list[str]:
    """Two hundred jobs, each of which creates a sandbox."""
    rows = [
        NewRow(f"row{number}", "a-rule", "call", "daytona", creating(f"box-{number}"), "createSandbox")
        for number in range(CROWD)
    ]
    return await planned(opened, *rows)


async def all_done(opened: Opened, ids: list[str]) -> bool:
    rows = [await opened.store.ledger.get(id) for id in ids]
    return all(row and row.state == "done" for row in rows)


async def answers(emulator: httpx2.AsyncClient, status: int) -> int:
    log: list[dict[str, Any]] = (await emulator.get("/emulator/calls")).json()["log"]
    return sum(call["status"] == status for call in log)


async def test_a_crowd_keeps_to_a_limit_that_replies_announce(opened: Opened, emulator: httpx2.AsyncClient) -> None:
    limit = {"sandbox-create": {"limit": 60, "window": 1.0}}
    (await emulator.put("/emulator/limits", json=limit)).raise_for_status()
    ids = await crowd(opened)

    async with working(opened, connections=CROWD):
        await eventually(lambda: all_done(opened, ids), 60)

    state = (await emulator.get("/emulator/state")).json()
    assert len(state["sandboxes"]) == CROWD
    assert await answers(emulator, 429) <= HANDFUL


async def test_a_crowd_waits_for_a_key_that_is_replaced_and_spends_no_attempt(
    opened: Opened, emulator: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYTONA_API_KEY", "dtn_expired")
    ids = await crowd(opened)

    async with working(opened, connections=CROWD):
        await eventually(lambda: waiting(opened, ids), 20)
        rows = [await opened.store.ledger.get(id) for id in ids]
        assert {row.attempts for row in rows if row} == {0}
        assert await answers(emulator, 401) <= HANDFUL
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        await opened.store.redis.delete(opened.store.keys.gate("daytona"))
        await eventually(lambda: all_done(opened, ids), 60)

    assert len((await emulator.get("/emulator/state")).json()["sandboxes"]) == CROWD


async def waiting(opened: Opened, ids: list[str]) -> bool:
    """Every job is due again, behind the closed gate."""
    rows = [await opened.store.ledger.get(id) for id in ids]
    closed = await opened.store.redis.exists(opened.store.keys.gate("daytona"))
    return bool(closed) and all(row and row.state == "due" for row in rows) and await opened.queue.length() == 0


async def test_a_crowd_keeps_to_the_budget_of_creates_and_goes_on_with_the_next_minute(
    opened: Opened, emulator: httpx2.AsyncClient, redis: Redis
) -> None:
    budget = 50
    ids = await crowd(opened)

    async with working(opened, opened.settings.model_copy(update={"creates_per_minute": budget}), connections=CROWD):
        await eventually(lambda: gated(opened, ids), 60)
        made = len((await emulator.get("/emulator/state")).json()["sandboxes"])
        waiting = [row for id in ids if (row := await opened.store.ledger.get(id)) and row.state == "due"]
        for key in (opened.store.keys.budget("daytona"), opened.store.keys.gate("daytona.createSandbox")):
            redis.delete(key)  # a minute has gone by
        redis.zadd(opened.store.keys.due, {row.id: 0 for row in waiting}, xx=True)
        await eventually(lambda: made_by(emulator, 2 * budget), 60)

    assert made == budget
    assert {row.attempts for row in waiting} == {0}
    assert all("the budget of daytona is spent" in (row.error or "") for row in waiting if row.error)


async def gated(opened: Opened, ids: list[str]) -> bool:
    """Whether the gate is closed, and every job has ended or waits behind it."""
    rows = [await opened.store.ledger.get(id) for id in ids]
    closed = await opened.store.redis.exists(opened.store.keys.gate("daytona.createSandbox"))
    settled = all(row and row.state in ("done", "due") for row in rows)
    return bool(closed) and settled and await opened.queue.length() == 0


async def made_by(emulator: httpx2.AsyncClient, count: int) -> bool:
    return len((await emulator.get("/emulator/state")).json()["sandboxes"]) == count
