"""What moves a sandbox: starting, stopping, archiving, destroying, and what it is copied into (snapshots, forks).

One change at a time: who comes while another is under way is refused with 409.
"""

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from uuid import uuid4

from starlette.requests import Request

from reactor.emulator.api import Handler, Operation
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.daytona.bodies import CreateSandboxSnapshot, ForkSandbox, ResizeSandbox
from reactor.emulator.daytona.journeys import SANDBOX_JOURNEYS, Journeys, Step, detour
from reactor.emulator.daytona.resources import Sandbox
from reactor.emulator.daytona.sandboxes import Sandboxes
from reactor.emulator.daytona.snapshots import Snapshots
from reactor.emulator.daytona.views import View
from reactor.emulator.pace import Span


@dataclass(frozen=True, slots=True)
class Change:
    """A change that takes no body: the journey from each state that it may start in, and how others are refused."""

    journeys: Mapping[str, str]
    desired_state: str
    complaint: str
    is_repeatable: bool = False
    """Asked for again when it is done, it does nothing."""


BACKUP: Span = (0.5, 2)
"""How long each state of a backup lasts."""

START = Change(
    {"stopped": "start", "paused": "resume", "archived": "restore"},
    "started",
    "Sandbox is not in valid state",
    is_repeatable=True,
)
STOP = Change({"started": "stop"}, "stopped", "Sandbox is not started")
PAUSE = Change({"started": "pause"}, "paused", "Sandbox is not started")
ARCHIVE = Change({"stopped": "archive"}, "archived", "Sandbox is not stopped")
RECOVER = Change({"error": "start"}, "started", "Sandbox must be in error state to recover")


class Lifecycle:
    """The changes of sandboxes."""

    def __init__(self, journeys: Journeys, sandboxes: Sandboxes, snapshots: Snapshots) -> None:
        self._journeys = journeys
        self._sandboxes = sandboxes
        self._snapshots = snapshots

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations that move sandboxes."""
        rows: tuple[tuple[str, str, str, Handler], ...] = (
            ("DELETE", "", "deleteSandbox", self.destroy),
            ("POST", "/start", "startSandbox", self.changes(START)),
            ("POST", "/stop", "stopSandbox", self.changes(STOP)),
            ("POST", "/pause", "pauseSandbox", self.changes(PAUSE)),
            ("POST", "/archive", "archiveSandbox", self.changes(ARCHIVE)),
            ("POST", "/recover", "recoverSandbox", self.changes(RECOVER)),
            ("POST", "/resize", "resizeSandbox", self.resize),
            ("POST", "/snapshot", "createSandboxSnapshot", self.capture),
            ("POST", "/fork", "forkSandbox", self.fork),
            ("POST", "/backup", "createBackup", self.back_up),
        )
        return tuple(
            Operation(method, f"/sandbox/{{id}}{path}", operation, handler, "sandbox-lifecycle")
            for method, path, operation, handler in rows
        )

    def changes(self, change: Change) -> Handler:
        """Make the handler of an operation that takes no body."""

        async def handler(request: Request) -> View:
            sandbox = self._sandboxes.asked_for(request)
            is_done = sandbox.state == sandbox.desired_state == change.desired_state
            if not (is_done and change.is_repeatable):
                self._refuse_unless(sandbox, change.journeys, change.complaint)
                sandbox.error_reason = None
                self._set_out(sandbox, SANDBOX_JOURNEYS[change.journeys[sandbox.state]], change.desired_state)
            return self._sandboxes.show(request, sandbox)

        return handler

    async def destroy(self, request: Request) -> object:
        """Destroy a sandbox in whatever state. Its name is free at once."""
        sandbox = self._sandboxes.asked_for(request)
        self._refuse_moving(sandbox)
        forks = (fork for fork in self._sandboxes.by_id.values() if fork.parent_id == sandbox.id)
        if any(fork.desired_state != "destroyed" for fork in forks):
            raise Refused(400, "Cannot delete a sandbox that has active fork children")
        self._journeys.keep_past(sandbox)
        self._set_out(sandbox, SANDBOX_JOURNEYS["destroy"], "destroyed")
        sandbox.name = f"DESTROYED_{sandbox.name}_{time.time() * 1000:.0f}"
        return self._sandboxes.show(request, sandbox)

    async def resize(self, request: Request) -> object:
        """Give a started or stopped sandbox other resources; it returns to its state."""
        sandbox = self._sandboxes.asked_for(request)
        size = parse(ResizeSandbox, await request.body()).model_dump(exclude_none=True)
        if not size:
            raise Refused(400, "At least one of cpu, memory or disk must be given")
        self._refuse_unless(sandbox, ("started", "stopped"), "Sandbox must be started or stopped to be resized")

        def apply() -> None:
            sandbox.spec = sandbox.spec.model_copy(update=size)

        self._detour(sandbox, "resizing", apply)
        return self._sandboxes.show(request, sandbox)

    async def capture(self, request: Request) -> object:
        """Make a snapshot of a started or stopped sandbox. It returns to its state, whether there is a snapshot or not."""
        sandbox = self._sandboxes.asked_for(request)
        name = parse(CreateSandboxSnapshot, await request.body()).name
        self._snapshots.refuse_taken(name)
        self._refuse_unless(sandbox, ("started", "stopped"), "Sandbox must be started or stopped to be snapshotted")
        chance = self._journeys.chance
        fails = chance.hits(chance.faults.capture_error)
        self._detour(sandbox, "snapshotting", lambda: None if fails else self._snapshots.captured(sandbox, name))
        return self._sandboxes.show(request, sandbox)

    async def back_up(self, request: Request) -> object:
        """Make a backup of a started or stopped sandbox, which keeps its state; no event tells of it."""
        sandbox = self._sandboxes.asked_for(request)
        self._refuse_unless(sandbox, ("started", "stopped"), "Sandbox must be started or stopped to be backed up")
        sandbox.backup_state = "Pending"

        async def copy() -> None:
            for state in ("InProgress", "Completed"):
                await self._journeys.pace.stay(BACKUP)
                sandbox.backup_state = state
            sandbox.backup_at = time.time()

        self._journeys.background.spawn(copy())
        return self._sandboxes.show(request, sandbox)

    async def fork(self, request: Request) -> object:
        """Copy a started sandbox; the answer shows the copy, in `creating`."""
        parent = self._sandboxes.asked_for(request)
        name = parse(ForkSandbox, await request.body()).name
        self._refuse_unless(parent, ("started",), "Sandbox must be started to be forked")
        sandbox_id = str(uuid4())
        child = Sandbox(
            id=sandbox_id,
            name=name or sandbox_id,
            state="creating",
            spec=parent.spec,
            volumes=parent.volumes,
            labels=dict(parent.labels),
            parent_id=parent.id,
        )
        self._sandboxes.add(child)
        self._journeys.announce.created(child)
        self._detour(parent, "forking")
        child.journey = self._journeys.set_out(child, SANDBOX_JOURNEYS["forked"])
        return self._sandboxes.show(request, child)

    def _detour(self, sandbox: Sandbox, state: str, arrive: Callable[[], None] | None = None) -> None:
        self._set_out(sandbox, detour(state, sandbox.state), sandbox.desired_state, arrive)

    def _set_out(
        self,
        sandbox: Sandbox,
        steps: tuple[Step, ...],
        desired_state: str,
        arrive: Callable[[], None] | None = None,
    ) -> None:
        sandbox.desired_state = desired_state
        sandbox.journey = self._journeys.set_out(sandbox, steps, arrive=arrive)

    def _refuse_unless(self, sandbox: Sandbox, states: Container[str], complaint: str) -> None:
        self._refuse_moving(sandbox)
        if sandbox.state not in states:
            raise Refused(400, complaint)

    def _refuse_moving(self, sandbox: Sandbox) -> None:
        if sandbox.is_moving:
            raise Refused(409, "Sandbox state change in progress")
