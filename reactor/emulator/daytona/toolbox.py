"""The toolbox: commands, sessions and files inside a started sandbox. All in memory; no command really runs.

Paths, operationIds and answers are those of Daytona's toolbox document v0.190.0.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import PurePosixPath
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reactor.emulator.api import Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.commands import Execution, run
from reactor.emulator.daytona.bodies import CreateSession, ExecuteCommand, ExecuteInSession, RunCode
from reactor.emulator.daytona.resources import Sandbox
from reactor.emulator.daytona.views import View, timestamp

HOME = PurePosixPath("/home/daytona")
"""What relative paths are relative to."""

NO_TIMEOUT = 24 * 3600.0
"""A synchronous command in a session is waited for as long as this, in seconds before scaling."""


@dataclass(frozen=True, slots=True)
class File:
    """The content of a file, and when it was written."""

    content: bytes
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a sandbox has inside: files by path, sessions by id with their commands by id."""

    files: dict[str, File] = field(default_factory=dict)
    sessions: dict[str, dict[str, Execution]] = field(default_factory=dict)


class Toolbox:
    """The machines of all sandboxes. `find` gives a sandbox by id or name, or raises Refused."""

    def __init__(self, find: Callable[[str], Sandbox], background: Background, time_scale: float) -> None:
        self._find = find
        self._background = background
        self._time_scale = time_scale
        self._machines: dict[str, Machine] = {}

    def clear(self) -> None:
        """Forget every machine."""
        self._machines.clear()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the toolbox, relative to a path with {sandbox} in it."""
        session = "/process/session/{session}"
        return (
            Operation("POST", "/process/execute", "ExecuteCommand", self.execute),
            Operation("POST", "/process/code-run", "CodeRun", self.run_code),
            Operation("GET", "/process/session", "ListSessions", self.list_sessions),
            Operation("POST", "/process/session", "CreateSession", self.create_session),
            Operation("GET", session, "GetSession", self.get_session),
            Operation("DELETE", session, "DeleteSession", self.delete_session),
            Operation("POST", f"{session}/exec", "SessionExecuteCommand", self.execute_in_session),
            Operation("GET", f"{session}/command/{{command}}", "GetSessionCommand", self.get_command),
            Operation("GET", f"{session}/command/{{command}}/logs", "GetSessionCommandLogs", self.get_logs),
            Operation("GET", "/files", "ListFiles", self.list_files),
            Operation("DELETE", "/files", "DeleteFile", self.delete_file),
            Operation("POST", "/files/folder", "CreateFolder", self.create_folder),
            Operation("GET", "/files/download", "DownloadFile", self.download),
            Operation("POST", "/files/upload", "UploadFile", self.upload),
        )

    async def execute(self, request: Request) -> object:
        """Run a command to its end; 408 if that takes longer than its timeout."""
        self._machine(request)
        asked = parse(ExecuteCommand, await request.body())
        execution = self._run(asked.command)
        if not await self._background.hold(execution.ends_within(asked.timeout)):
            raise Refused(408, "command execution timeout")
        return {"exitCode": execution.outcome.exit_code, "result": execution.outcome.output}

    async def run_code(self, request: Request) -> object:
        """Pretend to run code: it succeeds and prints itself."""
        self._machine(request)
        return {"exitCode": 0, "result": parse(RunCode, await request.body()).code, "artifacts": {"charts": []}}

    async def create_folder(self, request: Request) -> Response:
        """Make a folder, of which nothing is kept: any path will do for a file."""
        self._machine(request)
        _path(request)
        return Response(status_code=201)

    async def list_sessions(self, request: Request) -> object:
        """List the sessions with their commands."""
        sessions = self._machine(request).sessions
        return [_session_view(session_id, commands) for session_id, commands in sessions.items()]

    async def create_session(self, request: Request) -> Response:
        """Open a session under the id it is given."""
        sessions = self._machine(request).sessions
        session_id = parse(CreateSession, await request.body()).session_id
        if session_id in sessions:
            raise Refused(409, "session already exists")
        sessions[session_id] = {}
        return Response(status_code=201)

    async def get_session(self, request: Request) -> object:
        """Show a session with its commands."""
        return _session_view(request.path_params["session"], self._session(request))

    async def delete_session(self, request: Request) -> Response:
        """Close a session."""
        self._session(request)
        del self._machine(request).sessions[request.path_params["session"]]
        return Response(status_code=204)

    async def execute_in_session(self, request: Request) -> object:
        """Run a command in a session: to its end, or (202) without waiting for it."""
        commands = self._session(request)
        asked = parse(ExecuteInSession, await request.body())
        execution = self._run(asked.command)
        commands[execution.id] = execution
        if asked.run_async or asked.is_async:
            return JSONResponse({"cmdId": execution.id}, 202)
        await self._background.hold(execution.ends_within(NO_TIMEOUT))
        return {"cmdId": execution.id, "exitCode": execution.outcome.exit_code, **_logs(execution)}

    async def get_command(self, request: Request) -> object:
        """Show a command of a session; it has an exit code once it has ended."""
        return _command_view(self._command(request))

    async def get_logs(self, request: Request) -> object:
        """Show what a command has printed: nothing before it has ended."""
        return _logs(self._command(request))

    async def list_files(self, request: Request) -> object:
        """List the files directly below a path."""
        below = _path(request, default=".")
        files = self._machine(request).files.items()
        return [_file_view(path, file) for path, file in files if str(PurePosixPath(path).parent) == below]

    async def upload(self, request: Request) -> object:
        """Write a file: the body, or the first part of a multipart one."""
        body = await request.body()
        content_type = request.headers.get("content-type", "")
        if content_type.startswith("multipart/"):
            body = _first_part(content_type, body)
        self._machine(request).files[_path(request)] = File(body)
        return {"message": "File uploaded successfully"}

    async def download(self, request: Request) -> Response:
        """Give the content of a file."""
        file = self._machine(request).files.get(_path(request))
        if file is None:
            raise Refused(404, "file not found")
        return Response(file.content, media_type="application/octet-stream")

    async def delete_file(self, request: Request) -> Response:
        """Delete a file."""
        if self._machine(request).files.pop(_path(request), None) is None:
            raise Refused(404, "file not found")
        return Response(status_code=204)

    def _run(self, command: str) -> Execution:
        return Execution(str(uuid4()), command, run(command), self._time_scale)

    def _machine(self, request: Request) -> Machine:
        sandbox = self._find(request.path_params["sandbox"])
        if sandbox.state != "started":
            raise Refused(400, f"Sandbox is not started. Current state: {sandbox.state}")
        return self._machines.setdefault(sandbox.id, Machine())

    def _session(self, request: Request) -> dict[str, Execution]:
        commands = self._machine(request).sessions.get(request.path_params["session"])
        if commands is None:
            raise Refused(404, "session not found")
        return commands

    def _command(self, request: Request) -> Execution:
        execution = self._session(request).get(request.path_params["command"])
        if execution is None:
            raise Refused(404, "command not found")
        return execution


def _path(request: Request, default: str = "") -> str:
    path = request.query_params.get("path", default)
    if not path:
        raise Refused(400, "path is required")
    return str(HOME / path)


def _first_part(content_type: str, body: bytes) -> bytes:
    message = message_from_bytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    for part in message.walk():
        if isinstance(content := part.get_payload(decode=True), bytes):
            return content
    raise Refused(400, "no file in the body")


def _session_view(session_id: str, commands: dict[str, Execution]) -> View:
    return {"sessionId": session_id, "commands": [_command_view(command) for command in commands.values()]}


def _command_view(execution: Execution) -> View:
    ended = {} if execution.left else {"exitCode": execution.outcome.exit_code}
    return {"id": execution.id, "command": execution.command, **ended}


def _logs(execution: Execution) -> View:
    output = "" if execution.left else execution.outcome.output
    return {"output": output, "stdout": output, "stderr": ""}


def _file_view(path: str, file: File) -> View:
    return {
        "name": PurePosixPath(path).name,
        "isDir": False,
        "size": len(file.content),
        "mode": "-rw-r--r--",
        "permissions": "0644",
        "owner": "daytona",
        "group": "daytona",
        "modTime": timestamp(file.at),
        "modifiedAt": timestamp(file.at),
    }
