"""The server over TLS: its certificate is checked against the CA file that the URL names.

The embedded server has no TLS of its own, so a proxy ends it, as stunnel would; the handshake is real.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import Opened

from reactor.errors import StoreUnavailable
from reactor.queue import JobQueue, Ticket
from reactor.settings import Settings
from reactor.store.store import Store

TLS = Path(__file__).parents[1] / "data" / "tls"
CA = TLS / "ca.pem"


@pytest.fixture
async def port(opened: Opened) -> AsyncIterator[int]:
    """Where the server is over TLS, as `localhost`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    behind = unquote(urlsplit(opened.settings.redis_url).path)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as both:
            server_reader, server_writer = await asyncio.open_unix_connection(behind)
            both.create_task(copy(reader, server_writer))
            both.create_task(copy(server_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            return


def settings_for(opened: Opened, url: str) -> Settings:
    return opened.settings.model_copy(update={"redis_url": url})


async def test_store_and_queue_work_over_tls(opened: Opened, port: int) -> None:
    settings = settings_for(opened, f"rediss://localhost:{port}/0?ssl_ca_certs={CA}")
    store = Store(settings)
    queue = JobQueue(settings.redis_url, settings.instance, store.redis)

    assert (await store.ready()).problems == ()
    await queue.enqueue([Ticket("row1")])
    assert await queue.length() == 1

    queue.close()
    await store.close()


UNTRUSTED = {
    "a certificate of an unknown CA": "rediss://localhost:{port}/0",
    "a certificate of another name": "rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca}",
    "no TLS asked of a server that has it": "redis://localhost:{port}/0",
}


@pytest.mark.parametrize("url", UNTRUSTED.values(), ids=UNTRUSTED)
async def test_a_server_that_can_not_be_trusted_is_not_used(opened: Opened, port: int, url: str) -> None:
    store = Store(settings_for(opened, url.format(port=port, ca=CA)))

    with pytest.raises(StoreUnavailable):
        await store.ready()

    await store.close()
