"""What an organization has at Daytona: volumes, snapshots, sandboxes. Values only; who changes them is elsewhere."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import ClassVar

from reactor.emulator.daytona.bodies import CreateSandbox, CreateSnapshot, SandboxVolume


@dataclass(slots=True, eq=False, kw_only=True)
class Resource:
    """What all resources have in common. Times are seconds since the epoch."""

    kind: ClassVar[str]
    id: str
    name: str
    state: str
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    error_reason: str | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Volume(Resource):
    """A volume; it is there for ever, also when deleted."""

    kind: ClassVar[str] = "volume"
    last_used_at: float | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Snapshot(Resource):
    """A snapshot, made of an image, a build, or a sandbox (`source_sandbox_id`). A removed one is gone."""

    kind: ClassVar[str] = "snapshot"
    spec: CreateSnapshot
    source_sandbox_id: str | None = None
    last_used_at: float | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Sandbox(Resource):
    """A sandbox. `state` is the raw one that webhooks carry; `journey` is the change of state under way, if any."""

    kind: ClassVar[str] = "sandbox"
    spec: CreateSandbox
    volumes: tuple[SandboxVolume, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    desired_state: str = "started"
    parent_id: str | None = None
    backup_state: str = "None"
    backup_at: float | None = None
    journey: asyncio.Task[None] | None = field(default=None, repr=False)
    past: list[tuple[float, "Sandbox | None"]] = field(default_factory=list, repr=False)
    """What it was until when (None: not there yet), kept while listings lag behind."""

    @property
    def is_moving(self) -> bool:
        """Tell whether a change of state is under way."""
        return self.journey is not None and not self.journey.done()

    def as_of(self, at: float) -> "Sandbox | None":
        """Return what the sandbox was at a time; None if it was not there."""
        return next((was for until, was in self.past if until > at), self)
