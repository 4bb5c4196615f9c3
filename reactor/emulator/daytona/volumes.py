"""Volumes: what the API does with them."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from starlette.requests import Request

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.daytona.bodies import CreateVolume, SandboxVolume
from reactor.emulator.daytona.journeys import VOLUME_JOURNEYS, Failure, Journeys
from reactor.emulator.daytona.resources import Volume
from reactor.emulator.daytona.views import View, volume_dto


class Volumes:
    """Every volume there ever was since the last reset, by id, in the order of creation.

    `user_of` finds the name of a sandbox that has a volume mounted.
    """

    def __init__(self, journeys: Journeys, organization_id: str, user_of: Callable[[Volume], str | None]) -> None:
        self.by_id: dict[str, Volume] = {}
        self._journeys = journeys
        self._organization_id = organization_id
        self._user_of = user_of

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on volumes."""
        return (
            Operation("GET", "/volumes", "listVolumes", self.list_all),
            Operation("POST", "/volumes", "createVolume", self.create),
            Operation("GET", "/volumes/by-name/{name}", "getVolumeByName", self.get_by_name),
            Operation("GET", "/volumes/{id}", "getVolume", self.get),
            Operation("DELETE", "/volumes/{id}", "deleteVolume", self.delete),
        )

    def show(self, volume: Volume) -> View:
        """Show a volume as the API does."""
        return volume_dto(volume, self._organization_id)

    async def list_all(self, request: Request) -> object:
        """List the volumes, newest first."""
        all_too = request.query_params.get("includeDeleted") == "true"
        shown = [volume for volume in self.by_id.values() if all_too or volume.state != "deleted"]
        return [self.show(volume) for volume in reversed(shown)]

    async def create(self, request: Request) -> object:
        """Create a volume; the answer says `pending_create`. An empty name becomes the id."""
        volume = Volume(id=str(uuid4()), name=parse(CreateVolume, await request.body()).name, state="pending_create")
        volume.name = volume.name or volume.id
        if self._named(volume.name):
            raise Refused(400, f"Volume with name {volume.name} already exists")
        if race := self._journeys.chance.faults.name_race:
            await asyncio.sleep(race)
        if self._named(volume.name):
            # The loser of a race runs into the database's unique index, which nobody maps to a 4xx.
            raise Refused(500, "An unexpected error occurred.")
        self._bring_up(volume)
        answer = self.show(volume)
        await asyncio.sleep(self._journeys.chance.faults.create_delay)
        return answer

    def _bring_up(self, volume: Volume) -> None:
        chance = self._journeys.chance
        self.by_id[volume.id] = volume
        self._journeys.announce.created(volume)
        failure = Failure("Failed to create the bucket") if chance.hits(chance.faults.volume_error) else None
        self._journeys.set_out(volume, VOLUME_JOURNEYS["create"], failure)

    async def get(self, request: Request) -> object:
        """Show a volume, also a deleted one."""
        return self.show(self._asked_for(request))

    async def get_by_name(self, request: Request) -> object:
        """Show the volume of this name that is not deleted."""
        name = request.path_params["name"]
        if (volume := self._named(name)) is None:
            raise Refused(404, f"Volume with name {name} not found")
        return self.show(volume)

    async def delete(self, request: Request) -> None:
        """Mark a volume for deletion; the answer is empty. Its name is free when it is deleted."""
        volume = self._asked_for(request)
        if volume.state not in ("ready", "error"):
            raise Refused(400, "Volume must be in 'ready' or 'error' state in order to be deleted")
        if user := self._user_of(volume):
            raise Refused(409, f"Volume cannot be deleted because it is in use by one or more sandboxes (e.g. {user})")

        def rename() -> None:
            volume.name += "-deleted"

        await self._journeys.move(volume, "pending_delete", time.time())
        self._journeys.set_out(volume, VOLUME_JOURNEYS["delete"], arrive=rename)

    def mountable(self, mount: SandboxVolume) -> SandboxVolume:
        """Resolve the id or name of a volume that must be ready. Raises Refused."""
        volume = self.by_id.get(mount.volume_id) or self._named(mount.volume_id)
        if volume is None or volume.state == "deleted":
            raise Refused(404, f"Volume '{mount.volume_id}' not found")
        if volume.state != "ready":
            raise Refused(400, f"Volume '{volume.name}' is not in a ready state. Current state: {volume.state}")
        return mount.model_copy(update={"volume_id": volume.id})

    def _named(self, name: str) -> Volume | None:
        return next((v for v in self.by_id.values() if v.name == name and v.state != "deleted"), None)

    def _asked_for(self, request: Request) -> Volume:
        volume_id = request.path_params["id"]
        volume = self.by_id.get(volume_id)
        if volume is None:
            raise Refused(404, f"Volume with ID {volume_id} not found")
        return volume
