"""The journeys that take resources from state to state, and how long each state lasts.

States and their times are those of Daytona v0.190 (`volume.manager.ts`, `sandbox-start.action.ts`, `snapshot.manager.ts`).
Knows neither HTTP nor webhooks: it announces what happens through `Announce`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from reactor.emulator.background import Background
from reactor.emulator.daytona.resources import Resource, Sandbox, Snapshot, Volume
from reactor.emulator.faults import Chance
from reactor.emulator.pace import Pace, Span


@dataclass(frozen=True, slots=True)
class Step:
    """The next state of a journey, and how long the state before it lasts."""

    state: str
    after: Span


@dataclass(frozen=True, slots=True)
class Failure:
    """How a journey ends that does not reach its last state."""

    reason: str
    state: str = "error"


# Volumes wait for a cron job that runs every five seconds.
VOLUME_JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "create": (Step("creating", (0, 5)), Step("ready", (0.3, 2))),
    "delete": (Step("deleting", (0, 5)), Step("deleted", (0.3, 2))),
}
SNAPSHOT_JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "pull": (Step("pulling", (0.1, 1)), Step("active", (3, 10))),
    "build": (Step("building", (0.1, 1)), Step("active", (5, 20))),
}
REMOVAL: Span = (0.5, 2)
SANDBOX_JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "create": (Step("creating", (0.1, 0.5)), Step("started", (0.8, 2.5))),
    "build": (
        Step("building_snapshot", (0.1, 0.5)),
        Step("unknown", (5, 20)),
        Step("creating", (0.1, 0.5)),
        Step("started", (0.8, 2.5)),
    ),
    "forked": (Step("started", (0.8, 2.5)),),
    "start": (Step("starting", (0.05, 0.2)), Step("started", (0.5, 1.5))),
    "restore": (Step("restoring", (0.05, 0.2)), Step("started", (3, 10))),
    "resume": (Step("resuming", (0.05, 0.2)), Step("started", (0.5, 1.5))),
    "stop": (Step("stopping", (0.05, 0.2)), Step("stopped", (0.5, 2))),
    "pause": (Step("pausing", (0.05, 0.2)), Step("paused", (0.5, 2))),
    "archive": (Step("archiving", (0.05, 0.2)), Step("archived", (5, 20))),
    "destroy": (Step("destroying", (0.05, 0.2)), Step("destroyed", (0.5, 2))),
}
DETOURS: Mapping[str, Span] = {"resizing": (0.5, 2), "snapshotting": (2, 6), "forking": (0.5, 1.5)}
"""The states that a sandbox passes through to return to the one it was in, and how long they last."""


def detour(state: str, back_to: str) -> tuple[Step, ...]:
    """Make the journey of a detour."""
    return (Step(state, (0.05, 0.2)), Step(back_to, DETOURS[state]))


class Announce(Protocol):
    """Who wants to hear of changes. `moving` comes before the resource shows its new state."""

    def created(self, resource: Resource) -> None:
        """Hear that a resource is there now."""

    def moving(self, resource: Resource, new_state: str, updated_at: float) -> None:
        """Hear that a resource is about to have this state."""

    def removed(self, snapshot: Snapshot) -> None:
        """Hear that a snapshot is gone."""


class Journeys:
    """Moves resources through their states, in the background."""

    def __init__(self, announce: Announce, chance: Chance, background: Background, pace: Pace) -> None:
        self.announce = announce
        self.chance = chance
        self.background = background
        self.pace = pace

    def set_out(
        self,
        resource: Resource,
        steps: Sequence[Step],
        failure: Failure | None = None,
        arrive: Callable[[], None] | None = None,
    ) -> asyncio.Task[None]:
        """Take a resource through the steps, or to the failure instead of the last one; `arrive` comes just before."""
        return self.background.spawn(self._travel(resource, steps, failure, arrive))

    async def _travel(
        self,
        resource: Resource,
        steps: Sequence[Step],
        failure: Failure | None,
        arrive: Callable[[], None] | None,
    ) -> None:
        *through, last = steps
        read_at = resource.updated_at
        for step in through:
            await self.pace.stay(step.after)
            await self.move(resource, step.state, time.time())
        await self.pace.stay(last.after)
        if arrive:
            arrive()
        if failure:
            resource.error_reason = failure.reason
        # Daytona saves a volume's last state over the row it read first, so `updatedAt` runs backwards.
        updated_at = read_at if isinstance(resource, Volume) else time.time()
        await self.move(resource, failure.state if failure else last.state, updated_at)

    async def move(self, resource: Resource, state: str, updated_at: float) -> None:
        """Announce, then commit: that is the order at Daytona, where a transaction lies in between."""
        self.announce.moving(resource, state, updated_at)
        if self.chance.faults.event_before_commit:
            await asyncio.sleep(self.chance.faults.event_before_commit)
        if isinstance(resource, Sandbox):
            self.keep_past(resource)
        resource.state = state
        resource.updated_at = updated_at

    def keep_past(self, sandbox: Sandbox) -> None:
        """Keep what a sandbox is before it changes, while listings lag behind."""
        if self.chance.faults.list_lag:
            sandbox.past.append((time.time(), copy(sandbox)))
