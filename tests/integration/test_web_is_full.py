"""A web process that has too much to do: who is one too many is told so, and who only waits makes room."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest
from conftest import Opened
from stage import eventually
from starlette.types import Receive, Scope, Send
from test_web_sockets import delivery, statuses
from web import Web, serving

from reactor.cli.listener import OPEN_FOR_EACH, Server, listening
from reactor.embedded import EmbeddedServer
from reactor.guard import problem
from reactor.settings import Settings

PATIENT = "30"
"""Seconds that a request may take to arrive here: longer than a test."""


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A process that takes one delivery at a time."""
    directory = tmp_path_factory.mktemp("web")
    with serving(server.url, directory, REACTOR_CONNECTIONS="1", REACTOR_BODY_TIMEOUT=PATIENT) as web:
        yield web


async def connect(web: Web) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    at = urlsplit(web.url)
    return await asyncio.open_connection(at.hostname, at.port)


async def test_a_delivery_too_many_is_answered_503_and_may_come_again(web: Web, opened: Opened) -> None:
    head, content = delivery("Connection: close")
    reader, writer = await connect(web)
    writer.write(head)

    async def is_refused() -> bytes:
        answer = await web.exchange(*delivery("Connection: close", id="msg_2"))
        return answer if statuses(answer) == [503] else b""

    refused = await eventually(is_refused)
    writer.write(content)
    accepted = await reader.read()
    again = await web.exchange(*delivery("Connection: close", id="msg_3"))
    writer.close()

    assert b"retry-after: 5" in refused.lower()
    assert b"too_many" in refused
    assert [statuses(accepted), statuses(again)] == [[204], [204]]
    assert (await web.deliveries())["(unknown) too_many"] >= 1


async def test_who_has_waited_longest_without_a_request_makes_room(web: Web, opened: Opened) -> None:
    waiting = [await connect(web) for _ in range(OPEN_FOR_EACH)]

    answer = await web.exchange(*delivery("Connection: close"))

    first, _ = waiting[0]
    async with asyncio.timeout(10):
        assert await hung_up(first)
    assert statuses(answer) == [204]
    for _, writer in waiting:
        writer.close()


async def test_who_was_refused_and_has_not_ended_makes_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.cli.lingering.LINGER", 60.0)
    async with listener(settings) as url, AsyncExitStack() as stack:
        first, *_ = [await stack.enter_async_context(refusal(url)) for _ in range(OPEN_FOR_EACH)]

        async def is_hung_up() -> bool:
            first.write(b"x")
            return first.is_closing()

        assert not await is_hung_up()
        await stack.enter_async_context(refusal(url))

        assert await eventually(is_hung_up)


@asynccontextmanager
async def listener(settings: Settings) -> AsyncIterator[str]:
    """A listener of this process that takes one request at a time, and refuses each."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await problem(413, "body_too_large", "too large")(scope, receive, send)

    stopping, at = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = Server(settings, refuse, at.set_result, requests=1, connections=OPEN_FOR_EACH)
    with listening("127.0.0.1", 0) as socket:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(socket, stopping))
            try:
                yield await at
            finally:
                stopping.set()


@asynccontextmanager
async def refusal(url: str) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection whose request was refused, and whose sender goes on all the same."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: reactor\r\nContent-Length: 1000000\r\n\r\nx")
    async with asyncio.timeout(20):
        assert b" 413 " in await reader.readuntil(b"\r\n")
    try:
        yield writer
    finally:
        writer.close()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
