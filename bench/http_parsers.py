"""What h11 and httptools make of hostile requests, each inside uvicorn with its defaults.

    pip install httptools && python -m bench.http_parsers

Decision 4 quotes the table. The application here has none of the reactor's own limits: it says what reached it.
"""

import argparse
import asyncio
import json
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import uvicorn

HEAD = b"POST /hook HTTP/1.1\r\nHost: x\r\nsvix-id: one\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n"
HANG = 3.0
"""Seconds after which an open connection counts as left open."""

INPUTS: dict[str, bytes] = {
    "a good request": HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    "a header of 2 MiB": HEAD + b"x: " + b"x" * 2**21 + b"\r\nConnection: close\r\n\r\n",
    "5,000 headers": HEAD + b"".join(b"x-%d: 1\r\n" % n for n in range(5000)) + b"Connection: close\r\n\r\n",
    "a target of 100 KiB": HEAD.replace(b"/hook", b"/" + b"x" * 102_400) + b"Connection: close\r\n\r\n",
    "Content-Length and chunked": CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two different Content-Lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}x",
    "Content-Length: +2": HEAD + b"Content-Length: +2\r\nConnection: close\r\n\r\n{}",
    "Transfer-Encoding: gzip, chunked": CHUNKED.replace(b": chunked", b": gzip, chunked") + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk extension of 1 MiB": CHUNKED + b"\r\n2;" + b"x" * 2**20 + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer svix-id: two": CHUNKED + b"\r\n2\r\n{}\r\n0\r\nsvix-id: two\r\n\r\n",
    "a bare LF in a header": HEAD + b"x: 1\nsvix-id: two\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "a NUL in a header": HEAD + b"x: \0\r\nConnection: close\r\n\r\n",
    "a space before the colon": HEAD + b"x : 1\r\nConnection: close\r\n\r\n",
    "a folded header": HEAD + b"x: 1\r\n 2\r\nConnection: close\r\n\r\n",
    "no Host": b"POST /hook HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "two Hosts": HEAD + b"Host: y\r\nConnection: close\r\n\r\n",
    "svix-id twice": HEAD + b"svix-id: two\r\nConnection: close\r\n\r\n",
    "an absolute target": HEAD.replace(b"/hook", b"http://other/hook") + b"Connection: close\r\n\r\n",
    "Expect: 100-continue": HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "Upgrade: h2c with a body": HEAD
    + b"Upgrade: h2c\r\nConnection: close, Upgrade\r\nHTTP2-Settings: AA\r\nContent-Length: 2\r\n\r\n{}",
    "50 in a pipeline": (HEAD + b"Content-Length: 2\r\n\r\n{}") * 49
    + HEAD
    + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "half a head": HEAD,
    "half a body": HEAD + b"Content-Length: 10\r\n\r\n{}",
    "nothing": b"",
}


async def told(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer with what reached the application."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    ids = [value.decode() for name, value in scope["headers"] if name == b"svix-id"]
    answer = json.dumps({"path": scope["path"][:20], "ids": ids, "body": len(body)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def serving(parser: str) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        told, http=parser, lifespan="off", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    with listener:
        yield uvicorn.Server(config), listener


async def said(port: int, request: bytes) -> str:
    """Send the bytes, wait for the end of the answer, and say it in a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(HANG):
            while chunk := await reader.read(65536):
                answer += chunk
    except TimeoutError:
        return "left open" if not answer else f"{answer[9:12].decode()}, left open"
    except ConnectionError:
        pass
    finally:
        writer.close()
    parts = [part for part in answer.split(b"HTTP/1.1 ") if part]
    statuses = [part[:3].decode() for part in parts]
    if not statuses:
        return "hung up"
    shown = statuses[0] if len(set(statuses)) == 1 else "+".join(statuses)
    shown += f" ×{len(statuses)}" if len(statuses) > 1 and len(set(statuses)) == 1 else ""
    body = parts[-1].partition(b"\r\n\r\n")[2]
    return f"{shown} {body.decode()}" if body.startswith(b"{") else shown


async def measure(parser: str) -> dict[str, str]:
    with serving(parser) as (server, listener):
        task = asyncio.create_task(server.serve(sockets=[listener]))
        port = listener.getsockname()[1]  # it listens already: whoever connects is served as soon as the server starts
        found = {name: await said(port, request) for name, request in INPUTS.items()}
        server.should_exit = True
        await task
    return found


def main() -> None:
    columns = {parser: asyncio.run(measure(parser)) for parser in ("h11", "httptools")}
    versions = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "h11", "httptools"))
    print(f"{versions}, Python {platform.python_version()}\n")
    print("| input | h11 | httptools |\n|---|---|---|")
    for name in columns["h11"]:
        print(f"| {name} | {columns['h11'][name]} | {columns['httptools'][name]} |")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
