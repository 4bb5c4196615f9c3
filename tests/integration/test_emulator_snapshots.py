"""Snapshots at the emulator: from an image, from a build, from a sandbox, and what a sandbox can be made of."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from emulated import Emulated, emulating
from stage import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = {"name": "base", "imageName": "ubuntu:24.04"}
BUILD = {"dockerfileContent": "FROM ubuntu:24.04"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Emulated]:
    async with emulating() as emulated:
        yield emulated


@pytest_asyncio.fixture(loop_scope="module")
async def emulated(served: Emulated) -> Emulated:
    await served.ask("POST", "/emulator/reset")
    return served


async def test_a_snapshot_of_an_image_is_pulled_and_announces_every_state(emulated: Emulated) -> None:
    created = await emulated.ask("POST", "/api/snapshots", IMAGE)

    by_name = await emulated.reached("/api/snapshots/base", "active")

    events = await emulated.events("snapshot")
    assert (created["state"], by_name["id"]) == ("pending", created["id"])
    assert await emulated.states("snapshot") == ["pending", "pulling", "active"]
    assert list(events[0]) == ["event", "timestamp", "id", "name", "organizationId", "state", "createdAt"]
    assert list(events[1])[-3:] == ["oldState", "newState", "updatedAt"]


async def test_a_snapshot_that_is_built_says_building(emulated: Emulated) -> None:
    created = await emulated.ask("POST", "/api/snapshots", {"name": "base", "buildInfo": BUILD})

    await emulated.reached(f"/api/snapshots/{created['id']}", "active")

    assert await emulated.states("snapshot") == ["pending", "building", "active"]
    assert created["buildInfo"]["dockerfileContent"] == BUILD["dockerfileContent"]


@pytest.mark.parametrize(("body", "state"), [(IMAGE, "error"), ({"name": "base", "buildInfo": BUILD}, "build_failed")])
async def test_a_snapshot_that_fails_says_why(emulated: Emulated, body: dict[str, object], state: str) -> None:
    await emulated.faults(snapshot_error=1)

    await emulated.ask("POST", "/api/snapshots", body)

    assert (await emulated.reached("/api/snapshots/base", state))["errorReason"]


async def test_a_snapshots_name_is_taken_until_it_is_removed(emulated: Emulated) -> None:
    created = await emulated.ask("POST", "/api/snapshots", IMAGE)
    await emulated.reached("/api/snapshots/base", "active")

    taken = await emulated.refused("POST", "/api/snapshots", IMAGE)
    await emulated.ask("DELETE", f"/api/snapshots/{created['id']}")
    [removed] = await eventually(lambda: emulated.events("snapshot.removed"))

    assert taken == (409, 'Snapshot with name "base" already exists for this organization')
    assert list(removed) == ["event", "timestamp", "name", "organizationId", "removedAt"]
    assert (await emulated.states("snapshot"))[-2] == "removing"
    assert (await emulated.refused("GET", "/api/snapshots/base"))[0] == 404
    assert (await emulated.ask("POST", "/api/snapshots", IMAGE))["id"] != created["id"]


async def test_a_snapshot_put_aside_is_pulled_again_when_activated(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/snapshots", IMAGE)
    await emulated.reached("/api/snapshots/base", "active")

    already = await emulated.refused("POST", "/api/snapshots/base/activate")
    aside = await emulated.http.post("/api/snapshots/base/deactivate")
    inactive = await emulated.ask("GET", "/api/snapshots/base")
    activated = await emulated.ask("POST", "/api/snapshots/base/activate")
    await emulated.reached("/api/snapshots/base", "active")

    assert already == (400, "Snapshot base is already active")
    assert (aside.status_code, inactive["state"], activated["state"]) == (204, "inactive", "pending")
    assert await emulated.states("snapshot") == [
        "pending",
        "pulling",
        "active",
        "inactive",
        "pending",
        "pulling",
        "active",
    ]


async def test_snapshots_are_listed_newest_first_and_by_a_part_of_their_name(emulated: Emulated) -> None:
    for name in ("base-1", "base-2", "other"):
        await emulated.ask("POST", "/api/snapshots", {**IMAGE, "name": name})

    first = await emulated.ask("GET", "/api/snapshots", limit=2)
    bases = await emulated.ask("GET", "/api/snapshots", name="base")

    assert [item["name"] for item in first["items"]] == ["other", "base-2"]
    assert (first["total"], first["page"], first["totalPages"]) == (3, 1, 2)
    assert [item["name"] for item in bases["items"]] == ["base-2", "base-1"]


@pytest.mark.parametrize("state", ["started", "stopped"])
async def test_a_captured_sandbox_returns_to_its_state_and_its_snapshot_is_active_at_once(
    emulated: Emulated, state: str
) -> None:
    sandbox = await emulated.ask("POST", "/api/sandbox", {"name": "box"})
    if state == "stopped":
        await emulated.ask("POST", "/api/sandbox/box/stop")
        await emulated.reached("/api/sandbox/box", "stopped")

    await emulated.ask("POST", "/api/sandbox/box/snapshot", {"name": "copy"})
    [event] = await eventually(lambda: emulated.events("snapshot"))
    await emulated.reached("/api/sandbox/box", state)

    assert (event["event"], event["name"], event["state"]) == ("snapshot.created", "copy", "active")
    assert (await emulated.states("sandbox"))[-2:] == ["snapshotting", state]
    assert (await emulated.ask("GET", "/api/snapshots/copy"))["sourceSandboxId"] == sandbox["id"]


async def test_a_failed_capture_leaves_no_snapshot_and_no_event_of_one(emulated: Emulated) -> None:
    await emulated.faults(capture_error=1)
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})

    await emulated.ask("POST", "/api/sandbox/box/snapshot", {"name": "copy"})

    async def returned() -> bool:
        return (await emulated.states("sandbox"))[-2:] == ["snapshotting", "started"]

    await eventually(returned)
    assert await emulated.events("snapshot") == []
    assert (await emulated.refused("GET", "/api/snapshots/copy"))[0] == 404


async def test_a_sandbox_is_made_only_of_a_snapshot_that_is_active(emulated: Emulated) -> None:
    await emulated.faults(event_before_commit=0.2)
    await emulated.ask("POST", "/api/snapshots", IMAGE)

    too_soon = await emulated.refused("POST", "/api/sandbox", {"snapshot": "base"})
    await emulated.reached("/api/snapshots/base", "active")
    await emulated.ask("POST", "/api/sandbox", {"snapshot": "base"})

    assert too_soon == (400, "Snapshot base is pending")
    assert (await emulated.ask("GET", "/api/snapshots/base"))["lastUsedAt"]


async def test_any_snapshot_name_will_do_unless_only_known_ones_may(emulated: Emulated) -> None:
    accepted = await emulated.ask("POST", "/api/sandbox", {"snapshot": "build-base"})
    await emulated.faults(known_snapshots_only=True)
    refused = await emulated.refused("POST", "/api/sandbox", {"snapshot": "build-base"})

    assert accepted["snapshot"] == "build-base"
    assert refused == (400, "Snapshot build-base not found. Did you add it through the Daytona Dashboard?")
