"""What the client makes of replies, and of none: every failure is one of four errors, whatever a server sends."""

import asyncio
import gzip
from dataclasses import replace

import pytest
from calling import KEY, answering, daytona, emulated, reply

from reactor.apis.client import ApiClient
from reactor.apis.policy import REFUSED_KEY_PAUSE
from reactor.apis.transport import LARGEST_REPLY
from reactor.emulator import EmulatorSettings
from reactor.errors import GateClosed, PermanentError, TemporaryError, UnknownOutcome


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, EmulatorSettings().api_key)


async def test_a_rate_limit_closes_the_gate_for_as_long_as_its_suffixed_header_says() -> None:
    limited = reply(429, {"message": "ThrottlerException: Too Many Requests"}, Retry_After_sandbox_create="12")
    async with answering(limited) as (api, asked):
        with pytest.raises(GateClosed, match="Too Many Requests") as closed:
            await api.call("createSandbox", {"name": "box"})

    assert (closed.value.delay, closed.value.status) == (12.0, 429)
    assert asked == ["POST /sandbox"]


async def test_a_refused_key_closes_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    async with emulated() as api:
        monkeypatch.setenv(KEY, "dtn_wrong")

        with pytest.raises(GateClosed, match="401: Invalid credentials") as closed:
            await api.call("createVolume", {"name": "data"})

        assert closed.value.delay == REFUSED_KEY_PAUSE


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", f"set the environment variable {KEY}"),
        ("dtn_hidden\nx: y", "no bearer token"),
        ("dtn_hidden ü", "no bearer token"),
    ],
)
async def test_a_key_that_can_not_be_sent_closes_the_gate_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str, why: str
) -> None:
    monkeypatch.setenv(KEY, key)
    async with answering() as (api, asked):
        with pytest.raises(GateClosed, match=why) as closed:
            await api.call("getVolume", volumeId="v1")

    assert "hidden" not in str(closed.value)
    assert asked == []


async def test_html_instead_of_json_says_what_to_check() -> None:
    async with emulated() as api, daytona(api.api.server.removesuffix("/api")) as dashboard:
        with pytest.raises(PermanentError, match=r"answered 200 with text/html.*is the server's URL right") as error:
            await dashboard.call("createVolume", {"name": "data"})

        assert error.value.status == 200
        assert await api.calls() == {}


async def test_an_error_page_is_quoted() -> None:
    async with answering(reply(404, b"<h1>Not here</h1>", Content_Type="text/html")) as (api, _):
        with pytest.raises(PermanentError, match="getVolume answered 404: <h1>Not here</h1>"):
            await api.call("getVolume", volumeId="v1")


async def test_a_redirect_is_not_followed() -> None:
    async with answering(reply(302, b"", Location="/volumes/v2")) as (api, asked):
        with pytest.raises(PermanentError, match="getVolume answered 302"):
            await api.call("getVolume", volumeId="v1")

    assert asked == ["GET /volumes/v1"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(reply(200, b" " * (LARGEST_REPLY + 1)), id="announced"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * (LARGEST_REPLY + 1), id="without a length"
        ),
    ],
)
async def test_a_reply_beyond_the_cap_is_not_read(sent: bytes) -> None:
    async with answering(sent) as (api, _):
        with pytest.raises(TemporaryError, match=f"longer than {LARGEST_REPLY} bytes"):
            await api.call("getVolume", volumeId="v1")


async def test_a_reply_as_long_as_the_cap_is_read() -> None:
    async with answering(reply(200, b'"%b"' % (b"a" * (LARGEST_REPLY - 2)))) as (api, _):
        assert len(await api.call("getVolume", volumeId="v1")) == LARGEST_REPLY - 2


async def test_a_reply_that_was_compressed_unasked_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 10 * LARGEST_REPLY)
    async with answering(reply(200, bomb, Content_Encoding="gzip")) as (api, _):
        with pytest.raises(TemporaryError, match="the reply is compressed"):
            await api.call("getVolume", volumeId="v1")


async def test_a_server_that_is_not_there_is_tried_again_also_for_what_may_not_be_repeated() -> None:
    async with answering() as (gone, _):
        pass
    async with daytona(gone.api.server) as api:
        with pytest.raises(TemporaryError, match="startSandbox: daytona can't be reached"):
            await api.call("startSandbox", sandboxIdOrName="box")


async def test_nobody_knows_whether_a_call_acted_whose_reply_was_lost() -> None:
    async with answering(b"", repeatable=[]) as (api, asked):
        with pytest.raises(UnknownOutcome, match="startSandbox: the reply was lost"):
            await api.call("startSandbox", sandboxIdOrName="box")

    assert asked == ["POST /sandbox/box/start"]


@pytest.mark.parametrize(
    "cut",
    [pytest.param(reply(200, {"id": "box"})[:-5], id="in the body"), pytest.param(b"HTTP/1.1 2", id="in the head")],
)
async def test_a_reply_that_breaks_off_is_lost(cut: bytes) -> None:
    async with answering(cut, repeatable=[]) as (api, _):
        with pytest.raises(UnknownOutcome, match="the reply was lost"):
            await api.call("startSandbox", sandboxIdOrName="box")


async def test_a_success_that_is_broken_json_may_have_acted() -> None:
    broken = reply(201, b'{"id": "box"', Content_Type="application/json")
    async with answering(broken, repeatable=[]) as (api, _):
        with pytest.raises(UnknownOutcome, match="startSandbox answered 201 with broken JSON"):
            await api.call("startSandbox", sandboxIdOrName="box")


async def test_a_call_that_says_it_may_be_repeated_is_tried_again() -> None:
    async with answering(b"", repeatable=["startSandbox"]) as (api, _):
        with pytest.raises(TemporaryError, match="the reply was lost"):
            await api.call("startSandbox", sandboxIdOrName="box")


async def test_a_reply_that_does_not_come_in_time_is_lost() -> None:
    async with emulated(create_delay=1.0) as slow, daytona(slow.api.server, timeouts={}, timeout=0.2) as api:
        with pytest.raises(UnknownOutcome, match="no reply in time"):
            await api.call("createVolume", {"name": "data"})

        assert len(await slow.all("volumes")) == 1


async def test_a_reply_that_trickles_is_lost_when_its_time_is_up() -> None:
    hung_up = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        gone = asyncio.create_task(reader.read())
        while not (await asyncio.wait([gone], timeout=0.02))[0]:
            writer.write(b" ")
        await asyncio.gather(gone, return_exceptions=True)
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, daytona(url, timeouts={}, timeout=0.3, repeatable=[]) as api:
        with pytest.raises(UnknownOutcome, match="no reply in time"):
            await api.call("startSandbox", sandboxIdOrName="box")
        await asyncio.wait_for(hung_up.wait(), 10)


async def test_a_private_address_is_not_called_unless_it_is_allowed() -> None:
    async with emulated() as api:
        client = ApiClient()
        for server in (api.api.server, api.api.server.replace("127.0.0.1", "localhost")):
            with pytest.raises(GateClosed, match="REACTOR_PRIVATE_NETWORKS"):
                await client.call(replace(api.api, server=server), "listVolumes", {})
        await client.close()

        assert await api.calls() == {}


async def test_an_address_that_is_too_long_is_refused_before_it_is_sent() -> None:
    async with answering() as (api, asked):
        with pytest.raises(PermanentError, match="getVolume can't be called: URL too long"):
            await api.call("getVolume", volumeId="v" * 100_000)

    assert asked == []


async def test_an_operation_without_a_reply_body_gives_none() -> None:
    async with answering(reply(204, b"")) as (api, _):
        assert await api.call("deleteVolume", volumeId="v1") is None
