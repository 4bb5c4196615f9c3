"""Files in devboxes: texts by path, in memory."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.runloop.bodies import FileContents, FilePath
from reactor.emulator.runloop.resources import Devbox, asked_for


class Files:
    """The files of all devboxes."""

    def __init__(self, devboxes: Mapping[str, Devbox]) -> None:
        self._devboxes = devboxes

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on files."""
        devbox = "/v1/devboxes/{id}"
        return (
            Operation("POST", f"{devbox}/write_file_contents", "devboxWriteFileContents", self.write),
            Operation("POST", f"{devbox}/read_file_contents", "devboxReadFileContents", self.read),
        )

    async def write(self, request: Request) -> object:
        """Write a file."""
        devbox = asked_for(request, Devbox, self._devboxes)
        asked = parse(FileContents, await request.body())
        devbox.files[asked.file_path] = asked.contents
        return {"devbox_id": devbox.id, "exit_status": 0, "stdout": "", "stderr": ""}

    async def read(self, request: Request) -> Response:
        """Give the content of a file, as a text."""
        devbox = asked_for(request, Devbox, self._devboxes)
        path = parse(FilePath, await request.body()).file_path
        if path not in devbox.files:
            raise Refused(400, f"File not found: {path}")
        return PlainTextResponse(devbox.files[path])
