"""`reactor apis` against services that answer: importing from a URL, calling by hand, and a service of one's own."""

import asyncio
import gzip
import os
import pty
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from conftest import CONFIG, LOOPBACK, Opened
from stage import append, context_of, ended, volume
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from reactor.apis.client import ApiClient
from reactor.apis.fetch import fetch
from reactor.apis.reading import MAX_BYTES
from reactor.cli.listener import listening
from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.emulator import EmulatorSettings, running
from reactor.errors import ReactorError
from reactor.reload import Live
from reactor.worker import Worker

KEY = "bk_s3cret"

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Billing", "version": "7"},
    "servers": [{"url": "/api"}],
    "paths": {
        "/accounts/{account}/charges": {
            "post": {
                "operationId": "charge",
                "parameters": [
                    {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "urgent", "in": "query", "schema": {"type": "boolean"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Charge"}}},
                },
                "responses": {"201": {"description": "charged"}},
            }
        }
    },
    "components": {
        "schemas": {
            "Charge": {
                "type": "object",
                "required": ["reason"],
                "properties": {"reason": {"enum": ["volume", "sandbox"]}, "cents": {"type": "integer"}},
            }
        },
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}


@dataclass
class Billing:
    """A service of somebody's own: its address, and what it was asked."""

    url: str = ""
    charges: list[tuple[str, str, Any]] = field(default_factory=list)

    async def document(self, request: Request) -> Response:
        return JSONResponse(DOCUMENT)

    async def charge(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"message": "who are you?"}, 401)
        self.charges.append((request.url.path, request.url.query, await request.json()))
        return JSONResponse({"id": f"ch-{len(self.charges)}"}, 201)


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def billing() -> AsyncIterator[Billing]:
    service = Billing()
    routes = [
        Route("/openapi.json", service.document),
        Route("/api/accounts/{account}/charges", service.charge, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes)) as service.url:
        yield service


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of one's own, and the environment of a process that uses it."""
    shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.setenv("REACTOR_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("REACTOR_PRIVATE_NETWORKS", ",".join(LOOPBACK))
    monkeypatch.setenv("BILLING_KEY", KEY)
    return tmp_path / "config"


@dataclass(frozen=True)
class Ended:
    status: int | None
    stdout: str
    stderr: str


async def apis(*words: str, answer: str | None = None, **environment: str) -> Ended:
    """Run `reactor apis`; with an answer, on a terminal where somebody types it."""
    ours, theirs = pty.openpty() if answer is not None else (None, asyncio.subprocess.DEVNULL)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reactor", "apis", *words),
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    if ours is not None:
        os.write(ours, f"{answer}\n".encode())
    stdout, stderr = await process.communicate()
    if ours is not None:
        os.close(ours)
        os.close(theirs)
    return Ended(process.returncode, stdout.decode(), stderr.decode())


# --- a service of one's own -------------------------------------------------------------------------------------------


async def test_a_service_of_ones_own_is_added_and_called_from_a_rule(
    opened: Opened, billing: Billing, directory: Path
) -> None:
    imported = await apis("import", f"{billing.url}/openapi.json", "--name", "billing")
    (directory / "apis" / "billing.yaml").write_text(
        f"openapi: billing.openapi.json\nserver: {billing.url}/api\nauth: {{bearer: BILLING_KEY}}\n"
    )
    with (directory / "secrets.yaml").open("a") as secrets:
        secrets.write("  BILLING_KEY: {env: BILLING_KEY, hosts: [127.0.0.1]}\n")
    (directory / "rules" / "volumes.yaml").write_text("""
rules:
  - name: charge-for-volume
    on: volume.state.updated
    match: {newState: ready}
    do:
      - call: billing.charge
        parameters: {account: "${event.name}", urgent: true}
        body: {reason: volume, cents: 250}
""")

    config = load_config(directory)
    appended = await append(opened, volume("ready", name="acme"))
    await Dispatcher(opened.store, opened.queue, Live(config), takeover=5.0).react(
        await opened.store.log.read("reader", block=0.1)
    )
    [planned] = await opened.store.plans.rows_of(appended.entry)
    client, stopping = ApiClient(private=LOOPBACK), asyncio.Event()
    worker = Worker(opened.store, opened.queue, context_of(opened, client, config=config))
    working = asyncio.create_task(worker.run(stopping))
    row = await ended(opened, planned.id)
    stopping.set()
    await working
    await client.close()

    assert imported.status == 0, imported.stderr
    assert (row.state, row.error) == ("done", None)
    assert billing.charges == [("/api/accounts/acme/charges", "urgent=true", {"reason": "volume", "cents": 250})]


async def test_the_starter_that_an_import_makes_can_be_called_at_once(billing: Billing, directory: Path) -> None:
    imported = await apis("import", f"{billing.url}/openapi.json", "--name", "billing")

    listed = orjson.loads((await apis("ls", "--json")).stdout)
    called = await apis("call", "billing.charge", "account=acme", "--body", '{"reason": "volume"}')

    assert imported.stdout.splitlines()[0].endswith("billing.openapi.json: Billing 7, 1 operation")
    assert {api["api"]: api["server"] for api in listed}["billing"] == f"{billing.url}/api"
    assert called.status == 1
    assert "charge answered 401: who are you?" in called.stderr


async def test_a_process_without_leave_to_go_there_imports_nothing(billing: Billing, directory: Path) -> None:
    refused = await apis("import", f"{billing.url}/openapi.json", "--name", "billing", REACTOR_PRIVATE_NETWORKS="")

    assert refused.status == 1
    assert "name its network in REACTOR_PRIVATE_NETWORKS" in refused.stderr
    assert not (directory / "apis" / "billing.openapi.json").exists()


@pytest.mark.parametrize(("answer", "kept"), [("n", True), ("y", False)])
async def test_on_a_terminal_an_import_asks_before_it_overwrites(
    answer: str, kept: bool, billing: Billing, directory: Path
) -> None:
    target = directory / "apis" / "billing.openapi.json"
    target.write_text('{"openapi": "3.1.0", "paths": {"/old": {"get": {"operationId": "old"}}}}')

    asked = await apis("import", f"{billing.url}/openapi.json", "--name", "billing", answer=answer)

    assert "removed: operation old" in asked.stdout
    assert f"Overwrite {target}? [y/N]" in asked.stderr
    assert asked.status == (1 if kept else 0)
    assert (b'"old"' in target.read_bytes()) == kept


# --- calling by hand --------------------------------------------------------------------------------------------------


@pytest.fixture
async def emulated(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with running(EmulatorSettings(time_scale=0.01)) as url:
        monkeypatch.setenv("DAYTONA_API_URL", f"{url}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        yield url


async def test_a_call_prints_status_and_body(emulated: str) -> None:
    made = await apis("call", "daytona.createVolume", "--body", '{"name": "build-1"}', "--json", "-v")
    volume = orjson.loads(made.stdout)
    read = await apis("call", "daytona.getVolume", f"volumeId={volume['body']['id']}")

    assert (made.status, volume["status"], volume["body"]["name"]) == (0, 200, "build-1")
    assert "Authorization: Bearer *** (secret DAYTONA_API_KEY, set)" in made.stderr
    assert EmulatorSettings().api_key not in made.stdout + made.stderr
    assert read.stdout.startswith("200\n{\n")


async def test_a_call_that_does_not_succeed_says_why_and_ends_with_1(emulated: str) -> None:
    missing = await apis("call", "daytona.getVolume", "volumeId=none")

    assert (missing.status, missing.stdout) == (1, "")
    assert "getVolume answered 404" in missing.stderr


async def test_on_a_terminal_a_create_asks_unless_told_yes(emulated: str) -> None:
    words = ("call", "daytona.createVolume", "--body")

    declined = await apis(*words, '{"name": "one"}', answer="n")
    told = await apis(*words, '{"name": "two"}', "--yes", answer="")
    volumes = orjson.loads((await apis("call", "daytona.listVolumes", "--json")).stdout)["body"]

    assert declined.status == 1
    assert f"Call daytona.createVolume at {emulated}/api? [y/N]" in declined.stderr
    assert told.status == 0, told.stderr
    assert [volume["name"] for volume in volumes] == ["two"]


# --- fetching ---------------------------------------------------------------------------------------------------------


async def moved(request: Request) -> Response:
    return RedirectResponse("http://127.0.0.1/elsewhere")


async def compressed(request: Request) -> Response:
    return Response(gzip.compress(b"{}"), headers={"content-encoding": "gzip"})


async def huge(request: Request) -> Response:
    return Response(b" " * (MAX_BYTES + 1))


Answer = Callable[[Request], Awaitable[Response]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (moved, "found a redirect to http://127.0.0.1/elsewhere, expected one to https"),
        (compressed, "found a compressed document"),
        (huge, f"expected at most {MAX_BYTES} bytes"),
    ],
)
async def test_an_answer_that_is_no_document_is_refused(answer: Answer, message: str) -> None:
    async with serving(Starlette(routes=[Route("/api.json", answer)])) as url:
        with pytest.raises(ReactorError, match=message):
            await fetch(f"{url}/api.json", private=LOOPBACK)


async def test_a_document_that_does_not_arrive_in_time_is_refused() -> None:
    hung_up = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ReactorError, match=r"found no end after 0\.1 s; download it"):
            await fetch(f"http://127.0.0.1:{port}/api.json", private=LOOPBACK, timeout=0.1)
        await hung_up.wait()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/api.json", "can't be read: Cannot connect"),
        ("http://169.254.169.254/latest", "169.254.169.254, which is no public address"),
        ("http://0x7f.1/api.json", "can't be read: Cannot connect"),
        ("http://me:s3cret@127.0.0.1/api.json", "found credentials in the URL of 127.0.0.1"),
        ("http://[", "can't be read: "),
        ("ftp://127.0.0.1/api.json", "found ftp URL, expected one that begins with http"),
    ],
)
async def test_what_can_not_be_fetched_is_named(url: str, message: str) -> None:
    with pytest.raises(ReactorError, match=message) as refused:
        await fetch(url, private=LOOPBACK)

    assert "s3cret" not in str(refused.value)


async def test_what_is_not_there_is_said_to_be_so(billing: Billing) -> None:
    with pytest.raises(
        ReactorError, match=r"/nothing answered 404, expected 200 and a document \(does it need a login"
    ):
        await fetch(f"{billing.url}/nothing", private=LOOPBACK)
