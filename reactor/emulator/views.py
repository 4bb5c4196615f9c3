"""How resources look from outside: the API's DTOs and the webhooks' payloads. Reads resources, changes nothing.

DTO fields follow Daytona's OpenAPI document v0.205.1; what is unset is left out unless the document says `nullable`.
Names and order of payload fields follow the server's v0.190 `webhook-event-payloads.dto.ts`.
"""

import time
from datetime import UTC, datetime

from reactor.emulator.world import Resource, Sandbox, Volume

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
        "lastUsedAt": None if volume.last_used_at is None else timestamp(volume.last_used_at),
        "errorReason": volume.error_reason,
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


def sandbox_dto(sandbox: Sandbox, organization_id: str) -> View:
    """Show a sandbox as the API does, with the derived state."""
    spec = sandbox.spec
    view: View = {
        "id": sandbox.id,
        "organizationId": organization_id,
        "name": sandbox.name,
        "snapshot": spec.snapshot or "daytonaio/sandbox:latest",
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
        "state": _DERIVED_STATES.get((sandbox.state, sandbox.desired_state), sandbox.state),
        "desiredState": sandbox.desired_state,
        "errorReason": sandbox.error_reason,
        "autoStopInterval": spec.auto_stop_interval,
        "autoArchiveInterval": spec.auto_archive_interval,
        "autoDeleteInterval": spec.auto_delete_interval,
        "volumes": [volume.model_dump(by_alias=True, exclude_none=True) for volume in sandbox.volumes],
        "createdAt": timestamp(sandbox.created_at),
        "updatedAt": timestamp(sandbox.updated_at),
        "sandboxClass": "container",
        "toolboxProxyUrl": "https://proxy.app.daytona.io/toolbox",
    }
    return {name: value for name, value in view.items() if value is not None}


def sandbox_list_item(sandbox: Sandbox, organization_id: str) -> View:
    """Show a sandbox as listSandboxes does: without what only single reads return."""
    view = sandbox_dto(sandbox, organization_id)
    return {name: value for name, value in view.items() if name not in ("env", "volumes")}


def created_payload(resource: Resource, organization_id: str) -> View:
    """Build the body of volume.created or sandbox.created."""
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


def _named(resource: Resource) -> View:
    """Give the name for a payload; those of sandboxes carry none."""
    return {} if isinstance(resource, Sandbox) else {"name": resource.name}
