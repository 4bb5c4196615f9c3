"""The emulator keeps to the APIs' documents: its operations are theirs, and its answers fit their schemas."""

import json
import re
from collections.abc import AsyncIterator, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from emulated import Emulated, emulating
from stage import eventually

from reactor.emulator import EmulatorSettings
from reactor.emulator.api import Operation
from reactor.emulator.organization import Organization

pytestmark = pytest.mark.asyncio(loop_scope="module")

APIS = Path(__file__).parents[2] / "config" / "apis"

RETIRED = {"WebhookController_sendWebhook", "WebhookController_getMessageAttempts", "WebhookController_getStatus"}
"""Operations of older servers that the document no longer has."""


@cache
def document(name: str) -> Any:
    return json.loads((APIS / f"{name}.openapi.json").read_text())


def rows(name: str) -> set[tuple[str, str, str]]:
    return {
        (method.upper(), shape(path), operation["operationId"])
        for path, methods in document(name)["paths"].items()
        for method, operation in methods.items()
    }


def shape(path: str) -> str:
    return re.sub(r"{\w+(:int)?}", "{}", path)


def table(operations: Iterable[Operation], below: str = "") -> set[tuple[str, str, str]]:
    return {(row.method, shape(below + row.path), row.id) for row in operations if row.id not in RETIRED}


def fits(name: str, schema: str, answer: Any) -> None:
    """Raise ValidationError unless an answer fits a schema of a document."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": document(name)["components"]}
    jsonschema_rs.validate(root, answer)


async def test_what_does_not_fit_a_schema_is_noticed() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        fits("daytona", "VolumeDto", {"id": "vol-1"})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def daytona() -> AsyncIterator[Emulated]:
    async with emulating() as emulated:
        yield emulated


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def runloop() -> AsyncIterator[Emulated]:
    async with emulating(EmulatorSettings().runloop_api_key) as emulated:
        yield emulated


async def test_every_operation_is_one_of_the_document() -> None:
    organization = Organization(EmulatorSettings())

    daytona, runloop = organization.daytona, organization.runloop

    assert table(daytona.operations()) <= rows("daytona")
    assert table(daytona.toolbox.operations(), "/toolbox/{sandboxId}") <= rows("daytona-toolbox")
    assert table(runloop.operations()) <= rows("runloop")
    await organization.close()


async def test_daytonas_answers_fit_its_schemas(daytona: Emulated) -> None:
    build = {"dockerfileContent": "FROM ubuntu:24.04"}
    fits("daytona", "VolumeDto", await daytona.ask("POST", "/api/volumes", {"name": "data"}))
    fits("daytona", "SnapshotDto", await daytona.ask("POST", "/api/snapshots", {"name": "base", "buildInfo": build}))
    fits("daytona", "Sandbox", await daytona.ask("POST", "/api/sandbox", {"name": "box"}))
    fits("daytona", "Sandbox", await daytona.ask("POST", "/api/sandbox", {"name": "built", "buildInfo": build}))

    for path, schema in (
        ("/api/sandbox", "ListSandboxesResponse"),
        ("/api/sandbox/paginated", "PaginatedSandboxes_deprecated"),
        ("/api/snapshots", "PaginatedSnapshots"),
        ("/api/sandbox/box/toolbox-proxy-url", "ToolboxProxyUrl"),
        ("/api/sandbox/box/ports/3000/preview-url", "PortPreviewUrl"),
        ("/api/sandbox/box/ports/3000/signed-preview-url", "SignedPortPreviewUrl"),
    ):
        fits("daytona", schema, await daytona.ask("GET", path))


async def test_the_toolboxs_answers_fit_its_schemas(daytona: Emulated) -> None:
    await daytona.ask("POST", "/api/sandbox", {"name": "tools"})
    session = "/toolbox/tools/process/session"
    executed = await daytona.ask("POST", "/toolbox/tools/process/execute", {"command": "true"})
    await daytona.ask("POST", session, {"sessionId": "s"})

    in_session = await daytona.ask("POST", f"{session}/s/exec", {"command": "echo hello"})

    command = f"{session}/s/command/{in_session['cmdId']}"
    fits("daytona-toolbox", "ExecuteResponse", executed)
    fits("daytona-toolbox", "SessionExecuteResponse", in_session)
    fits("daytona-toolbox", "Session", await daytona.ask("GET", f"{session}/s"))
    fits("daytona-toolbox", "Command", await daytona.ask("GET", command))
    fits("daytona-toolbox", "SessionCommandLogsResponse", await daytona.ask("GET", f"{command}/logs"))


async def test_runloops_answers_fit_its_schemas(runloop: Emulated) -> None:
    devbox = await runloop.ask("POST", "/runloop/v1/devboxes", {"name": "box"})
    path = f"/runloop/v1/devboxes/{devbox['id']}"
    running = await runloop.ask("POST", f"{path}/wait_for_status", {"statuses": ["running"], "timeout_seconds": 30})

    execution = await runloop.ask("POST", f"{path}/execute", {"command_id": "id", "command": "echo hello"})
    snapshot = await runloop.ask("POST", f"{path}/snapshot_disk_async", {})
    blueprint = await runloop.ask("POST", "/runloop/v1/blueprints", {"name": "image"})
    stored = await runloop.ask("POST", "/runloop/v1/objects", {"name": "a", "content_type": "text"})
    status = await runloop.ask("GET", f"/runloop/v1/devboxes/disk_snapshots/{snapshot['id']}/status")

    for schema, answer in (
        ("DevboxView", devbox),
        ("DevboxView", running),
        ("DevboxAsyncExecutionDetailView", execution),
        ("DevboxSnapshotView", snapshot),
        ("DevboxSnapshotAsyncStatusView", status),
        ("BlueprintView", blueprint),
        ("ObjectView", stored),
        ("DevboxListView", await runloop.ask("GET", "/runloop/v1/devboxes")),
        ("DevboxSnapshotListView", await runloop.ask("GET", "/runloop/v1/devboxes/disk_snapshots")),
        ("BlueprintListView", await runloop.ask("GET", "/runloop/v1/blueprints")),
        ("ObjectListView", await runloop.ask("GET", "/runloop/v1/objects")),
    ):
        fits("runloop", schema, answer)


async def test_daytonas_events_fit_their_schemas(daytona: Emulated) -> None:
    volume = await daytona.ask("POST", "/api/volumes", {"name": "mounted"})
    await daytona.reached(f"/api/volumes/{volume['id']}", "ready")
    await daytona.ask("POST", "/api/sandbox", {"name": "mounting"})
    await daytona.ask("POST", "/api/snapshots", {"name": "short-lived", "imageName": "ubuntu:24.04"})
    await daytona.reached("/api/snapshots/short-lived", "active")
    await daytona.ask("DELETE", "/api/snapshots/short-lived")
    await eventually(lambda: daytona.events("snapshot.removed"))

    events = await daytona.events("")

    webhooks = document("daytona-webhooks")["webhooks"]
    assert {event["event"] for event in events} == set(webhooks)
    for event in events:
        schema = webhooks[event["event"]]["post"]["requestBody"]["content"]["application/json"]["schema"]
        fits("daytona-webhooks", schema["$ref"].rpartition("/")[2], event)


async def test_what_is_not_emulated_is_answered_by_an_example_of_the_document(daytona: Emulated) -> None:
    told = await daytona.ask("GET", "/api/organizations/org-7")
    member = await daytona.ask("GET", "/api/sandbox/nobody/telemetry/metrics")

    fits("daytona", "Organization", told)
    assert member
    assert (await daytona.calls())["getOrganization"] == 1


@pytest.mark.parametrize(
    ("kind", "path", "state"),
    [
        ("volume", "/api/volumes/given", "error"),
        ("snapshot", "/api/snapshots/given", "inactive"),
        ("sandbox", "/api/sandbox/given", "archived"),
    ],
)
async def test_a_resource_can_be_there_in_any_state_and_nobody_is_told(
    daytona: Emulated, kind: str, path: str, state: str
) -> None:
    before = len(await daytona.events(""))

    await daytona.ask("POST", "/emulator/given", {"kind": kind, "name": "given", "state": state})

    shown = await daytona.ask("GET", path)
    assert (shown["name"], shown["state"]) == ("given", state)
    assert len(await daytona.events("")) == before
