"""The guard against calls into the private network, over real sockets: redirects, and names that change their address."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from calling import KEY, answering, daytona, reply

from reactor.apis import addresses
from reactor.errors import GateClosed, PermanentError

INSIDE = "127.0.0.1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "dtn_canary")


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server inside the private network, and what it heard."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.write(reply(200, {"id": "inside"}))
        writer.close()

    server = await asyncio.start_server(hear, INSIDE, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere_and_takes_no_key_along(status: int) -> None:
    async with listening() as (port, heard):
        elsewhere = reply(status, b"", Location=f"http://{INSIDE}:{port}/latest/meta-data")
        async with answering(elsewhere) as (api, asked):
            with pytest.raises(PermanentError, match=f"getVolume answered {status}"):
                await api.call("getVolume", volumeId="v1")

    assert asked == ["GET /volumes/v1"]
    assert heard == []


class Rebinding(AbstractResolver):
    """A name server of an attacker: at each question the name stands for the next of these addresses."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


Names = Callable[..., Rebinding]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Make the system's resolver one that answers with these addresses in turn."""

    def answer(*answers: str) -> Rebinding:
        resolver = Rebinding(*answers)
        monkeypatch.setattr(addresses, "DefaultResolver", lambda: resolver)
        return resolver

    return answer


async def test_a_name_that_is_inside_is_not_called(names: Names) -> None:
    resolver = names("10.0.0.8")
    async with daytona("http://rebinds.example.com") as api:
        with pytest.raises(GateClosed, match=r"rebinds\.example\.com is 10\.0\.0\.8, which is no public address"):
            await api.call("getVolume", volumeId="v1")

    assert resolver.asked == 1


async def test_the_connection_goes_to_the_address_that_was_checked_whatever_the_name_stands_for_next(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer would be inside; the name is asked for once, and the socket connects to what was checked."""
    resolver, connected = names(INSIDE, "10.0.0.8"), list[str]()
    connect = asyncio.get_running_loop().sock_connect

    async def noted(sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        await connect(sock, address)

    async with listening() as (port, heard), daytona(f"http://rebinds.example.com:{port}") as api:
        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", noted)
        await api.call("getVolume", volumeId="v1")

    assert (resolver.asked, connected) == (1, [INSIDE])
    assert b"host: rebinds.example.com" in heard[0].lower()


async def test_a_name_that_has_moved_inside_is_refused_at_the_next_connection(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(INSIDE, "169.254.169.254")
    async with listening() as (port, heard), daytona(f"http://rebinds.example.com:{port}") as api:
        await api.call("getVolume", volumeId="v1")
        monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda *_: True)
        with pytest.raises(GateClosed, match=r"is 169\.254\.169\.254"):
            await api.call("getVolume", volumeId="v2")

    assert len(heard) == 1
