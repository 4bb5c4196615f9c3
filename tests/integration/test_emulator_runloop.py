"""Runloop at the emulator: devboxes and waiting for them, commands that outlast a call, images, objects."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from emulated import Emulated, emulating
from stage import eventually

from reactor.emulator import EmulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = EmulatorSettings().runloop_api_key
DEVBOXES = "/runloop/v1/devboxes"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Emulated]:
    async with emulating(KEY) as emulated:
        yield emulated


@pytest_asyncio.fixture(loop_scope="module")
async def emulated(served: Emulated) -> Emulated:
    await served.ask("POST", "/emulator/reset")
    return served


async def running_devbox(emulated: Emulated, **body: object) -> str:
    """Create a devbox, wait for it with one call, and return its path."""
    devbox = await emulated.ask("POST", DEVBOXES, body)
    path = f"{DEVBOXES}/{devbox['id']}"
    await emulated.ask("POST", f"{path}/wait_for_status", {"statuses": ["running"], "timeout_seconds": 30})
    return path


async def test_a_devbox_boots_and_remembers_every_status(emulated: Emulated) -> None:
    created = await emulated.ask("POST", DEVBOXES, {"name": "box", "blueprint_id": None, "metadata": {"team": "a"}})

    devbox = await emulated.reached(f"{DEVBOXES}/{created['id']}", "running", "status")

    statuses = [step["status"] for step in devbox["state_transitions"]]
    assert (created["status"], created["metadata"]) == ("queued", {"team": "a"})
    assert statuses == ["queued", "provisioning", "initializing", "running"]
    assert (await emulated.calls())["runloop.createDevbox"] == 1
    assert (await emulated.ask("GET", "/emulator/deliveries"))["dropped"] == []


async def test_waiting_holds_the_call_until_a_listed_status_is_reached(emulated: Emulated) -> None:
    devbox = await emulated.ask("POST", DEVBOXES, {})
    wait = {"statuses": ["running", "failure"], "timeout_seconds": 30}

    reached = await emulated.ask("POST", f"{DEVBOXES}/{devbox['id']}/wait_for_status", wait)

    assert reached["status"] == "running"


async def test_a_wait_that_takes_too_long_is_answered_408(emulated: Emulated) -> None:
    await emulated.faults(devbox_boot=30)
    devbox = await emulated.ask("POST", DEVBOXES, {})
    started = time.monotonic()

    refused = await emulated.refused(
        "POST", f"{DEVBOXES}/{devbox['id']}/wait_for_status", {"statuses": ["running"], "timeout_seconds": 600}
    )

    assert refused == (408, "Timeout waiting for status")
    assert 0.3 <= time.monotonic() - started < 3
    assert (await emulated.ask("GET", f"{DEVBOXES}/{devbox['id']}"))["status"] == "provisioning"


async def test_a_held_call_is_let_go_when_the_emulator_starts_over(emulated: Emulated) -> None:
    await emulated.faults(devbox_boot=30)
    devbox = await emulated.ask("POST", DEVBOXES, {})
    wait = f"{DEVBOXES}/{devbox['id']}/wait_for_status"

    held = asyncio.create_task(emulated.refused("POST", wait, {"statuses": ["running"], "timeout_seconds": 30}))
    await eventually(lambda: is_called(emulated, "runloop.waitForDevboxStatus"))
    await emulated.ask("POST", "/emulator/reset")

    assert (await held)[0] == 408


async def is_called(emulated: Emulated, operation: str) -> bool:
    return operation in await emulated.calls()


async def test_wrong_waits_keys_and_ids_are_refused(emulated: Emulated) -> None:
    devbox = await emulated.ask("POST", DEVBOXES, {})

    wrong_status = await emulated.refused("POST", f"{DEVBOXES}/{devbox['id']}/wait_for_status", {"statuses": ["done"]})
    no_status = await emulated.refused("POST", f"{DEVBOXES}/{devbox['id']}/wait_for_status", {"statuses": []})
    unknown = await emulated.refused("POST", f"{DEVBOXES}/dbx_x/wait_for_status", {"statuses": ["running"]})
    wrong_key = await emulated.http.get(DEVBOXES, headers={"authorization": "Bearer wrong"})

    assert (wrong_status[0], no_status[0], wrong_key.status_code) == (400, 400, 401)
    assert unknown == (404, "Devbox not found")


async def test_a_devbox_that_fails_to_boot_says_why(emulated: Emulated) -> None:
    await emulated.faults(devbox_error=1)
    devbox = await emulated.ask("POST", DEVBOXES, {})

    failed = await emulated.ask("POST", f"{DEVBOXES}/{devbox['id']}/wait_for_status", {"statuses": ["failure"]})

    assert failed["failure_reason"] == failed["state_transitions"][-1]["failure_reason"] == "health_check_failed"


async def test_a_devbox_is_suspended_resumed_and_shut_down(emulated: Emulated) -> None:
    path = await running_devbox(emulated)

    suspending = await emulated.ask("POST", f"{path}/suspend")
    await emulated.ask("POST", f"{path}/wait_for_status", {"statuses": ["suspended"]})
    resuming = await emulated.ask("POST", f"{path}/resume")
    await emulated.ask("POST", f"{path}/wait_for_status", {"statuses": ["running"]})
    not_suspended = await emulated.refused("POST", f"{path}/resume")
    await emulated.ask("POST", f"{path}/keep_alive")
    shut_down = await emulated.ask("POST", f"{path}/shutdown")

    assert (suspending["status"], resuming["status"], not_suspended[0]) == ("suspending", "resuming", 400)
    assert (shut_down["status"], shut_down["shutdown_reason"]) == ("shutdown", "api_shutdown")
    assert (await emulated.refused("POST", f"{path}/execute_async", {"command": "true"}))[0] == 400


async def test_devboxes_may_share_a_name_and_are_listed_newest_first(emulated: Emulated) -> None:
    ids = [(await emulated.ask("POST", DEVBOXES, {"name": "box", "metadata": {"n": str(n)}}))["id"] for n in range(3)]

    first = await emulated.ask("GET", DEVBOXES, limit=2)
    second = await emulated.ask("GET", DEVBOXES, limit=2, starting_after=ids[1])
    none = await emulated.ask("GET", DEVBOXES, status="suspended")

    assert [devbox["id"] for devbox in first["devboxes"]] == [ids[2], ids[1]]
    assert (first["has_more"], first["total_count"]) == (True, 3)
    assert [(devbox["id"], devbox["metadata"]) for devbox in second["devboxes"]] == [(ids[0], {"n": "0"})]
    assert (second["has_more"], none["devboxes"]) == (False, [])


async def test_a_command_outlasts_one_long_poll_and_completes_in_the_next(emulated: Emulated) -> None:
    path = await running_devbox(emulated)
    started = await emulated.ask("POST", f"{path}/execute_async", {"command": "sleep 45 && echo done && exit 2"})
    wait = f"{path}/executions/{started['execution_id']}/wait_for_status"

    first = await emulated.refused("POST", wait, {"statuses": ["completed"], "timeout_seconds": 60})
    meanwhile = await emulated.ask("GET", f"{path}/executions/{started['execution_id']}")
    second = await emulated.ask("POST", wait, {"statuses": ["completed"]})

    assert first == (408, "Timeout waiting for status")
    assert (started["status"], meanwhile["status"], "stdout" in meanwhile) == ("queued", "running", False)
    assert (second["status"], second["exit_status"], second["stdout"]) == ("completed", 2, "done\n")


async def test_a_command_with_a_known_id_is_not_started_again(emulated: Emulated) -> None:
    path = await running_devbox(emulated)
    command = {"command_id": str(uuid4()), "command": "sleep 30 && echo once", "optimistic_timeout": 10}

    late = await emulated.refused("POST", f"{path}/execute", command)
    again = await emulated.ask(
        "POST", f"{path}/execute", {**command, "command": "echo twice", "optimistic_timeout": 25}
    )

    assert late[0] == 408
    assert (again["execution_id"], again["stdout"]) == (command["command_id"], "once\n")


async def test_a_devbox_is_made_of_a_copied_disk_and_not_shut_down_while_that_is_copied() -> None:
    async with emulating(KEY, time_scale=0.05) as emulated:
        path = await running_devbox(emulated)

        snapshot = await emulated.ask("POST", f"{path}/snapshot_disk_async", {"name": "disk"})
        status = f"{DEVBOXES}/disk_snapshots/{snapshot['id']}/status"
        copying, busy, too_soon = await asyncio.gather(
            emulated.ask("GET", status),
            emulated.refused("POST", f"{path}/shutdown"),
            emulated.refused("POST", DEVBOXES, {"snapshot_id": snapshot["id"]}),
        )
        complete = await emulated.reached(status, "complete", "status")
        restored = await emulated.ask("POST", DEVBOXES, {"snapshot_id": snapshot["id"]})

        listed = await emulated.ask("GET", f"{DEVBOXES}/disk_snapshots", devbox_id=snapshot["source_devbox_id"])
        assert (copying["status"], busy[0], too_soon[0]) == ("in_progress", 409, 400)
        assert complete["snapshot"] == listed["snapshots"][0] == snapshot
        assert restored["snapshot_id"] == snapshot["id"]


async def test_a_deleted_copy_of_a_disk_is_listed_no_more(emulated: Emulated) -> None:
    path = await running_devbox(emulated)
    snapshot = await emulated.ask("POST", f"{path}/snapshot_disk_async", {})

    await emulated.ask("POST", f"{DEVBOXES}/disk_snapshots/{snapshot['id']}/delete")

    status = await emulated.ask("GET", f"{DEVBOXES}/disk_snapshots/{snapshot['id']}/status")
    assert status == {"status": "deleted"}
    assert (await emulated.ask("GET", f"{DEVBOXES}/disk_snapshots"))["snapshots"] == []


async def test_a_disk_that_can_not_be_copied_says_so(emulated: Emulated) -> None:
    await emulated.faults(snapshot_error=1)
    path = await running_devbox(emulated)

    snapshot = await emulated.ask("POST", f"{path}/snapshot_disk_async")

    failed = await emulated.reached(f"{DEVBOXES}/disk_snapshots/{snapshot['id']}/status", "error", "status")
    assert failed["error_message"]


@pytest.mark.parametrize(("fails", "end"), [(0, "build_complete"), (1, "failed")])
async def test_a_blueprint_is_built_and_usable_only_when_that_went_well(
    emulated: Emulated, fails: int, end: str
) -> None:
    await emulated.faults(blueprint_error=fails)

    blueprint = await emulated.ask("POST", "/runloop/v1/blueprints", {"name": "image", "dockerfile": "FROM ubuntu"})
    built = await emulated.reached(f"/runloop/v1/blueprints/{blueprint['id']}", end, "status")
    by_id = await emulated.http.post(DEVBOXES, json={"blueprint_id": blueprint["id"]})
    by_name = await emulated.http.post(DEVBOXES, json={"blueprint_name": "image"})

    listed = await emulated.ask("GET", "/runloop/v1/blueprints", name="image")
    assert blueprint["status"] == "provisioning"
    assert listed["blueprints"] == [built]
    assert (by_id.status_code, by_name.status_code) == ((400, 400) if fails else (200, 200))


async def test_an_object_is_written_completed_and_read_without_a_key(emulated: Emulated) -> None:
    created = await emulated.ask("POST", "/runloop/v1/objects", {"name": "a.tgz", "content_type": "tgz"})
    path = f"/runloop/v1/objects/{created['id']}"

    too_soon = await emulated.refused("GET", f"{path}/download")
    async with httpx2.AsyncClient() as stranger:
        await stranger.put(created["upload_url"], content=b"artifact")
        completed = await emulated.ask("POST", f"{path}/complete", {})
        late = await stranger.put(created["upload_url"], content=b"other")
        url = (await emulated.ask("GET", f"{path}/download"))["download_url"]
        read = await stranger.get(url)

    assert (created["state"], completed["state"], completed["size_bytes"]) == ("UPLOADING", "READ_ONLY", 8)
    assert (too_soon[0], late.status_code, read.content) == (400, 403, b"artifact")
    assert (await emulated.ask("POST", f"{path}/delete"))["state"] == "DELETED"
    assert (await emulated.ask("GET", "/runloop/v1/objects"))["objects"] == []
