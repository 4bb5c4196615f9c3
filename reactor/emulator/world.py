"""The emulated organization: its volumes and sandboxes, and the journeys that take them from state to state.

States and their times are those of Daytona v0.190 (`volume.manager.ts`, `sandbox-start.action.ts`). Knows neither HTTP
nor webhooks: it announces what happens through `Announce`, and raises Refused where the API would say no.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from uuid import uuid4

from reactor.emulator.background import Background
from reactor.emulator.bodies import CreateSandbox, Refused, SandboxVolume
from reactor.emulator.faults import Chance


@dataclass(slots=True, eq=False, kw_only=True)
class Resource:
    """What volumes and sandboxes have in common. Times are seconds since the epoch."""

    kind: ClassVar[str]
    id: str
    name: str
    state: str
    created_at: float
    updated_at: float
    error_reason: str | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Volume(Resource):
    """A volume; it is there for ever, also when deleted."""

    kind: ClassVar[str] = "volume"
    last_used_at: float | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Sandbox(Resource):
    """A sandbox. `state` is the raw one that webhooks carry; `journey` is the change of state under way, if any."""

    kind: ClassVar[str] = "sandbox"
    spec: CreateSandbox
    volumes: tuple[SandboxVolume, ...]
    labels: dict[str, str]
    desired_state: str = "started"
    journey: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_moving(self) -> bool:
        """Tell whether a change of state is under way."""
        return self.journey is not None and not self.journey.done()


class Announce(Protocol):
    """Who wants to hear of changes. `moving` comes before the resource shows its new state."""

    def created(self, resource: Resource) -> None:
        """Hear that a resource is there now."""

    def moving(self, resource: Resource, new_state: str, updated_at: float) -> None:
        """Hear that a resource is about to have this state."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state of a journey, and how long the state before it lasts: at least and at most, in seconds."""

    state: str
    after: tuple[float, float]


# Volumes wait for a cron job that runs every five seconds.
VOLUME_JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "create": (Step("creating", (0, 5)), Step("ready", (0.3, 2))),
    "delete": (Step("deleting", (0, 5)), Step("deleted", (0.3, 2))),
}
SANDBOX_JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "create": (Step("creating", (0.1, 0.5)), Step("started", (0.8, 2.5))),
    "start": (Step("starting", (0.05, 0.2)), Step("started", (0.5, 1.5))),
    "restore": (Step("restoring", (0.05, 0.2)), Step("started", (3, 10))),
    "stop": (Step("stopping", (0.05, 0.2)), Step("stopped", (0.5, 2))),
    "archive": (Step("archiving", (0.05, 0.2)), Step("archived", (5, 20))),
    "destroy": (Step("destroying", (0.05, 0.2)), Step("destroyed", (0.5, 2))),
}

# Two events of a resource never share a millisecond at Daytona, so they don't at any time scale either.
SHORTEST_STAY = 0.002


class World:
    """Every resource there ever was since the last reset, in the order of creation."""

    def __init__(self, announce: Announce, chance: Chance, background: Background, time_scale: float) -> None:
        self.volumes: dict[str, Volume] = {}
        self.sandboxes: dict[str, Sandbox] = {}
        self.time_scale = time_scale
        self._announce = announce
        self._chance = chance
        self._background = background

    def clear(self) -> None:
        """Forget every resource; their journeys are the background's to stop."""
        self.volumes.clear()
        self.sandboxes.clear()

    def volume_named(self, name: str) -> Volume | None:
        """Find a volume that is not deleted by its name."""
        return next((v for v in self.volumes.values() if v.name == name and v.state != "deleted"), None)

    async def create_volume(self, name: str) -> Volume:
        """Create a volume. An empty name becomes the id."""
        volume_id = str(uuid4())
        name = name or volume_id
        if self.volume_named(name):
            raise Refused(400, f"Volume with name {name} already exists")
        if self._chance.faults.name_race:
            await asyncio.sleep(self._chance.faults.name_race)
        if self.volume_named(name):
            # The loser of a race runs into the database's unique index, which nobody maps to a 4xx.
            raise Refused(500, "An unexpected error occurred.")
        now = time.time()
        volume = Volume(id=volume_id, name=name, state="pending_create", created_at=now, updated_at=now)
        self.volumes[volume_id] = volume
        self._announce.created(volume)
        fails = self._chance.hits(self._chance.faults.volume_error)
        self._background.spawn(self._travel(volume, "create", "Failed to create the bucket" if fails else None))
        return volume

    async def delete_volume(self, volume: Volume) -> None:
        """Mark a volume for deletion. Its name is free when it is deleted."""
        if volume.state not in ("ready", "error"):
            raise Refused(400, "Volume must be in 'ready' or 'error' state in order to be deleted")
        for sandbox in self.sandboxes.values():
            if sandbox.desired_state != "destroyed" and any(v.volume_id == volume.id for v in sandbox.volumes):
                raise Refused(
                    409, f"Volume cannot be deleted because it is in use by one or more sandboxes (e.g. {sandbox.name})"
                )
        await self._move(volume, "pending_delete", time.time())
        self._background.spawn(self._travel(volume, "delete"))

    def find_sandbox(self, id_or_name: str) -> Sandbox:
        """Find a sandbox that is not destroyed; otherwise raise Refused (404)."""
        sandbox = self.sandboxes.get(id_or_name) or self._sandbox_named(id_or_name)
        if sandbox is None or sandbox.state == "destroyed":
            raise Refused(404, f"Sandbox with ID or name {id_or_name} not found")
        return sandbox

    def _sandbox_named(self, name: str) -> Sandbox | None:
        return next((s for s in self.sandboxes.values() if s.name == name), None)

    def create_sandbox(self, spec: CreateSandbox) -> Sandbox:
        """Create a sandbox and set it moving. Without a name the id becomes the name."""
        sandbox_id = str(uuid4())
        name = spec.name or sandbox_id
        volumes = tuple(self._mountable(volume) for volume in spec.volumes)
        if self._sandbox_named(name):
            raise Refused(409, f"Sandbox with name {name} already exists")
        now = time.time()
        sandbox = Sandbox(
            id=sandbox_id,
            name=name,
            state="unknown",
            created_at=now,
            updated_at=now,
            spec=spec,
            volumes=volumes,
            labels=dict(spec.labels),
        )
        self.sandboxes[sandbox_id] = sandbox
        for mount in volumes:
            self.volumes[mount.volume_id].last_used_at = now
        self._bring_up(sandbox)
        return sandbox

    def _mountable(self, mount: SandboxVolume) -> SandboxVolume:
        """Resolve the id or name of a volume that must be ready."""
        volume = self.volumes.get(mount.volume_id) or self.volume_named(mount.volume_id)
        if volume is None or volume.state == "deleted":
            raise Refused(404, f"Volume '{mount.volume_id}' not found")
        if volume.state != "ready":
            raise Refused(400, f"Volume '{volume.name}' is not in a ready state. Current state: {volume.state}")
        return mount.model_copy(update={"volume_id": volume.id})

    def _bring_up(self, sandbox: Sandbox) -> None:
        if self._chance.faults.warm_pool and not sandbox.volumes:
            sandbox.state = "started"
            self._announce.moving(sandbox, "started", sandbox.updated_at)
            return
        self._announce.created(sandbox)
        fails = self._chance.hits(self._chance.faults.sandbox_error)
        self._set_out(sandbox, "create", "Failed to start the container" if fails else None)

    def start_sandbox(self, sandbox: Sandbox) -> None:
        """Start a stopped or archived sandbox; a started one is left alone."""
        if sandbox.state == "started" and sandbox.desired_state == "started":
            return
        journey = {"stopped": "start", "archived": "restore"}.get(sandbox.state)
        self._change(sandbox, journey, "started", "Sandbox is not in valid state")

    def stop_sandbox(self, sandbox: Sandbox) -> None:
        """Stop a started sandbox."""
        journey = "stop" if sandbox.state == "started" else None
        self._change(sandbox, journey, "stopped", "Sandbox is not started")

    def archive_sandbox(self, sandbox: Sandbox) -> None:
        """Archive a stopped sandbox."""
        journey = "archive" if sandbox.state == "stopped" else None
        self._change(sandbox, journey, "archived", "Sandbox is not stopped")

    def destroy_sandbox(self, sandbox: Sandbox) -> None:
        """Destroy a sandbox that is not moving. Its name is free at once."""
        self._change(sandbox, "destroy", "destroyed", "")
        sandbox.name = f"DESTROYED_{sandbox.name}_{time.time() * 1000:.0f}"

    def _change(self, sandbox: Sandbox, journey: str | None, desired_state: str, complaint: str) -> None:
        if sandbox.is_moving:
            raise Refused(409, "Sandbox state change in progress")
        if journey is None:
            raise Refused(400, complaint)
        sandbox.desired_state = desired_state
        self._set_out(sandbox, journey)

    def _set_out(self, sandbox: Sandbox, journey: str, failure: str | None = None) -> None:
        sandbox.journey = self._background.spawn(self._travel(sandbox, journey, failure))

    async def _travel(self, resource: Resource, journey: str, failure: str | None = None) -> None:
        """Take a resource through the states of a journey, or to `error` instead of the last one."""
        journeys = VOLUME_JOURNEYS if isinstance(resource, Volume) else SANDBOX_JOURNEYS
        *through, last = journeys[journey]
        read_at = resource.updated_at
        for step in through:
            await self._stay(step)
            await self._move(resource, step.state, time.time())
        await self._stay(last)
        if last.state == "deleted":
            resource.name += "-deleted"
        resource.error_reason = failure
        # Daytona saves a volume's last state over the row it read first, so `updatedAt` runs backwards.
        updated_at = read_at if isinstance(resource, Volume) else time.time()
        await self._move(resource, "error" if failure else last.state, updated_at)

    async def _stay(self, step: Step) -> None:
        await asyncio.sleep(max(SHORTEST_STAY, self._chance.seconds(step.after) * self.time_scale))

    async def _move(self, resource: Resource, state: str, updated_at: float) -> None:
        """Announce, then commit: that is the order at Daytona, where a transaction lies in between."""
        self._announce.moving(resource, state, updated_at)
        if self._chance.faults.event_before_commit:
            await asyncio.sleep(self._chance.faults.event_before_commit)
        resource.state = state
        resource.updated_at = updated_at
