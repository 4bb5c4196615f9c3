"""A web process that has too much to do: who is one too many is told so, and who only waits makes room."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from conftest import Opened
from stage import eventually
from test_web_sockets import delivery, statuses
from web import Web, serving

from reactor.cli.listener import OPEN_FOR_EACH
from reactor.embedded import EmbeddedServer

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


async def hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
