"""What devboxes are made of: blueprints, and snapshots of the disks of other devboxes."""

import time
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.requests import Request

from reactor.emulator.api import Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.faults import Chance
from reactor.emulator.pace import Pace, Span
from reactor.emulator.runloop.bodies import CreateBlueprint, CreateDevbox, SnapshotDisk
from reactor.emulator.runloop.resources import (
    Blueprint,
    Devbox,
    DiskSnapshot,
    View,
    asked_for,
    milliseconds,
    page,
)

COPYING: Span = (2, 6)
PROVISIONING: Span = (0.5, 2)
BUILDING: Span = (5, 20)


class Images:
    """Blueprints and disk snapshots, by id, in the order of creation. Deleted ones stay."""

    def __init__(self, devboxes: Mapping[str, Devbox], chance: Chance, background: Background, pace: Pace) -> None:
        self.snapshots: dict[str, DiskSnapshot] = {}
        self.blueprints: dict[str, Blueprint] = {}
        self._devboxes = devboxes
        self._chance = chance
        self._background = background
        self._pace = pace

    def clear(self) -> None:
        """Forget every image."""
        self.snapshots.clear()
        self.blueprints.clear()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on images."""
        snapshots, blueprints = "/v1/devboxes/disk_snapshots", "/v1/blueprints"
        return (
            Operation("GET", snapshots, "getDevboxDiskSnapshotList", self.list_snapshots),
            Operation("GET", f"{snapshots}/{{id}}/status", "queryDiskSnapshotAsync", self.get_snapshot),
            Operation("POST", f"{snapshots}/{{id}}/delete", "deleteSnapshot", self.delete_snapshot),
            Operation("POST", "/v1/devboxes/{id}/snapshot_disk_async", "createDiskSnapshotAsync", self.snapshot_disk),
            Operation("POST", "/v1/devboxes/{id}/snapshot_disk", "createDiskSnapshot", self.snapshot_disk_now),
            Operation("GET", blueprints, "listImages", self.list_blueprints),
            Operation("POST", blueprints, "createBlueprint", self.create_blueprint),
            Operation("GET", f"{blueprints}/{{id}}", "getBlueprint", self.get_blueprint),
            Operation("POST", f"{blueprints}/{{id}}/delete", "deleteBlueprint", self.delete_blueprint),
        )

    async def snapshot_disk(self, request: Request) -> object:
        """Begin to copy the disk of a running or suspended devbox."""
        snapshot, copying = await self._begin(request)
        self._background.spawn(copying)
        return _show_snapshot(snapshot)

    async def snapshot_disk_now(self, request: Request) -> object:
        """Copy the disk of a running or suspended devbox, and answer when it is done."""
        snapshot, copying = await self._begin(request)
        await copying
        return _show_snapshot(snapshot)

    async def _begin(self, request: Request) -> tuple[DiskSnapshot, Coroutine[Any, Any, None]]:
        devbox = asked_for(request, Devbox, self._devboxes)
        if devbox.status not in ("running", "suspended"):
            raise Refused(400, f"Devbox is not running. Current status: {devbox.status}")
        snapshot = DiskSnapshot(spec=parse(SnapshotDisk, await request.body()), devbox_id=devbox.id)
        self.snapshots[snapshot.id] = snapshot
        fails = self._chance.hits(self._chance.faults.snapshot_error)
        return snapshot, self._copy(snapshot, "error" if fails else "complete")

    async def _copy(self, snapshot: DiskSnapshot, end: str) -> None:
        await self._pace.stay(COPYING)
        if snapshot.status == "in_progress":
            snapshot.status = end

    async def get_snapshot(self, request: Request) -> object:
        """Say how far the copy of a disk is."""
        snapshot = asked_for(request, DiskSnapshot, self.snapshots)
        more: Mapping[str, View] = {
            "complete": {"snapshot": _show_snapshot(snapshot)},
            "error": {"error_message": "Failed to copy the disk"},
        }
        return {"status": snapshot.status, **more.get(snapshot.status, {})}

    async def list_snapshots(self, request: Request) -> object:
        """List the disk snapshots, newest first, of the query's `devbox_id` if it names one."""
        devbox_id = request.query_params.get("devbox_id")
        there = (s for s in self.snapshots.values() if s.status != "deleted" and devbox_id in (None, s.devbox_id))
        return page(request, "snapshots", (_show_snapshot(snapshot) for snapshot in there))

    async def delete_snapshot(self, request: Request) -> object:
        """Delete a disk snapshot."""
        asked_for(request, DiskSnapshot, self.snapshots).status = "deleted"
        return {}

    async def create_blueprint(self, request: Request) -> object:
        """Begin to build a blueprint. Its name need not be unique: a newer one takes the place of an older."""
        blueprint = Blueprint(spec=parse(CreateBlueprint, await request.body()))
        self.blueprints[blueprint.id] = blueprint
        answer = _show_blueprint(blueprint)
        fails = self._chance.hits(self._chance.faults.blueprint_error)
        self._background.spawn(self._build(blueprint, "failed" if fails else "build_complete"))
        return answer

    async def _build(self, blueprint: Blueprint, end: str) -> None:
        await self._pace.stay(PROVISIONING)
        blueprint.status = "building"
        await self._pace.stay(BUILDING)
        blueprint.status, blueprint.built_at = end, time.time()

    async def get_blueprint(self, request: Request) -> object:
        """Show a blueprint, also a deleted one."""
        return _show_blueprint(asked_for(request, Blueprint, self.blueprints))

    async def list_blueprints(self, request: Request) -> object:
        """List the blueprints, newest first, that fit the query's `name` and `status`."""
        name, status = request.query_params.get("name"), request.query_params.get("status")
        there = (
            blueprint
            for blueprint in self.blueprints.values()
            if not blueprint.is_deleted and name in (None, blueprint.spec.name) and status in (None, blueprint.status)
        )
        return page(request, "blueprints", (_show_blueprint(blueprint) for blueprint in there))

    async def delete_blueprint(self, request: Request) -> object:
        """Delete a blueprint."""
        asked_for(request, Blueprint, self.blueprints).is_deleted = True
        return {}

    def is_copying(self, devbox_id: str) -> bool:
        """Tell whether the disk of a devbox is being copied."""
        return any(s.devbox_id == devbox_id and s.status == "in_progress" for s in self.snapshots.values())

    def refuse_unusable(self, spec: CreateDevbox) -> None:
        """Raise Refused (400) if the devbox is to be made of what is not there or not ready."""
        snapshot = self.snapshots.get(spec.snapshot_id or "")
        if spec.snapshot_id and (snapshot is None or snapshot.status != "complete"):
            raise Refused(400, f"Snapshot {spec.snapshot_id} is not available")
        built = [b for b in self.blueprints.values() if b.status == "build_complete" and not b.is_deleted]
        if spec.blueprint_id and all(blueprint.id != spec.blueprint_id for blueprint in built):
            raise Refused(400, f"Blueprint {spec.blueprint_id} is not available")
        if spec.blueprint_name and all(blueprint.spec.name != spec.blueprint_name for blueprint in built):
            raise Refused(400, f"Blueprint {spec.blueprint_name} is not available")


def _show_snapshot(snapshot: DiskSnapshot) -> View:
    """Show a disk snapshot as the API does (DevboxSnapshotView)."""
    spec = snapshot.spec
    return {
        "id": snapshot.id,
        "name": spec.name,
        "commit_message": spec.commit_message,
        "metadata": spec.metadata or {},
        "source_devbox_id": snapshot.devbox_id,
        "create_time_ms": milliseconds(snapshot.created_at),
    }


def _show_blueprint(blueprint: Blueprint) -> View:
    """Show a blueprint as the API does (BlueprintView)."""
    built_at, failed = blueprint.built_at, blueprint.status == "failed"
    return {
        "id": blueprint.id,
        "name": blueprint.spec.name,
        "status": blueprint.status,
        "state": "deleted" if blueprint.is_deleted else "created",
        "create_time_ms": milliseconds(blueprint.created_at),
        "parameters": blueprint.spec.model_dump(exclude_none=True, mode="json"),
        "metadata": blueprint.spec.metadata or {},
        **({"build_finish_time_ms": milliseconds(built_at)} if built_at else {}),
        **({"failure_reason": "build_failed"} if failed else {}),
    }
