"""Speaks to the YAML language server as an editor does: LSP over stdio. npm installs it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npm import package

PATIENCE = 60.0
"""Seconds for all of a test's questions, which take a few."""


@dataclass(slots=True)
class Editor:
    """One open file, as an editor has it."""

    process: asyncio.subprocess.Process
    uri: str
    asked: int = 0
    diagnostics: list[dict[str, Any]] | None = field(default=None)

    async def offered(self, line: int, character: int) -> dict[str, dict[str, Any]]:
        """What is offered at a place (from 0), by its label."""
        answer = await self.ask("textDocument/completion", self._at(line, character))
        return {item["label"]: item for item in answer["items"]}

    async def shown(self, line: int, character: int) -> str:
        """What is shown when the pointer rests there."""
        answer = await self.ask("textDocument/hover", self._at(line, character))
        return str(answer["contents"]["value"]).replace("\\", "")

    async def marked(self) -> list[tuple[int, str]]:
        """What is marked: the line (from 0) and what is said."""
        while self.diagnostics is None:
            await self._heard(await self._read())
        return [(each["range"]["start"]["line"], each["message"]) for each in self.diagnostics]

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """A question and its answer; what the server asks and tells in between is seen to."""
        self.asked += 1
        self.tell(method, params, id=self.asked)
        while True:
            message = await self._read()
            if message.get("id") == self.asked and "method" not in message:
                return message["result"]
            await self._heard(message)

    def tell(self, method: str, params: dict[str, Any], **more: Any) -> None:
        """A notification."""
        self._send({"method": method, "params": params, **more})

    def _at(self, line: int, character: int) -> dict[str, Any]:
        return {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": character}}

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        length = 0
        while line := (await self.process.stdout.readline()).strip():
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        message: dict[str, Any] = json.loads(await self.process.stdout.readexactly(length))
        return message

    async def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "workspace/configuration", "id": id, "params": {"items": items}}:
                self._send({"id": id, "result": [SETTINGS.get(item.get("section")) for item in items]})
            case {"method": "textDocument/publishDiagnostics", "params": {"diagnostics": found}}:
                self.diagnostics = found
            case {"method": _, "id": id}:
                self._send({"id": id, "result": None})


SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
"""An editor's own defaults, but that no schema is fetched from anywhere."""


@asynccontextmanager
async def opened(file: Path, text: str) -> AsyncIterator[Editor]:
    """An editor in which this text stands in this file; the file's first line names its schema."""
    program = package("yaml-language-server") / "bin" / "yaml-language-server"
    process = await asyncio.create_subprocess_exec(
        "node", str(program), "--stdio", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            editor = Editor(process, file.as_uri())
            await editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": CAPABILITIES})
            editor.tell("initialized", {})
            document = {"uri": editor.uri, "languageId": "yaml", "version": 1, "text": text}
            editor.tell("textDocument/didOpen", {"textDocument": document})
            yield editor
    finally:
        process.kill()
        await process.wait()


CAPABILITIES = {
    "workspace": {"configuration": True},
    "textDocument": {"hover": {"contentFormat": ["markdown"]}, "publishDiagnostics": {}},
}
