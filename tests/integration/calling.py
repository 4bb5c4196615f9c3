"""The reactor's client of Daytona's API at an emulator, or at a server that gives the replies a test asks for."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
from conftest import LOOPBACK

from reactor.apis.client import Api, ApiClient
from reactor.apis.create import Claim, Created, Creation
from reactor.config import load_config
from reactor.emulator import EmulatorSettings, Faults, running
from reactor.secrets import Secret

CONFIG = Path(__file__).parents[2] / "config"

KEY = "TEST_KEY"
"""The environment variable that the client takes its key from."""


@dataclass(frozen=True)
class Daytona:
    """Daytona's API at some server, and a client of the reactor's that calls it."""

    api: Api
    client: ApiClient

    async def call(self, operation: str, body: Any = None, **parameters: Any) -> Any:
        return (await self.client.call(self.api, operation, parameters, body)).data

    async def create(self, operation: str, claim: Claim, if_exists: str = "fail", **body: Any) -> Created:
        return await Creation(self.client, self.api, operation, {}, body, if_exists).run(claim)


@asynccontextmanager
async def daytona(server: str, **changes: Any) -> AsyncIterator[Daytona]:
    api, client = load_config(CONFIG).apis["daytona"], ApiClient(private=LOOPBACK)
    provider = api.provider.model_copy(update=changes)
    try:
        yield Daytona(replace(api, server=server, key=Secret("KEY", env=KEY), provider=provider), client)
    finally:
        await client.close()


@dataclass(frozen=True)
class Emulated(Daytona):
    """Daytona's API at an emulator, and what the emulator knows."""

    http: httpx2.AsyncClient

    async def calls(self) -> Mapping[str, int]:
        counts: Mapping[str, int] = (await self.http.get("/emulator/calls")).json()["calls"]
        return counts

    async def all(self, kind: str) -> list[dict[str, Any]]:
        resources: list[dict[str, Any]] = (await self.http.get("/emulator/state")).json()[kind]
        return resources


@asynccontextmanager
async def emulated(time_scale: float = 0.01, **faults: Any) -> AsyncIterator[Emulated]:
    settings = EmulatorSettings(time_scale=time_scale, faults=Faults(**faults))
    async with (
        running(settings) as url,
        httpx2.AsyncClient(base_url=url) as http,
        daytona(f"{url}/api") as plain,
    ):
        yield Emulated(plain.api, plain.client, http)


@asynccontextmanager
async def answering(*replies: bytes, **changes: Any) -> AsyncIterator[tuple[Daytona, list[str]]]:
    """A server that gives these replies in turn and notes what it was asked; an empty reply cuts the connection."""
    left, asked = list(replies), list[str]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))
        asked.append(b" ".join(head.split(b" ")[:2]).decode())
        with suppress(ConnectionError):  # a client that has had enough hangs up
            writer.write(left.pop(0))
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, daytona(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", **changes) as api:
        yield api, asked
    assert left == []


def reply(status: int = 200, content: Any = None, **headers: str) -> bytes:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "\r\n"]).encode() + body
