"""An API whose server is told by another one: the toolbox of a sandbox, behind the proxy that Daytona names."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from conftest import CONFIG, LOOPBACK
from emulated import Emulated, emulating

from reactor.apis.client import Api, ApiClient
from reactor.config import load_config
from reactor.emulator import EmulatorSettings
from reactor.errors import PermanentError
from reactor.secrets import Secret


@pytest.fixture
async def emulated(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulated]:
    async with emulating() as emulated:
        monkeypatch.setenv("DAYTONA_API_URL", f"{str(emulated.http.base_url).rstrip('/')}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        monkeypatch.delenv("DAYTONA_TOOLBOX_URL", raising=False)
        await emulated.ask("POST", "/api/sandbox", {"name": "box"})
        yield emulated


def toolbox(*hosts: str) -> Api:
    api = load_config(CONFIG).apis["daytona-toolbox"]
    return replace(api, key=Secret("KEY", env="DAYTONA_API_KEY", hosts=hosts))


async def test_the_server_is_asked_for_once_and_called(emulated: Emulated) -> None:
    client, api = ApiClient(private=LOOPBACK), toolbox("127.0.0.1")

    for _ in range(3):
        reply = await client.call(api, "ExecuteCommand", {"sandboxId": "box"}, {"command": "echo hi"})
    await client.close()

    assert reply.data["result"] == "hi\n"
    calls = await emulated.calls()
    assert (calls["getToolboxProxyUrl"], calls["toolbox.ExecuteCommand"]) == (1, 3)


async def test_a_server_that_the_key_may_not_go_to_is_not_called(emulated: Emulated) -> None:
    client, api = ApiClient(private=LOOPBACK), toolbox("*.daytona.io")

    with pytest.raises(
        PermanentError, match=r"getToolboxProxyUrl tells 'http://127.0.0.1.*, expected a URL of \*.daytona.io"
    ):
        await client.call(api, "ExecuteCommand", {"sandboxId": "box"}, {"command": "echo hi"})
    await client.close()

    assert "toolbox.ExecuteCommand" not in await emulated.calls()


async def test_a_server_from_the_environment_needs_no_telling(
    emulated: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYTONA_TOOLBOX_URL", str(emulated.http.base_url).rstrip("/"))
    client = ApiClient(private=LOOPBACK)

    await client.call(toolbox(), "ExecuteCommand", {"sandboxId": "box"}, {"command": "echo hi"})
    await client.close()

    assert "getToolboxProxyUrl" not in await emulated.calls()
