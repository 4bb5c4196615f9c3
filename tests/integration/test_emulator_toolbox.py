"""The toolbox of an emulated sandbox, its previews, and Daytona's own routes about webhooks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from emulated import Emulated, emulating
from stage import eventually

from reactor.emulator import EmulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORGANIZATION = f"/api/webhooks/organizations/{EmulatorSettings().organization_id}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Emulated]:
    async with emulating() as emulated:
        yield emulated


@pytest_asyncio.fixture(loop_scope="module")
async def emulated(served: Emulated) -> Emulated:
    """An emulator that starts over, with a sandbox that has started."""
    await served.ask("POST", "/emulator/reset")
    await served.ask("POST", "/api/sandbox", {"name": "box"})
    return served


@pytest.mark.parametrize(
    ("command", "exit_code", "result"),
    [
        ("echo hello", 0, "hello\n"),
        ("true", 0, ""),
        ("false", 1, ""),
        ("exit 3", 3, ""),
        ("sleep 1 && echo done", 0, "done\n"),
        ("echo one && false && echo two", 1, "one\n"),
        ("git status", 0, "git status\n"),
    ],
)
async def test_a_command_runs_to_its_end(emulated: Emulated, command: str, exit_code: int, result: str) -> None:
    answer = await emulated.ask("POST", "/toolbox/box/process/execute", {"command": command})

    assert answer == {"exitCode": exit_code, "result": result}
    assert (await emulated.calls())["toolbox.ExecuteCommand"] == 1


async def test_a_command_that_outlasts_its_timeout_is_answered_408(emulated: Emulated) -> None:
    refused = await emulated.refused("POST", "/toolbox/box/process/execute", {"command": "sleep 9", "timeout": 5})

    assert refused == (408, "command execution timeout")


async def test_the_toolbox_is_where_the_sandbox_says_and_where_it_used_to_be(emulated: Emulated) -> None:
    box = await emulated.ask("GET", "/api/sandbox/box")
    url = await emulated.ask("GET", "/api/sandbox/box/toolbox-proxy-url")

    new = await emulated.ask("POST", f"{box['toolboxProxyUrl']}/{box['id']}/process/execute", {"command": "echo new"})
    old = await emulated.ask("POST", "/api/toolbox/box/toolbox/process/execute", {"command": "echo old"})

    assert url == {"url": box["toolboxProxyUrl"]}
    assert (new["result"], old["result"]) == ("new\n", "old\n")


async def test_only_a_started_sandbox_has_a_toolbox(emulated: Emulated) -> None:
    await emulated.ask("POST", "/api/sandbox/box/stop")
    await emulated.reached("/api/sandbox/box", "stopped")

    stopped = await emulated.refused("POST", "/toolbox/box/process/execute", {"command": "true"})
    absent = await emulated.refused("POST", "/toolbox/nobody/process/execute", {"command": "true"})

    assert stopped == (400, "Sandbox is not started. Current state: stopped")
    assert absent[0] == 404


async def test_a_session_runs_commands_that_are_waited_for_or_not(emulated: Emulated) -> None:
    sessions = "/toolbox/box/process/session"
    created = await emulated.http.post(sessions, json={"sessionId": "build"})
    again = await emulated.http.post(sessions, json={"sessionId": "build"})

    waited = await emulated.ask("POST", f"{sessions}/build/exec", {"command": "echo hello"})
    started = await emulated.http.post(
        f"{sessions}/build/exec", json={"command": "sleep 30 && echo late", "runAsync": True}
    )
    command = f"{sessions}/build/command/{started.json()['cmdId']}"
    running = await emulated.ask("GET", command)

    async def has_ended() -> bool:
        return bool((await emulated.ask("GET", command)).get("exitCode") == 0)

    await eventually(has_ended)
    assert (created.status_code, again.status_code, started.status_code) == (201, 409, 202)
    assert (waited["exitCode"], waited["stdout"]) == (0, "hello\n")
    assert (running["command"], "exitCode" in running) == ("sleep 30 && echo late", False)
    assert (await emulated.ask("GET", f"{command}/logs"))["output"] == "late\n"
    assert [session["sessionId"] for session in await emulated.ask("GET", sessions)] == ["build"]
    assert (await emulated.http.delete(f"{sessions}/build")).status_code == 204
    assert (await emulated.refused("GET", f"{sessions}/build"))[0] == 404


async def test_files_are_written_listed_read_and_deleted(emulated: Emulated) -> None:
    files = "/toolbox/box/files"

    await emulated.http.post(f"{files}/upload?path=/data/a.txt", files={"file": ("a.txt", b"\x00one\r\n")})
    await emulated.http.post(f"{files}/upload?path=b.txt", content=b"two")
    listed = await emulated.ask("GET", files, path="/data")
    at_home = await emulated.ask("GET", files)
    read = await emulated.http.get(f"{files}/download?path=/data/a.txt")
    deleted = await emulated.http.delete(f"{files}?path=/data/a.txt")

    assert [(file["name"], file["size"]) for file in listed] == [("a.txt", 6)]
    assert [file["name"] for file in at_home] == ["b.txt"]
    assert (read.content, deleted.status_code) == (b"\x00one\r\n", 204)
    assert (await emulated.refused("GET", f"{files}/download?path=/data/a.txt"))[0] == 404


async def test_the_proxys_questions_about_previews_are_answered(emulated: Emulated) -> None:
    box = await emulated.ask("GET", "/api/sandbox/box")
    preview = f"/api/preview/{box['id']}"
    url = await emulated.ask("GET", "/api/sandbox/box/ports/3000/preview-url")

    private = await emulated.ask("GET", f"{preview}/public")
    await emulated.ask("POST", "/api/sandbox/box/public/true")

    assert (private, await emulated.ask("GET", f"{preview}/public")) == (False, True)
    assert url["url"].startswith(f"https://3000-{box['id']}.")
    assert await emulated.ask("GET", f"{preview}/validate/{url['token']}") is True
    assert await emulated.ask("GET", f"{preview}/validate/wrong") is False
    assert await emulated.ask("GET", f"{preview}/access") is True
    assert (await emulated.refused("GET", "/api/preview/nobody/access"))[0] == 404


async def test_a_signed_preview_token_opens_one_port_until_it_is_taken_back(emulated: Emulated) -> None:
    ports = "/api/sandbox/box/ports/3000/signed-preview-url"
    signed = await emulated.ask("GET", ports, expiresInSeconds=30)

    opened = await emulated.ask("GET", f"/api/preview/{signed['token']}/3000/sandbox-id")
    other_port = await emulated.refused("GET", f"/api/preview/{signed['token']}/3001/sandbox-id")
    await emulated.ask("POST", f"{ports}/{signed['token']}/expire")
    taken_back = await emulated.refused("GET", f"/api/preview/{signed['token']}/3000/sandbox-id")

    assert opened == signed["sandboxId"]
    assert (other_port[0], taken_back[0]) == (404, 404)


async def test_webhooks_are_set_up_and_can_be_sent_and_looked_up(emulated: Emulated) -> None:
    await emulated.ask("PUT", "/emulator/endpoints", [{"url": "http://127.0.0.1:9/", "secret": "whsec_c2VjcmV0"}])
    event = {"eventType": "volume.created", "payload": {"event": "volume.created", "id": "vol-1"}}

    portal = await emulated.ask("POST", f"{ORGANIZATION}/app-portal-access")
    status = await emulated.ask("GET", f"{ORGANIZATION}/initialization-status")
    initialized = await emulated.http.post(f"{ORGANIZATION}/initialize")
    refreshed = await emulated.http.post(f"{ORGANIZATION}/refresh-endpoints")
    await emulated.ask("POST", f"{ORGANIZATION}/send", event)

    async def attempted() -> list[dict[str, str]]:
        attempts: list[dict[str, str]] = (await emulated.ask("GET", "/emulator/deliveries"))["deliveries"]
        return attempts

    message = (await eventually(attempted))[0]
    [attempt] = await emulated.ask("GET", f"{ORGANIZATION}/messages/{message['id']}/attempts")
    assert sorted(portal) == ["token", "url"]
    assert status["svixApplicationId"]
    assert (initialized.status_code, refreshed.status_code) == (201, 204)
    assert (message["type"], attempt["status"], attempt["responseStatusCode"]) == ("volume.created", 2, 0)
    assert await emulated.ask("GET", "/api/webhooks/status") == {"enabled": True}
    assert (await emulated.refused("POST", "/api/webhooks/organizations/other/initialize"))[0] == 403
