"""The operations listener of a process as tests ask it: with a token of either role, or with none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from at_work import served
from conftest import CONFIG, Opened

from reactor.config import load_config
from reactor.http_api.listener import create_listener
from reactor.http_api.parts import Parts
from reactor.reload import Live
from reactor.tokens import Role, new_token


@dataclass(frozen=True)
class Api:
    """A listener: its address, the file of its tokens, and one token of each role."""

    url: str
    parts: Parts
    tokens: dict[Role, str]

    def client(self, token: str = "") -> httpx2.AsyncClient:
        """A client that shows a token, if there is one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False)

    async def ask(self, method: str, path: str, role: Role = "operate", **others: Any) -> httpx2.Response:
        """Ask with the token of a role."""
        async with self.client(self.tokens[role]) as http:
            return await http.request(method, path, **others)


@asynccontextmanager
async def listening(opened: Opened, directory: Path) -> AsyncIterator[Api]:
    """The listener, on the shipped configuration, with a `read` and an `operate` token."""
    made = {"read": new_token(), "operate": new_token()}
    lines = [f"  {role}r: {{role: {role}, sha256: {digest}}}" for role, (_, digest) in made.items()]
    (directory / "tokens.yaml").write_text("\n".join(["tokens:", *lines]), "utf-8")
    settings = opened.settings.model_copy(update={"tokens": directory / "tokens.yaml", "body_timeout": 1.0})
    parts = Parts("serve", settings, opened.store, opened.queue, Live(load_config(CONFIG)), asyncio.Event())
    async with served(create_listener(parts)) as url:
        yield Api(url, parts, {"read": made["read"][0], "operate": made["operate"][0]})
