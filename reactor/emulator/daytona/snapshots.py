"""Snapshots: what the API does with them."""

import time
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, parse, whole_number
from reactor.emulator.daytona.bodies import CreateSnapshot, check_snapshot
from reactor.emulator.daytona.journeys import REMOVAL, SNAPSHOT_JOURNEYS, Failure, Journeys
from reactor.emulator.daytona.resources import Sandbox, Snapshot
from reactor.emulator.daytona.views import View, snapshot_dto

MAX_PAGE = 200


class Snapshots:
    """The snapshots that are not removed, by id, in the order of creation."""

    def __init__(self, journeys: Journeys, organization_id: str) -> None:
        self.by_id: dict[str, Snapshot] = {}
        self._journeys = journeys
        self._organization_id = organization_id

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on snapshots."""
        return (
            Operation("GET", "/snapshots", "getAllSnapshots", self.list_all),
            Operation("POST", "/snapshots", "createSnapshot", self.create),
            Operation("GET", "/snapshots/{id}", "getSnapshot", self.get),
            Operation("DELETE", "/snapshots/{id}", "removeSnapshot", self.remove),
            Operation("POST", "/snapshots/{id}/activate", "activateSnapshot", self.activate),
            Operation("POST", "/snapshots/{id}/deactivate", "deactivateSnapshot", self.deactivate),
        )

    def show(self, snapshot: Snapshot) -> View:
        """Show a snapshot as the API does."""
        return snapshot_dto(snapshot, self._organization_id)

    async def list_all(self, request: Request) -> object:
        """List the snapshots, newest first, that fit the query's `name` (a part of it) and `sourceSandboxId`."""
        limit = whole_number(request, "limit", default=100, most=MAX_PAGE)
        page = whole_number(request, "page", default=1)
        part, source = request.query_params.get("name", ""), request.query_params.get("sourceSandboxId")
        chosen = [
            snapshot
            for snapshot in reversed(self.by_id.values())
            if part in snapshot.name and source in (None, snapshot.source_sandbox_id)
        ]
        return {
            "items": [self.show(snapshot) for snapshot in chosen[(page - 1) * limit : page * limit]],
            "total": len(chosen),
            "page": page,
            "totalPages": -(-len(chosen) // limit),
        }

    async def create(self, request: Request) -> object:
        """Create a snapshot of an image or a build; the answer says `pending`."""
        spec = parse(CreateSnapshot, await request.body())
        check_snapshot(spec)
        self.refuse_taken(spec.name)
        snapshot = Snapshot(id=str(uuid4()), name=spec.name, state="pending", spec=spec)
        self.add(snapshot)
        answer = self.show(snapshot)
        self._prepare(snapshot)
        return answer

    async def get(self, request: Request) -> object:
        """Show a snapshot by id or name."""
        return self.show(self._asked_for(request))

    async def remove(self, request: Request) -> None:
        """Set a snapshot on its way out; the answer is empty. Its name is free when it is gone."""
        snapshot = self._asked_for(request)
        if snapshot.state == "removing":
            raise Refused(400, f"Snapshot {snapshot.name} is removing")
        await self._journeys.move(snapshot, "removing", time.time())
        self._journeys.background.spawn(self._removal(snapshot))

    async def _removal(self, snapshot: Snapshot) -> None:
        await self._journeys.pace.stay(REMOVAL)
        del self.by_id[snapshot.id]
        self._journeys.announce.removed(snapshot)

    async def activate(self, request: Request) -> object:
        """Bring an inactive snapshot back; the answer says `pending`."""
        snapshot = self._asked_for(request)
        if snapshot.state == "active":
            raise Refused(400, f"Snapshot {snapshot.name} is already active")
        self._refuse_unless(snapshot, "inactive", "activated")
        await self._journeys.move(snapshot, "pending", time.time())
        answer = self.show(snapshot)
        self._prepare(snapshot)
        return answer

    async def deactivate(self, request: Request) -> Response:
        """Put an active snapshot aside."""
        snapshot = self._asked_for(request)
        self._refuse_unless(snapshot, "active", "deactivated")
        await self._journeys.move(snapshot, "inactive", time.time())
        return Response(status_code=204)

    def _refuse_unless(self, snapshot: Snapshot, state: str, changed: str) -> None:
        if snapshot.state != state:
            raise Refused(
                400,
                f"Snapshot {snapshot.name} cannot be {changed} - it is in {snapshot.state} state (expected {state})",
            )

    def _prepare(self, snapshot: Snapshot) -> None:
        """Build a pending snapshot or pull its image."""
        chance = self._journeys.chance
        is_build = snapshot.spec.build_info is not None
        fails = chance.hits(chance.faults.snapshot_error)
        failure = Failure("Failed to build", "build_failed") if is_build else Failure("Failed to pull the image")
        self._journeys.set_out(snapshot, SNAPSHOT_JOURNEYS["build" if is_build else "pull"], failure if fails else None)

    def add(self, snapshot: Snapshot) -> None:
        """Take in a snapshot and announce it."""
        self.by_id[snapshot.id] = snapshot
        self._journeys.announce.created(snapshot)

    def captured(self, sandbox: Sandbox, name: str) -> None:
        """Take in the snapshot of a sandbox: it is active at once."""
        spec = CreateSnapshot(name=name, cpu=sandbox.spec.cpu, memory=sandbox.spec.memory, disk=sandbox.spec.disk)
        self.add(Snapshot(id=str(uuid4()), name=name, state="active", spec=spec, source_sandbox_id=sandbox.id))

    def refuse_taken(self, name: str) -> None:
        """Raise Refused (409) if there is a snapshot of this name."""
        if any(snapshot.name == name for snapshot in self.by_id.values()):
            raise Refused(409, f'Snapshot with name "{name}" already exists for this organization')

    def use(self, id_or_name: str) -> None:
        """Note that a sandbox is made of a snapshot. Raises Refused (400) if none can be made of it now."""
        snapshot = self._find(id_or_name)
        if snapshot is None:
            if self._journeys.chance.faults.known_snapshots_only:
                raise Refused(400, f"Snapshot {id_or_name} not found. Did you add it through the Daytona Dashboard?")
            return
        if snapshot.state != "active":
            raise Refused(400, f"Snapshot {snapshot.name} is {snapshot.state}")
        snapshot.last_used_at = time.time()

    def _find(self, id_or_name: str) -> Snapshot | None:
        named = (snapshot for snapshot in self.by_id.values() if snapshot.name == id_or_name)
        return self.by_id.get(id_or_name) or next(named, None)

    def _asked_for(self, request: Request) -> Snapshot:
        id_or_name = request.path_params["id"]
        if (snapshot := self._find(id_or_name)) is None:
            raise Refused(404, f"Snapshot with ID or name {id_or_name} not found")
        return snapshot
