"""What HTTP libraries would not send: framing tricks, endless heads, and more, byte by byte."""

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from conftest import Opened
from redis import Redis
from stage import signed, volume
from web import Web, serving, traces

from reactor.cli.lingering import LINGER
from reactor.embedded import EmbeddedServer

LIMIT = 256 * 1024


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(server.url, tmp_path_factory.mktemp("web")) as web:
        yield web


def delivery(*extra: str, content: bytes = b"", id: str = "msg_1", length: bool = True) -> tuple[bytes, bytes]:
    """The head and the body of a good delivery, with more header lines."""
    content = content or json.dumps(volume("ready")).encode()
    lines = ["POST /webhooks/daytona HTTP/1.1", "Host: reactor"]
    lines += [f"{name}: {value}" for name, value in signed(content, id=id).items()]
    lines += [f"Content-Length: {len(content)}"] if length else []
    return "\r\n".join([*lines, *extra, "", ""]).encode("latin-1"), content


def chunked(content: bytes, trailers: bytes = b"") -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(content), content, trailers)


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_a_chunked_body_is_a_body(web: Web, opened: Opened) -> None:
    head, content = delivery("Transfer-Encoding: chunked", "Connection: close", length=False)

    assert statuses(await web.exchange(head + chunked(content))) == [204]


async def test_trailers_count_for_nothing(web: Web, opened: Opened) -> None:
    head, content = delivery("Transfer-Encoding: chunked", "Connection: close", length=False)

    answer = await web.exchange(head + chunked(content, b"svix-id: msg_2\r\nwebhook-id: msg_3\r\n"))

    assert statuses(answer) == [204]
    assert [entry.id for entry in await opened.store.log.entries()] == ["msg_1"]


BROKEN = {
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "a chunk that does not end": b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n",
    "a broken request behind it": b"Content-Length: 0\r\n\r\n\x00\r\n\r\n",
}


@pytest.mark.parametrize("path", ["/nowhere", "/webhooks/daytona", "/webhooks/nobody"])
@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
async def test_what_breaks_off_in_a_body_is_refused_once_and_no_fault_of_ours(
    web: Web, redis: Redis, path: str, rest: bytes
) -> None:
    answer = await web.exchange(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n" + rest)

    assert statuses(answer)
    assert all(400 <= status < 500 for status in statuses(answer))
    assert traces(redis) == []
    assert statuses(await web.exchange(*delivery("Connection: close"))) == [204]
    assert "Traceback" not in web.log.read_text("utf-8")
    assert "Exception" not in web.log.read_text("utf-8")


async def test_a_signature_in_a_trailer_is_none(web: Web, redis: Redis) -> None:
    head, content = delivery("Transfer-Encoding: chunked", "Connection: close", length=False)
    names = [line for line in head.split(b"\r\n") if line.startswith(b"svix-")]
    bare = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"svix-"))

    answer = await web.exchange(bare + chunked(content, b"".join(name + b"\r\n" for name in names)))

    assert statuses(answer) == [401]
    assert traces(redis) == []


async def test_pipelined_deliveries_are_answered_in_order(web: Web, opened: Opened) -> None:
    requests = [b"".join(delivery(id=f"msg_{number}")) for number in range(49)]
    last = b"".join(delivery("Connection: close", id="msg_49"))

    answer = await web.exchange(b"".join([*requests, last]))

    assert statuses(answer) == [204] * 50
    assert await opened.store.log.length() == 50


async def test_a_sender_that_waits_for_100_continue_is_told_to_go_on(web: Web, opened: Opened) -> None:
    head, content = delivery("Expect: 100-continue", "Connection: close")

    assert statuses(await web.exchange(head, content)) in ([100, 204], [204])


async def test_an_upgrade_to_http2_is_ignored_and_the_body_read(web: Web, opened: Opened) -> None:
    head, content = delivery("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: close, Upgrade")

    assert statuses(await web.exchange(head + content)) == [204]
    assert [entry.body for entry in await opened.store.log.entries()] == [content]


def smuggled() -> bytes:
    return b"".join(delivery("Connection: close", id="smuggled"))


AMBIGUOUS = {
    "both lengths": ("Transfer-Encoding: chunked", b"0\r\n\r\n"),
    "two lengths": ("Content-Length: 3", b"{}\n"),
    "a length of +5": ("Content-Length: +5", b"{}\n"),
    "unknown coding": ("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    "coding twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
}


@pytest.mark.parametrize(("line", "content"), AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_body_of_ambiguous_length_is_refused_and_nothing_after_it_is_read(
    web: Web, redis: Redis, line: str, content: bytes
) -> None:
    head, _ = delivery(line)

    answer = await web.exchange(head + content + smuggled())

    assert statuses(answer) == [400]
    assert traces(redis) == []


async def test_two_equal_lengths_are_one_too_many_or_one(web: Web, redis: Redis) -> None:
    content = json.dumps(volume("ready")).encode()
    head, _ = delivery(f"Content-Length: {len(content)}", "Connection: close", content=content)

    assert statuses(await web.exchange(head + content)) in ([400], [204])


OVERSIZED = {
    "declared": (f"Content-Length: {LIMIT + 1}", b"x"),
    "declared beyond belief": (f"Content-Length: {'9' * 19}", b"x"),
    "streamed": ("Transfer-Encoding: chunked", b"10000\r\n%b\r\n" % (b"x" * 65536) * 5),
}


@pytest.mark.parametrize(("line", "content"), OVERSIZED.values(), ids=OVERSIZED)
async def test_a_body_beyond_the_limit_is_refused_while_it_comes(
    web: Web, redis: Redis, line: str, content: bytes
) -> None:
    head, _ = delivery(line, length=False)

    answer = await web.exchange(head + content)

    assert statuses(answer) == [413]
    assert b"connection: close" in answer.lower()
    assert traces(redis) == []


HEADS = {
    "a header of 2 MiB": (b"x-big: " + b"x" * 2 * 2**20 + b"\r\n", {400}),
    "5,000 headers": (b"".join(b"x-%d: 1\r\n" % number for number in range(5000)), {400, 431}),  # by how they arrive
    "a bare LF in a header": (b"x-one: 1\nsvix-id: other\r\n", {401}),
    "a NUL": (b"x-nul: \x00\r\n", {400}),
    "a space before the colon": (b"x-space : 1\r\n", {400}),
    "a folded header": (b"x-fold: 1\r\n 2\r\n", {204}),
}


@pytest.mark.parametrize(("lines", "expected"), HEADS.values(), ids=HEADS)
async def test_a_strange_head_is_refused_or_harmless(
    web: Web, opened: Opened, lines: bytes, expected: set[int]
) -> None:
    head, content = delivery("Connection: close")

    answer = await web.exchange(head[:-2] + lines + b"\r\n" + content)

    [status] = statuses(answer)
    assert status in expected
    assert await opened.store.log.length() == (status == 204)


NO_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"POST /webhooks/daytona HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "a URL of 100 KiB": b"POST /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 100_000),
    "nothing": b"\r\n\r\n\r\n",
    "noise": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("noise", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_request_is_refused_without_a_trace(web: Web, redis: Redis, noise: bytes) -> None:
    answer = await web.exchange(noise, half_close=True)

    assert set(statuses(answer)) <= {400, 404}
    assert traces(redis) == []


async def test_a_sender_that_goes_away_leaves_no_trace(web: Web, redis: Redis) -> None:
    head, content = delivery()

    await web.exchange(head + content[:10], half_close=True)

    assert traces(redis) == []
    assert "Traceback" not in web.log.read_text()


async def test_a_request_whose_head_does_not_end_is_hung_up_on(web: Web, opened: Opened) -> None:
    at = urlsplit(web.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    silent, quiet = await asyncio.open_connection(at.hostname, at.port)

    writer.write(b"POST /webhooks/daytona HTTP/1.1\r\nHost: x\r\n")

    async with asyncio.timeout(10):
        assert await reader.read() == b""
        assert await silent.read() == b""
    for each in (writer, quiet):
        each.close()


async def test_half_open_connections_delay_nobody(web: Web, opened: Opened) -> None:
    head, content = delivery("Connection: close")
    at = urlsplit(web.url)
    half_open = [await asyncio.open_connection(at.hostname, at.port) for _ in range(200)]
    for _, writer in half_open:
        writer.write(head)

    answer = await web.exchange(head + content)

    assert statuses(answer) == [204]
    for _, writer in half_open:
        writer.close()


async def test_who_is_refused_before_the_body_is_read_can_send_it_all_the_same(web: Web) -> None:
    """Closed at once, the connection would be reset by what comes, and the sender might never see the answer."""
    content = b"x" * 10_000
    head, _ = delivery(content=content)
    reader, writer = await web.connect()

    writer.write(head.replace(b"/webhooks/daytona", b"/webhooks/nobody"))
    answer = await reader.read()
    for start in range(0, len(content), 100):
        writer.write(content[start : start + 100])
        await writer.drain()

    assert statuses(answer) == [404]
    writer.close()
    await writer.wait_closed()


async def test_who_is_refused_and_never_ends_is_hung_up_on(web: Web) -> None:
    head, content = delivery("Transfer-Encoding: chunked", length=False)
    reader, writer = await web.connect()

    writer.write(head.replace(b"/webhooks/daytona", b"/webhooks/nobody"))
    answer = await reader.read()
    async with asyncio.timeout(LINGER + 30):
        with pytest.raises(ConnectionError):
            await send_on(writer, b"%x\r\n%b\r\n" % (len(content), content))

    assert statuses(answer) == [404]
    writer.close()


async def send_on(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """Send without end."""
    while True:
        writer.write(chunk)
        await writer.drain()
        await asyncio.sleep(0.05)
