"""Bad inputs 56-78 that no other test sends: bytes over real sockets to a real `reactor serve`.

Each ends in an answer below 500 or in a closed connection, within the limits of size and time; then the process serves on.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import Opened
from deliveries import Delivery
from redis import Redis
from stage import eventually
from web import BODY_TIMEOUT, Web, serving, traces

from reactor.cli.listener import OPEN_FOR_EACH
from reactor.embedded import EmbeddedServer

HEAD = b"POST /webhooks/daytona HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(server.url, tmp_path_factory.mktemp("http")) as web:
        yield web


@pytest.fixture(autouse=True)
async def _serves_on(web: Web, opened: Opened) -> None:
    """After whatever the test before did, a good delivery is recorded, and the test begins with an empty log."""
    answer = await web.exchange(Delivery().request("good", int(time.time())))
    assert answer.startswith(b"HTTP/1.1 204 ")
    await opened.store.redis.flushall()


def good(*lines: bytes, target: bytes = b"/webhooks/daytona", host: bytes = b"host: reactor\r\n") -> bytes:
    """A good delivery with another target, another Host, or more header lines."""
    request = Delivery().request("http", int(time.time()))
    request = request.replace(b"POST /webhooks/daytona ", b"POST " + target + b" ", 1)
    return request.replace(b"host: reactor\r\n", host + b"".join(line + b"\r\n" for line in lines), 1)


def memory(web: Web) -> int:
    """MiB that the process has in memory."""
    status = Path(f"/proc/{web.pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024


async def flood(web: Web, head: bytes, chunk: bytes, total: int) -> int:
    """Send until the server hangs up; returns how many bytes it let come."""
    at = urlsplit(web.url)
    _, writer = await asyncio.open_connection(at.hostname, at.port)
    sent = 0
    try:
        writer.write(head)
        while sent < total:
            writer.write(chunk)
            await asyncio.wait_for(writer.drain(), 20)
            sent += len(chunk)
        return sent
    except ConnectionError:
        return sent
    finally:
        writer.close()


MIB = b"x" * 2**20
FLOODS = {
    "58 a body of 300 MiB": (HEAD + b"Content-Length: %d\r\n\r\n" % (300 * 2**20), MIB),
    "58 a body of 300 MiB to no source": (
        b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (300 * 2**20),
        MIB,
    ),
    "59 chunks without end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + MIB + b"\r\n"),
    "67 a chunk extension without end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", MIB),
    "68 a header without end": (HEAD + b"x-endless: ", MIB),
    "70 a target without end": (b"POST /", MIB),
}


@pytest.mark.parametrize(("head", "chunk"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_is_cut_off_and_takes_no_memory(web: Web, redis: Redis, head: bytes, chunk: bytes) -> None:
    before = memory(web)

    let_in = await flood(web, head, chunk, 300 * 2**20)

    assert let_in < 32 * 2**20, "what the sockets hold, and no more"
    assert memory(web) - before < 32
    assert traces(redis) == []


async def drip(web: Web, begin: bytes, drop: bytes, every: float) -> tuple[float, bytes]:
    """Send a little now and then; returns how long the server bore it, and what it said."""
    at = urlsplit(web.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    began = time.monotonic()
    answer = asyncio.create_task(reader.read())
    try:
        writer.write(begin)
        while not answer.done() and time.monotonic() - began < 20:
            writer.write(drop)
            await asyncio.wait([answer], timeout=every)
        return time.monotonic() - began, answer.result()
    except ConnectionError:
        return time.monotonic() - began, b""
    finally:
        writer.close()


DRIPS = {
    "60 a body shorter than it says": (HEAD + b"Content-Length: 10\r\n\r\n{}", b"", b"408"),
    "61 a body of a byte now and then": (HEAD + b"Content-Length: 1000\r\n\r\n", b"x", b"408"),
    "62 a head of a line now and then": (HEAD, b"x-slow: 1\r\n", b""),
    "62 a head of a letter now and then": (b"P", b"O", b"400"),
    "63 nothing at all": (b"", b"", b""),
    "63 empty lines before a request": (b"", b"\r\n", b"400"),
}


@pytest.mark.parametrize(("begin", "drop", "status"), DRIPS.values(), ids=DRIPS)
async def test_a_slow_sender_is_hung_up_on(web: Web, redis: Redis, begin: bytes, drop: bytes, status: bytes) -> None:
    took, answer = await drip(web, begin, drop, BODY_TIMEOUT / 5)

    assert took < BODY_TIMEOUT + 5
    assert answer == b"" or answer.split()[1] == status
    assert traces(redis) == []


TARGETS = {
    "an absolute target": b"http://reactor/webhooks/daytona",
    "an absolute target elsewhere": b"http://169.254.169.254/webhooks/daytona",
    "a target of another authority": b"//reactor/webhooks/daytona",
    "dots": b"/webhooks/../webhooks/daytona",
    "encoded dots": b"/%2e%2e/webhooks/daytona",
    "an encoded slash": b"/webhooks%2Fdaytona/",
    "a semicolon": b"/webhooks/daytona;x=1",
    "an asterisk": b"*",
    "a fragment": b"/webhooks/daytona#x",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_a_target_other_than_the_path_is_not_found(web: Web, redis: Redis, target: bytes) -> None:
    answer = await web.exchange(good(target=target))

    assert answer.split()[1] in (b"400", b"404")
    assert traces(redis) == []


HOSTS = {
    "none": (b"", b"400"),
    "two": (b"Host: a\r\nHost: b\r\n", b"400"),
    "an empty one": (b"Host:\r\n", b"204"),
    "one with a path": (b"Host: a/b\r\n", b"204"),
    "the metadata service": (b"Host: 169.254.169.254\r\n", b"204"),
}


@pytest.mark.parametrize(("host", "status"), HOSTS.values(), ids=HOSTS)
async def test_the_host_is_there_once_and_means_nothing(web: Web, host: bytes, status: bytes) -> None:
    """Nothing is made of it: no link, no redirect, no choice of a source. The signature decides."""
    assert (await web.exchange(good(host=host))).split()[1] == status


HARMLESS = {
    "73 an expectation nobody knows": b"Expect: 200-ok",
    "74 an upgrade to a websocket": b"Upgrade: websocket",
    "an address it claims to come from": b"X-Forwarded-For: 127.0.0.1",
    "a method it claims to be": b"X-HTTP-Method-Override: DELETE",
    "a connection header that names ours": b"Connection: svix-signature, close",
}


@pytest.mark.parametrize("line", HARMLESS.values(), ids=HARMLESS)
async def test_a_header_that_asks_for_more_changes_nothing(web: Web, opened: Opened, line: bytes) -> None:
    answer = await web.exchange(good(line))

    assert answer.split()[1] in (b"204", b"400")
    assert await opened.store.log.length() == (answer.split()[1] == b"204")


async def test_75_a_bad_request_in_a_pipeline_ends_it(web: Web, opened: Opened) -> None:
    first = Delivery().request("first", int(time.time())).replace(b"connection: close\r\n", b"")
    bad = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    answer = await web.exchange(first + bad + good())

    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"204", b"400"]
    assert [entry.id for entry in await opened.store.log.entries()] == ["bad-first"]


CONNECTIONS = 32
"""As many may be open at once, where two requests may be under way."""


async def test_76_however_many_connections_are_half_open_a_delivery_finds_room(
    server: EmbeddedServer, opened: Opened, tmp_path: Path
) -> None:
    requests = str(CONNECTIONS // OPEN_FOR_EACH)
    with serving(server.url, tmp_path, REACTOR_CONNECTIONS=requests, REACTOR_BODY_TIMEOUT="60") as small:
        at = urlsplit(small.url)
        half_open = [await asyncio.open_connection(at.hostname, at.port) for _ in range(500)]
        for _, writer in half_open:
            writer.write(HEAD)

        answers = [await small.exchange(good()) for _ in range(3)]
        hung_up_on = [reader.at_eof() or reader.exception() is not None for reader, _ in half_open]

        for _, writer in half_open:
            writer.close()
    assert [answer.split()[1] for answer in answers] == [b"204"] * 3
    assert hung_up_on.count(False) < CONNECTIONS


async def test_requests_beyond_the_limit_are_answered_503(
    server: EmbeddedServer, opened: Opened, tmp_path: Path
) -> None:
    with serving(server.url, tmp_path, REACTOR_CONNECTIONS=str(CONNECTIONS), REACTOR_BODY_TIMEOUT="60") as small:
        at = urlsplit(small.url)
        begun = [await asyncio.open_connection(at.hostname, at.port) for _ in range(CONNECTIONS)]
        for _, writer in begun:
            writer.write(HEAD + b"Content-Length: 10\r\n\r\n{")
        await eventually(lambda: refused(small))
        for _, writer in begun:
            writer.close()
        await eventually(lambda: taken(small))


async def refused(web: Web) -> bool:
    return (await web.exchange(good())).split()[1] == b"503"


async def taken(web: Web) -> bool:
    return (await web.exchange(good())).split()[1] == b"204"
