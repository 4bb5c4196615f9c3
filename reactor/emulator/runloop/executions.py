"""Commands in devboxes, which take their time and may outlast any one call that waits for them."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request

from reactor.emulator.api import Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.commands import Execution, Outcome, run
from reactor.emulator.runloop.bodies import Execute, ExecuteAsync, WaitForExecution
from reactor.emulator.runloop.resources import Devbox, View, asked_for

HOLD = 25
"""How long a call that waits for a command is held by default and at most, in seconds before scaling."""

NO_TIMEOUT = 24 * 3600.0
"""A synchronous command is waited for as long as this, in seconds before scaling."""

QUEUED = 0.02
"""How long a command is queued before it runs, in seconds."""


class Executions:
    """The commands of all devboxes."""

    def __init__(self, devboxes: Mapping[str, Devbox], background: Background, time_scale: float) -> None:
        self._devboxes = devboxes
        self._background = background
        self._time_scale = time_scale

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on commands."""
        one = "/v1/devboxes/{id}/executions/{execution}"
        return (
            Operation("POST", "/v1/devboxes/{id}/execute_async", "execAsyncCommand", self.execute_async),
            Operation("POST", "/v1/devboxes/{id}/execute", "executeCommand", self.execute),
            Operation("GET", one, "queryAsyncCommand", self.get),
            Operation("POST", f"{one}/wait_for_status", "waitForCommandCompletion", self.wait),
            Operation("POST", f"{one}/kill", "killAsyncExecution", self.kill),
            Operation("POST", "/v1/devboxes/{id}/execute_sync", "execSyncCommand", self.execute_sync),
        )

    async def execute_async(self, request: Request) -> object:
        """Start a command, a new one with every call."""
        devbox = self._running(request)
        command = parse(ExecuteAsync, await request.body()).command
        return _show(devbox, self._start(devbox, f"exec_{secrets.token_hex(10)}", command))

    async def execute(self, request: Request) -> object:
        """Start a command unless its id is known, and wait for its end; 408 if that takes too long. It runs on."""
        devbox = self._running(request)
        asked = parse(Execute, await request.body())
        execution = devbox.executions.get(asked.command_id) or self._start(devbox, asked.command_id, asked.command)
        if not await self._background.hold(execution.ends_within(_hold(asked.optimistic_timeout))):
            raise Refused(408, "Timeout waiting for command to complete")
        return _show(devbox, execution)

    async def execute_sync(self, request: Request) -> object:
        """Run a command to its end."""
        devbox = self._running(request)
        command = parse(ExecuteAsync, await request.body()).command
        execution = self._start(devbox, f"exec_{secrets.token_hex(10)}", command)
        await self._background.hold(execution.ends_within(NO_TIMEOUT))
        outcome = execution.outcome
        return {"devbox_id": devbox.id, "exit_status": outcome.exit_code, "stdout": outcome.output, "stderr": ""}

    async def kill(self, request: Request) -> object:
        """End a command now."""
        devbox = self._asked_for(request)
        execution = _execution(request, devbox)
        killed = replace(execution, outcome=Outcome("", 137, 0.0)) if execution.left else execution
        devbox.executions[execution.id] = killed
        return _show(devbox, killed)

    async def get(self, request: Request) -> object:
        """Show a command: its output comes with its end."""
        devbox = self._asked_for(request)
        return _show(devbox, _execution(request, devbox))

    async def wait(self, request: Request) -> object:
        """Hold the call until a command has one of the statuses; 408 if that takes too long."""
        devbox = self._asked_for(request)
        execution = _execution(request, devbox)
        asked = parse(WaitForExecution, await request.body())
        if _status(execution) not in asked.statuses:
            await self._background.hold(execution.ends_within(_hold(asked.timeout_seconds)))
        if _status(execution) not in asked.statuses:
            raise Refused(408, "Timeout waiting for status")
        return _show(devbox, execution)

    def _start(self, devbox: Devbox, execution_id: str, command: str) -> Execution:
        execution = Execution(execution_id, command, run(command), self._time_scale)
        devbox.executions[execution_id] = execution
        return execution

    def _running(self, request: Request) -> Devbox:
        devbox = self._asked_for(request)
        if devbox.status != "running":
            raise Refused(400, f"Devbox is not running. Current status: {devbox.status}")
        return devbox

    def _asked_for(self, request: Request) -> Devbox:
        return asked_for(request, Devbox, self._devboxes)


def _hold(seconds: int | None) -> int:
    return HOLD if seconds is None else min(seconds, HOLD)


def _execution(request: Request, devbox: Devbox) -> Execution:
    execution = devbox.executions.get(request.path_params["execution"])
    if execution is None:
        raise Refused(404, "Execution not found")
    return execution


def _status(execution: Execution) -> str:
    if not execution.left:
        return "completed"
    return "running" if time.monotonic() - execution.started_at > QUEUED else "queued"


def _show(devbox: Devbox, execution: Execution) -> View:
    """Show a command as the API does (DevboxAsyncExecutionDetailView)."""
    status = _status(execution)
    outcome = execution.outcome
    ended = {"exit_status": outcome.exit_code, "stdout": outcome.output, "stderr": ""}
    return {
        "devbox_id": devbox.id,
        "execution_id": execution.id,
        "status": status,
        **(ended if status == "completed" else {}),
    }
