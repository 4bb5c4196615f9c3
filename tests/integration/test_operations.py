"""The operations listener: it answers while the public one is flooded, and each of the two knows its own paths only."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from conftest import Opened
from stage import eventually
from web import Web, serving

from reactor.embedded import EmbeddedServer

FEW = 10
FLOOD = 100
UNENDING = b"POST /webhooks/daytona HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
"""A request whose body does not come: it keeps its place until its time is over."""


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(
        server.url, tmp_path_factory.mktemp("web"), REACTOR_CONNECTIONS=str(FEW), REACTOR_BODY_TIMEOUT="30"
    ) as web:
        yield web


async def test_probes_are_answered_while_the_public_listener_is_full(web: Web, opened: Opened) -> None:
    at = urlsplit(web.url)

    async def is_full() -> bool:
        async with web.client() as http:
            return (await http.post("/webhooks/daytona")).status_code == 503

    connections = [await asyncio.open_connection(at.hostname, at.port) for _ in range(FLOOD)]
    for _, writer in connections:
        writer.write(UNENDING)
    try:
        await eventually(is_full)
        async with web.operations() as http:
            answers = [await http.get(path) for path in ("/livez", "/readyz", "/metrics")]
    finally:
        for _, writer in connections:
            writer.close()

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_the_public_listener_has_webhooks_only(web: Web, path: str) -> None:
    async with web.client() as http:
        answer = await http.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_path")


async def test_the_operations_listener_takes_no_webhook(web: Web) -> None:
    async with web.operations() as http:
        delivered, posted = await http.post("/webhooks/daytona"), await http.post("/livez")

    assert (delivered.status_code, delivered.json()["reason"]) == (404, "unknown_path")
    assert (posted.status_code, posted.json()["reason"]) == (405, "wrong_method")
