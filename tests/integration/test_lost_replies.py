"""The API acts and the connection is cut before it answers: what each kind of call comes to, counted at the API."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from conftest import Opened
from emulated import emulating
from stage import ended, planned, working

from reactor.emulator import EmulatorSettings
from reactor.store.ledger import Row
from reactor.store.plans import NewRow

pytestmark = pytest.mark.every_server

CREATES = {
    "a sandbox, by its label": ("daytona", "createSandbox", {"name": "box"}, "sandboxes"),
    "a volume, by the lock on its name": ("daytona", "createVolume", {"name": "data"}, "volumes"),
    "a snapshot, by the lock on its name": (
        "daytona",
        "createSnapshot",
        {"name": "s", "imageName": "i:1"},
        "snapshots",
    ),
    "a devbox, by its metadata": ("runloop", "createDevbox", {"name": "box"}, "devboxes"),
    "a devbox without a name": ("runloop", "createDevbox", {}, "devboxes"),
}


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """An emulator that the shipped configuration calls, for both of its APIs."""
    async with emulating() as emulated:
        url = str(emulated.http.base_url).rstrip("/")
        monkeypatch.setenv("DAYTONA_API_URL", f"{url}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        monkeypatch.setenv("RUNLOOP_API_URL", f"{url}/runloop")
        monkeypatch.setenv("RUNLOOP_API_KEY", EmulatorSettings().runloop_api_key)
        yield emulated.http


async def performed(opened: Opened, api: str, operation: str, body: Any, **parameters: str) -> Row:
    """Plan one call, let a worker perform it, and return its row."""
    what = {"operation": operation, "if_exists": "fail", "parameters": parameters, "body": body}
    await planned(opened, NewRow("row1", "a-rule", "call", api, what, operation))
    async with working(opened):
        return await ended(opened)


async def cut(emulator: httpx2.AsyncClient, operation: str) -> None:
    """From now on this operation acts, and its answer is lost."""
    faults = {"lost_reply": 1.0, "operations": [operation]}
    (await emulator.put("/emulator/faults", json=faults)).raise_for_status()


async def there_are(emulator: httpx2.AsyncClient, kind: str) -> int:
    return len((await emulator.get("/emulator/state")).json()[kind])


@pytest.mark.parametrize(("api", "operation", "body", "kind"), CREATES.values(), ids=CREATES.keys())
async def test_a_create_ends_with_one_resource(
    opened: Opened, emulator: httpx2.AsyncClient, api: str, operation: str, body: Any, kind: str
) -> None:
    await cut(emulator, operation if api == "daytona" else f"{api}.{operation}")

    row = await performed(opened, api, operation, body)

    assert (row.state, row.result and row.result["how"]) == ("done", "adopted"), row.error
    assert await there_are(emulator, kind) == 1


SAME_NAME = {
    "a sandbox": ("createSandbox", {"name": "box"}, "/api/sandbox"),
    "a volume": ("createVolume", {"name": "data"}, "/api/volumes"),
    "a snapshot": ("createSnapshot", {"name": "s", "imageName": "i:1"}, "/api/snapshots"),
}


@pytest.mark.parametrize(("operation", "body", "path"), SAME_NAME.values(), ids=SAME_NAME.keys())
async def test_what_a_person_made_under_the_name_is_not_adopted(
    opened: Opened, emulator: httpx2.AsyncClient, operation: str, body: Any, path: str
) -> None:
    (await emulator.post(path, json=body)).raise_for_status()

    row = await performed(opened, "daytona", operation, body)

    assert row.state == "dead"
    assert row.error is not None
    assert "exists and was not made by this job" in row.error


async def test_a_call_that_can_be_neither_found_nor_repeated_ends_unknown(
    opened: Opened, emulator: httpx2.AsyncClient
) -> None:
    box = (await emulator.post("/api/sandbox", json={"name": "parent"})).raise_for_status().json()
    await cut(emulator, "forkSandbox")

    row = await performed(opened, "daytona", "forkSandbox", {"name": "child"}, sandboxIdOrName=box["id"])

    assert row.state == "unknown"
    assert row.error is not None
    assert "the reply was lost" in row.error
