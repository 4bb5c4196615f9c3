"""A web process of its own, and how tests talk to it."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from conftest import CONFIG, ORGANIZATION, SECRET
from redis import Redis

OLD_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzLTI0Kw=="
BODY_TIMEOUT = 0.7

OWN = ("process", "processes", "revision", "text")
"""Kinds of keys by which a process now and then says what it runs, whoever asks it what."""


def traces(redis: Redis) -> list[str]:
    """Every key, but those by which a process speaks of itself."""
    keys: Any = redis.scan_iter("*", count=1000)
    names = [key.decode() if isinstance(key, bytes) else key for key in keys]
    return sorted(name for name in names if name.split(":")[1:2] not in [[own] for own in OWN])


@dataclass(frozen=True)
class Web:
    """A running web process: its two addresses, the file that has its logs, and its process id."""

    url: str
    operations_url: str
    log: Path
    pid: int

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, trust_env=False)

    def operations(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.operations_url, trust_env=False)

    async def deliveries(self) -> dict[str, float]:
        """Deliveries so far, by what became of them."""
        async with self.operations() as http:
            figures = (await http.get("/metrics")).text
        return {
            f"{source} {outcome}": float(count)
            for outcome, source, count in re.findall(
                r'^reactor_deliveries_total{outcome="(.*)",source="(.*)"} (.*)$', figures, re.MULTILINE
            )
        }

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection of one's own."""
        at = urlsplit(self.url)
        return await asyncio.open_connection(at.hostname, at.port)

    async def exchange(self, *parts: bytes, half_close: bool = False) -> bytes:
        """Send bytes as they are over a connection of their own, and read until the server closes it."""
        reader, writer = await self.connect()
        try:
            return await asyncio.wait_for(_exchanged(reader, writer, parts, half_close), 20)
        finally:
            writer.close()


async def _exchanged(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: tuple[bytes, ...], half_close: bool
) -> bytes:
    answer = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if half_close:
            writer.write_eof()
        while chunk := await reader.read(65536):
            answer += chunk
    except ConnectionError:  # the server may refuse to read on before all is sent
        pass
    return answer


@contextmanager
def serving(redis_url: str, directory: Path, *, dispatch: bool = False, **environment: str) -> Iterator[Web]:
    """`reactor serve`, without a dispatcher unless told otherwise; as in production but for its address."""
    log = directory / "web.log"
    variables = os.environ | {
        "DAYTONA_WEBHOOK_SECRET": SECRET,
        "DAYTONA_WEBHOOK_SECRET_OLD": OLD_SECRET,
        "DAYTONA_ORGANIZATION_ID": ORGANIZATION,
        "REACTOR_BODY_TIMEOUT": str(BODY_TIMEOUT),
        "REACTOR_LOG_LEVEL": "debug",
        "REACTOR_OPERATIONS_PORT": "0",
    }
    command = [sys.executable, "-m", "reactor", "serve", "--port", "0", "--dispatch" if dispatch else "--no-dispatch"]
    command += ["--redis", redis_url, "--config", str(CONFIG)]
    with (
        log.open("wb") as logs,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=logs, env=variables | environment) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            assert "listens on" in line, log.read_text()
            yield Web(line.split()[-1], process.stdout.readline().decode().split()[-1], log, process.pid)
        finally:
            process.terminate()
            assert process.wait(20) == 0, log.read_text()
