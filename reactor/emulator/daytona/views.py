"""How resources look from outside: the API's DTOs and the webhooks' payloads. Reads resources, changes nothing.

DTO fields follow Daytona's OpenAPI document v0.205.1; what is unset is left out unless the document says `nullable`.
Names and order of payload fields follow the server's v0.190 `webhook-event-payloads.dto.ts`.
"""

import time
from datetime import UTC, datetime

from reactor.emulator.daytona.bodies import BuildInfo
from reactor.emulator.daytona.resources import Resource, Sandbox, Snapshot, Volume

View = dict[str, object]


def timestamp(at: float) -> str:
    """Format seconds since the epoch as JavaScript's `toISOString()` does: UTC, milliseconds, `Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def volume_dto(volume: Volume, organization_id: str) -> View:
    """Show a volume as the API does."""
    return {
        "id": volume.id,
        "name": volume.name,
        "organizationId": organization_id,
        "state": volume.state,
        "createdAt": timestamp(volume.created_at),
        "updatedAt": timestamp(volume.updated_at),
        "lastUsedAt": _moment(volume.last_used_at),
        "errorReason": volume.error_reason,
    }


def snapshot_dto(snapshot: Snapshot, organization_id: str) -> View:
    """Show a snapshot as the API does."""
    spec = snapshot.spec
    optional = {"imageName": spec.image_name, "buildInfo": _build_info(spec.build_info, snapshot)}
    return {
        "id": snapshot.id,
        "organizationId": organization_id,
        "general": False,
        "name": snapshot.name,
        "state": snapshot.state,
        "size": 1.0 if snapshot.state == "active" else None,
        "entrypoint": spec.entrypoint,
        "cpu": spec.cpu or 1,
        "gpu": spec.gpu or 0,
        "mem": spec.memory or 1,
        "disk": spec.disk or 3,
        "errorReason": snapshot.error_reason,
        "createdAt": timestamp(snapshot.created_at),
        "updatedAt": timestamp(snapshot.updated_at),
        "lastUsedAt": _moment(snapshot.last_used_at),
        "regionIds": [spec.region_id],
        "ref": f"registry.example/{snapshot.id}",
        "sourceSandboxId": snapshot.source_sandbox_id,
        **{name: value for name, value in optional.items() if value is not None},
    }


_DERIVED_STATES = {
    ("unknown", "started"): "creating",
    ("started", "stopped"): "stopping",
    ("started", "destroyed"): "destroying",
    ("stopped", "destroyed"): "destroying",
    ("stopped", "started"): "starting",
    ("stopped", "archived"): "archiving",
}
"""(state, desired state) -> the state that the API shows. Webhooks carry the raw state (`sandbox.dto.ts`)."""


def shown_state(sandbox: Sandbox) -> str:
    """Return the state that the API shows."""
    return _DERIVED_STATES.get((sandbox.state, sandbox.desired_state), sandbox.state)


def sandbox_dto(sandbox: Sandbox, organization_id: str, toolbox_url: str) -> View:
    """Show a sandbox as the API does, with the derived state."""
    spec = sandbox.spec
    view: View = {
        "id": sandbox.id,
        "organizationId": organization_id,
        "name": sandbox.name,
        "snapshot": spec.snapshot or (None if spec.build_info else "daytonaio/sandbox:latest"),
        "user": spec.user,
        "env": spec.env,
        "labels": sandbox.labels,
        "public": spec.public,
        "networkBlockAll": spec.network_block_all,
        "target": spec.target,
        "cpu": spec.cpu or 1,
        "gpu": spec.gpu or 0,
        "memory": spec.memory or 1,
        "disk": spec.disk or 3,
        "state": shown_state(sandbox),
        "desiredState": sandbox.desired_state,
        "errorReason": sandbox.error_reason,
        "recoverable": sandbox.state == "error",
        "autoStopInterval": spec.auto_stop_interval,
        "autoPauseInterval": spec.auto_pause_interval,
        "autoArchiveInterval": spec.auto_archive_interval,
        "autoDeleteInterval": spec.auto_delete_interval,
        "autoDestroyAt": timestamp(sandbox.created_at + 60 * spec.ttl_minutes) if spec.ttl_minutes else None,
        "volumes": [volume.model_dump(by_alias=True, exclude_none=True) for volume in sandbox.volumes],
        "buildInfo": _build_info(spec.build_info, sandbox),
        "backupState": sandbox.backup_state,
        "backupCreatedAt": timestamp(sandbox.backup_at) if sandbox.backup_at else None,
        "createdAt": timestamp(sandbox.created_at),
        "updatedAt": timestamp(sandbox.updated_at),
        "sandboxClass": "container",
        "toolboxProxyUrl": toolbox_url,
    }
    return {name: value for name, value in view.items() if value is not None}


def sandbox_list_item(sandbox: Sandbox, organization_id: str, toolbox_url: str) -> View:
    """Show a sandbox as listSandboxes does: without what only single reads return."""
    view = sandbox_dto(sandbox, organization_id, toolbox_url)
    return {name: value for name, value in view.items() if name not in ("env", "volumes", "buildInfo")}


def created_payload(resource: Resource, organization_id: str) -> View:
    """Build the body of volume.created, snapshot.created or sandbox.created."""
    return {
        "event": f"{resource.kind}.created",
        "timestamp": timestamp(time.time()),
        "id": resource.id,
        **_named(resource),
        "organizationId": organization_id,
        "state": resource.state,
        **({"sandboxClass": "container"} if isinstance(resource, Sandbox) else {}),
        "createdAt": timestamp(resource.created_at),
    }


def state_payload(resource: Resource, new_state: str, updated_at: float, organization_id: str) -> View:
    """Build the body of *.state.updated for a resource that still has its old state."""
    return {
        "event": f"{resource.kind}.state.updated",
        "timestamp": timestamp(time.time()),
        "id": resource.id,
        **_named(resource),
        "organizationId": organization_id,
        "oldState": resource.state,
        "newState": new_state,
        "updatedAt": timestamp(updated_at),
    }


def removed_payload(snapshot: Snapshot, organization_id: str) -> View:
    """Build the body of snapshot.removed, which has no id: TypeORM clears it before the event is made."""
    now = timestamp(time.time())
    return {
        "event": "snapshot.removed",
        "timestamp": now,
        "name": snapshot.name,
        "organizationId": organization_id,
        "removedAt": now,
    }


def _named(resource: Resource) -> View:
    """Give the name for a payload; those of sandboxes carry none."""
    return {} if isinstance(resource, Sandbox) else {"name": resource.name}


def _moment(at: float | None) -> str | None:
    return None if at is None else timestamp(at)


def _build_info(build_info: BuildInfo | None, resource: Resource) -> View | None:
    if build_info is None:
        return None
    return {
        **build_info.model_dump(by_alias=True, mode="json"),
        "createdAt": timestamp(resource.created_at),
        "updatedAt": timestamp(resource.created_at),
        "snapshotRef": f"registry.example/{resource.id}",
    }
