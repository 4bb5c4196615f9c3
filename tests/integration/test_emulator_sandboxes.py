"""Sandboxes at the emulator: every way to move one, and reading and listing them while the API lags behind."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from emulated import Emulated, emulating
from stage import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUILD = {"name": "box", "buildInfo": {"dockerfileContent": "FROM ubuntu:24.04"}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Emulated]:
    async with emulating() as emulated:
        yield emulated


@pytest_asyncio.fixture(loop_scope="module")
async def emulated(served: Emulated) -> Emulated:
    await served.ask("POST", "/emulator/reset")
    return served


async def test_a_sandbox_to_be_built_is_not_waited_for(emulated: Emulated) -> None:
    created = await emulated.ask("POST", "/api/sandbox", BUILD)

    await emulated.reached("/api/sandbox/box", "started")

    assert created["state"] == "pending_build"
    assert await emulated.states("sandbox") == [
        "pending_build",
        "building_snapshot",
        "unknown",
        "creating",
        "started",
    ]


async def test_a_sandbox_whose_build_fails_ends_in_build_failed(emulated: Emulated) -> None:
    await emulated.faults(sandbox_error=1)

    await emulated.ask("POST", "/api/sandbox", BUILD)

    assert (await emulated.reached("/api/sandbox/box", "build_failed"))["errorReason"] == "Failed to build"
    assert await emulated.states("sandbox") == ["pending_build", "building_snapshot", "build_failed"]


async def test_an_archived_sandbox_is_restored_and_a_paused_one_resumed(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})

    for change, state in (
        ("pause", "paused"),
        ("start", "started"),
        ("stop", "stopped"),
        ("archive", "archived"),
        ("start", "started"),
    ):
        await emulated.ask("POST", f"/api/sandbox/box/{change}")
        await emulated.reached("/api/sandbox/box", state)

    passed = (await emulated.states("sandbox"))[3::2]
    assert passed == ["pausing", "resuming", "stopping", "archiving", "restoring"]


async def test_a_sandbox_that_failed_is_recovered(emulated: Emulated) -> None:
    await emulated.faults(sandbox_error=1)
    await emulated.http.post("/api/sandbox", json={"name": "box"})

    await emulated.ask("POST", "/api/sandbox/box/recover")

    recovered = await emulated.reached("/api/sandbox/box", "started")
    assert "errorReason" not in recovered
    assert (await emulated.refused("POST", "/api/sandbox/box/recover"))[0] == 400


async def test_a_resized_sandbox_returns_to_its_state_with_other_resources(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})

    await emulated.faults(event_before_commit=0.1)
    await emulated.ask("POST", "/api/sandbox/box/resize", {"cpu": 4})
    busy = await emulated.refused("POST", "/api/sandbox/box/stop")

    async def is_resized() -> bool:
        shown = await emulated.ask("GET", "/api/sandbox/box")
        return (shown["cpu"], shown["memory"], shown["state"]) == (4, 1, "started")

    await eventually(is_resized)
    assert busy == (409, "Sandbox state change in progress")
    assert (await emulated.refused("POST", "/api/sandbox/box/resize", {"cpu": 0}))[0] == 400


async def test_a_fork_is_created_creating_while_its_parent_forks(emulated: Emulated) -> None:
    parent = await emulated.ask("POST", "/api/sandbox", {"name": "box", "labels": {"team": "a"}})

    fork = await emulated.ask("POST", "/api/sandbox/box/fork", {"name": "copy"})
    await emulated.reached("/api/sandbox/copy", "started")

    async def has_forked() -> bool:
        return (await states_of(emulated, parent["id"]))[-2:] == ["forking", "started"]

    await eventually(has_forked)
    await emulated.reached("/api/sandbox/box", "started")
    assert (fork["state"], fork["labels"]) == ("creating", {"team": "a"})
    assert await states_of(emulated, fork["id"]) == ["creating", "started"]
    assert (await emulated.refused("DELETE", "/api/sandbox/box"))[0] in (400, 409)


async def states_of(emulated: Emulated, sandbox_id: str) -> list[str]:
    events = await emulated.events("sandbox")
    return [event.get("newState", event.get("state", "")) for event in events if event["id"] == sandbox_id]


async def test_intervals_and_visibility_are_kept(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})

    for path in ("autostop/5", "autopause/6", "autoarchive/7", "autodelete/-1", "ttl/8", "public/true"):
        await emulated.ask("POST", f"/api/sandbox/box/{path}")

    box = await emulated.ask("GET", "/api/sandbox/box")
    assert (box["autoStopInterval"], box["autoPauseInterval"], box["autoArchiveInterval"]) == (5, 6, 7)
    assert (box["autoDeleteInterval"], box["public"], "autoDestroyAt" in box) == (-1, True, True)
    assert (await emulated.refused("POST", "/api/sandbox/box/autostop/soon"))[0] == 400


async def test_listings_that_lag_show_new_labels_states_and_sandboxes_later(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "old", "labels": {"team": "a"}})
    await emulated.faults(list_lag=0.6)
    started = time.monotonic()
    await emulated.ask("PUT", "/api/sandbox/old/labels", {"labels": {"team": "b"}})
    await emulated.ask("POST", "/api/sandbox", {"name": "new", "labels": {"team": "b"}})

    async def listed() -> list[str]:
        items = (await emulated.ask("GET", "/api/sandbox", labels='{"team": "b"}'))["items"]
        return [item["name"] for item in items]

    async def both_are_listed() -> bool:
        return await listed() == ["old", "new"]

    at_first = await listed()
    assert (at_first, (await emulated.ask("GET", "/api/sandbox/new"))["state"]) == ([], "started")
    await eventually(both_are_listed)
    assert time.monotonic() - started >= 0.6


async def test_a_cached_read_repeats_what_was_read_first(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})
    await emulated.faults(read_cache=0.6)
    read_at = time.monotonic()
    assert (await emulated.ask("GET", "/api/sandbox/box"))["state"] == "started"

    await emulated.ask("POST", "/api/sandbox/box/stop")
    await eventually(lambda: stopped(emulated))
    cached = (await emulated.ask("GET", "/api/sandbox/box"))["state"]
    await emulated.reached("/api/sandbox/box", "stopped")

    assert cached == "started"
    assert time.monotonic() - read_at >= 0.6


async def stopped(emulated: Emulated) -> bool:
    return (await emulated.states("sandbox"))[-1] == "stopped"


async def test_a_limit_refuses_what_is_over_it_until_its_window_has_passed(emulated: Emulated) -> None:
    limits = {"authenticated": {"limit": 100, "window": 60}, "sandbox-create": {"limit": 1, "window": 0.8}}
    await emulated.ask("PUT", "/emulator/limits", limits)

    first = await emulated.http.post("/api/sandbox", json={})
    second = await emulated.http.post("/api/sandbox", json={})
    other = await emulated.http.get("/api/volumes")

    async def is_let_through() -> bool:
        return (await emulated.http.post("/api/sandbox", json={})).status_code == 200

    assert (first.status_code, first.headers["X-RateLimit-Remaining-sandbox-create"]) == (200, "0")
    assert (second.status_code, second.json()["message"]) == (429, "ThrottlerException: Too Many Requests")
    assert (second.headers["Retry-After-sandbox-create"], second.headers["X-RateLimit-Limit-sandbox-create"]) == (
        "1",
        "1",
    )
    assert "retry-after" not in second.headers
    assert other.headers["X-RateLimit-Remaining-authenticated"] == "97"
    log = (await emulated.ask("GET", "/emulator/calls"))["log"]
    assert [call["status"] for call in log] == [200, 429, 200]
    await eventually(is_let_through)


async def test_a_limit_of_lifecycle_calls_spares_reads(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox", {"name": "box"})
    await emulated.ask("PUT", "/emulator/limits", {"sandbox-lifecycle": {"limit": 0}})

    stop, read = await asyncio.gather(
        emulated.http.post("/api/sandbox/box/stop"), emulated.http.get("/api/sandbox/box")
    )

    assert (stop.status_code, read.status_code, read.json()["state"]) == (429, 200, "started")


async def test_a_replaced_key_is_refused_until_the_caller_has_the_new_one(emulated: Emulated) -> None:
    await emulated.ask("PUT", "/emulator/keys", {"daytona": "dtn_new"})

    old = await emulated.http.get("/api/volumes")
    new = await emulated.http.get("/api/volumes", headers={"authorization": "Bearer dtn_new"})
    await emulated.ask("POST", "/emulator/reset")
    again = await emulated.http.get("/api/volumes")

    assert (old.status_code, new.status_code, again.status_code) == (401, 200, 200)
