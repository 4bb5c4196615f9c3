"""What is there before anything is asked for: resources made at once, in any state, without a journey or an event.

Owns which state an operation starts from, so that who tries one finds a resource to try it on.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import uuid4

from reactor.emulator.daytona.bodies import CreateSandbox, CreateSnapshot
from reactor.emulator.daytona.resources import Sandbox, Snapshot, Volume
from reactor.emulator.organization import Organization
from reactor.emulator.runloop.bodies import CreateBlueprint, CreateDevbox, CreateObject, SnapshotDisk
from reactor.emulator.runloop.resources import Blueprint, Devbox, DiskSnapshot, StoredObject

USUAL: Final[Mapping[str, str]] = {
    "volume": "ready",
    "snapshot": "active",
    "sandbox": "started",
    "devbox": "running",
    "blueprint": "build_complete",
    "disk-snapshot": "complete",
    "object": "READ_ONLY",
}
"""The kinds that can be given, and the state they have if none is named."""

BEFORE: Final[Mapping[str, str]] = {
    "startSandbox": "stopped",
    "archiveSandbox": "stopped",
    "recoverSandbox": "error",
    "activateSnapshot": "inactive",
    "resumeDevbox": "suspended",
    "completeObject": "UPLOADING",
}
"""Operations that start from another state than the usual one."""

MENTIONED: Final[Mapping[str, str]] = {
    "volumeId": "volume",
    "blueprint_id": "blueprint",
    "snapshot_id": "disk-snapshot",
}
"""Fields of request bodies that name a resource, and its kind."""


def _volume(house: Organization, name: str, state: str) -> None:
    house.daytona.volumes.by_id[name] = Volume(id=name, name=name, state=state)


def _snapshot(house: Organization, name: str, state: str) -> None:
    spec = CreateSnapshot(name=name, image_name="given:1")
    snapshot = Snapshot(id=str(uuid4()), name=name, state=state, spec=spec)
    house.daytona.snapshots.by_id[snapshot.id] = snapshot


def _sandbox(house: Organization, name: str, state: str) -> None:
    failed = state in ("error", "build_failed")
    house.daytona.sandboxes.add(
        Sandbox(
            id=str(uuid4()),
            name=name,
            state=state,
            spec=CreateSandbox(name=name),
            desired_state="started" if failed else state,
            error_reason="Failed to start the container" if failed else None,
        )
    )


async def _devbox(house: Organization, name: str, state: str) -> None:
    devbox = Devbox(id=name, spec=CreateDevbox(name=name))
    await devbox.move(state)  # type: ignore[arg-type]  # any state may be given
    house.runloop.devboxes.by_id[name] = devbox


def _blueprint(house: Organization, name: str, state: str) -> None:
    house.runloop.images.blueprints[name] = Blueprint(id=name, spec=CreateBlueprint(name=name), status=state)


def _disk_snapshot(house: Organization, name: str, state: str) -> None:
    house.runloop.images.snapshots[name] = DiskSnapshot(
        id=name, spec=SnapshotDisk(name=name), devbox_id="", status=state
    )


def _object(house: Organization, name: str, state: str) -> None:
    house.runloop.objects.by_id[name] = StoredObject(
        id=name, spec=CreateObject(name=name, content_type="text"), state=state
    )


_MAKERS: Final[Mapping[str, Callable[[Organization, str, str], Awaitable[None] | None]]] = {
    "volume": _volume,
    "snapshot": _snapshot,
    "sandbox": _sandbox,
    "devbox": _devbox,
    "blueprint": _blueprint,
    "disk-snapshot": _disk_snapshot,
    "object": _object,
}


async def give(house: Organization, kind: str, name: str, state: str = "") -> None:
    """Make a resource of a kind of `USUAL`. Its id is its name, but for sandboxes and snapshots. Raises KeyError."""
    made = _MAKERS[kind](house, name, state or USUAL[kind])
    if made is not None:
        await made
