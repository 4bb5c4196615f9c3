"""The operations of Daytona's API, below /api: who may call, what is asked of the world, what is answered.

Paths and operationIds are those of Daytona's OpenAPI document v0.205.1.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import dropwhile, islice

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.emulator.bodies import CreateSandbox, CreateVolume, Refused, SandboxLabels, check_sandbox, parse
from reactor.emulator.calls import LOST, CallLog
from reactor.emulator.faults import Chance
from reactor.emulator.views import sandbox_dto, sandbox_list_item, timestamp, volume_dto
from reactor.emulator.world import Sandbox, Volume, World

START_WAIT = 30.0
"""POST /sandbox waits this long for `started` (`sandbox.controller.ts`), in seconds before scaling."""

MAX_PAGE = 200

Handler = Callable[[Request], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API: what is called, and who answers it."""

    method: str
    path: str
    id: str
    handler: Handler


class Daytona:
    """The API in front of a world."""

    def __init__(self, world: World, calls: CallLog, chance: Chance, api_key: str, organization_id: str) -> None:
        self._world = world
        self._calls = calls
        self._chance = chance
        self._api_key = api_key
        self._organization_id = organization_id

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the API. The first row that fits answers."""
        return (
            Operation("GET", "/volumes", "listVolumes", self.list_volumes),
            Operation("POST", "/volumes", "createVolume", self.create_volume),
            Operation("GET", "/volumes/by-name/{name}", "getVolumeByName", self.get_volume_by_name),
            Operation("GET", "/volumes/{id}", "getVolume", self.get_volume),
            Operation("DELETE", "/volumes/{id}", "deleteVolume", self.delete_volume),
            Operation("GET", "/sandbox", "listSandboxes", self.list_sandboxes),
            Operation("GET", "/sandbox/paginated", "listSandboxesPaginated_deprecated", self.list_sandbox_pages),
            Operation("POST", "/sandbox", "createSandbox", self.create_sandbox),
            Operation("GET", "/sandbox/{id}", "getSandbox", self.get_sandbox),
            Operation("DELETE", "/sandbox/{id}", "deleteSandbox", self.changes(self._world.destroy_sandbox)),
            Operation("POST", "/sandbox/{id}/start", "startSandbox", self.changes(self._world.start_sandbox)),
            Operation("POST", "/sandbox/{id}/stop", "stopSandbox", self.changes(self._world.stop_sandbox)),
            Operation("POST", "/sandbox/{id}/archive", "archiveSandbox", self.changes(self._world.archive_sandbox)),
            Operation("PUT", "/sandbox/{id}/labels", "replaceLabels", self.replace_labels),
        )

    def routes(self) -> list[BaseRoute]:
        """Return the routes, the last of which answers whatever is not in the table."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        known = [Route(op.path, self._endpoint(op.id, op.handler), methods=[op.method]) for op in self.operations()]
        return [*known, Route("/{rest:path}", self._endpoint("unknown", self.unknown), methods=methods)]

    def _endpoint(self, operation: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            call = self._calls.arrived(operation, request.method, request.url.path)
            response = await self._answer(operation, handler, request)
            call.status = response.status_code
            if self._chance.strikes(operation, self._chance.faults.lost_reply):
                call.status = LOST
                request.state.cut()
            return response

        return endpoint

    async def _answer(self, operation: str, handler: Handler, request: Request) -> Response:
        try:
            self._admit(operation, request)
            result = await handler(request)
        except Refused as refused:
            return _refusal(request, refused)
        return Response() if result is None else JSONResponse(result)

    def _admit(self, operation: str, request: Request) -> None:
        """Raise Refused for calls that come no further than the door."""
        if self._chance.strikes(operation, self._chance.faults.api_error):
            raise Refused(503, "Service Unavailable")
        if operation != "unknown" and request.headers.get("authorization") != f"Bearer {self._api_key}":
            raise Refused(401, "Invalid credentials")

    async def unknown(self, request: Request) -> object:
        """Answer a path or method that the API does not have."""
        raise Refused(404, f"Cannot {request.method} {_target(request)}")

    async def list_volumes(self, request: Request) -> object:
        """List the volumes, newest first."""
        all_too = request.query_params.get("includeDeleted") == "true"
        shown = [volume for volume in self._world.volumes.values() if all_too or volume.state != "deleted"]
        return [self._show_volume(volume) for volume in reversed(shown)]

    async def create_volume(self, request: Request) -> object:
        """Create a volume; the answer says `pending_create`."""
        answer = self._show_volume(await self._world.create_volume(parse(CreateVolume, await request.body()).name))
        await asyncio.sleep(self._chance.faults.create_delay)
        return answer

    async def get_volume(self, request: Request) -> object:
        """Show a volume, also a deleted one."""
        return self._show_volume(self._volume(request))

    async def get_volume_by_name(self, request: Request) -> object:
        """Show the volume of this name that is not deleted."""
        name = request.path_params["name"]
        volume = self._world.volume_named(name)
        if volume is None:
            raise Refused(404, f"Volume with name {name} not found")
        return self._show_volume(volume)

    async def delete_volume(self, request: Request) -> None:
        """Mark a volume for deletion; the answer is empty."""
        await self._world.delete_volume(self._volume(request))

    async def create_sandbox(self, request: Request) -> object:
        """Create a sandbox and wait until it has started; the answer is what it was before the wait."""
        spec = parse(CreateSandbox, await request.body())
        check_sandbox(spec)
        sandbox = self._world.create_sandbox(spec)
        answer = self._show_sandbox(sandbox)
        if sandbox.journey is not None:
            await asyncio.wait({sandbox.journey}, timeout=START_WAIT * self._world.time_scale)
        await asyncio.sleep(self._chance.faults.create_delay)
        if sandbox.state == "error":
            raise Refused(400, f"Sandbox failed to start: {sandbox.error_reason}")
        return answer

    async def get_sandbox(self, request: Request) -> object:
        """Show a sandbox by id or name, unless it is destroyed."""
        return self._show_sandbox(self._sandbox(request))

    def changes(self, change: Callable[[Sandbox], None]) -> Handler:
        """Make the handler of an operation that sets one sandbox moving."""

        async def handler(request: Request) -> object:
            sandbox = self._sandbox(request)
            change(sandbox)
            return self._show_sandbox(sandbox)

        return handler

    async def replace_labels(self, request: Request) -> object:
        """Replace all labels of a sandbox."""
        sandbox = self._sandbox(request)
        sandbox.labels = parse(SandboxLabels, await request.body()).labels
        return {"labels": sandbox.labels}

    async def list_sandboxes(self, request: Request) -> object:
        """List sandboxes that fit the filters, oldest first. A cursor is the id of the last one seen."""
        limit = _whole_number(request, "limit", default=100, most=MAX_PAGE)
        chosen = self._chosen(request)
        if cursor := request.query_params.get("cursor"):
            following = islice(dropwhile(lambda s: s.id != cursor, self._world.sandboxes.values()), 1, None)
            unseen = {sandbox.id for sandbox in following}
            chosen = [sandbox for sandbox in chosen if sandbox.id in unseen]
        page = chosen[:limit]
        return {
            "items": [sandbox_list_item(sandbox, self._organization_id) for sandbox in page],
            "nextCursor": page[-1].id if len(chosen) > limit else None,
        }

    async def list_sandbox_pages(self, request: Request) -> object:
        """List sandboxes by page number, as older clients do."""
        limit = _whole_number(request, "limit", default=100, most=MAX_PAGE)
        page = _whole_number(request, "page", default=1)
        chosen = self._chosen(request)
        return {
            "items": [self._show_sandbox(sandbox) for sandbox in chosen[(page - 1) * limit : page * limit]],
            "total": len(chosen),
            "page": page,
            "totalPages": -(-len(chosen) // limit),
        }

    def _chosen(self, request: Request) -> list[Sandbox]:
        """Pick the sandboxes that fit the query's `id`, `name` (prefixes), `states` and `labels`."""
        query = request.query_params
        id_prefix, name_prefix = query.get("id", "").lower(), query.get("name", "").lower()
        states = query.getlist("states")
        labels = _labels(query.get("labels", "{}")).items()
        return [
            sandbox
            for sandbox in self._world.sandboxes.values()
            if sandbox.state != "destroyed"
            and sandbox.id.startswith(id_prefix)
            and sandbox.name.lower().startswith(name_prefix)
            and (not states or self._show_sandbox(sandbox)["state"] in states)
            and labels <= sandbox.labels.items()
        ]

    def _volume(self, request: Request) -> Volume:
        volume_id = request.path_params["id"]
        volume = self._world.volumes.get(volume_id)
        if volume is None:
            raise Refused(404, f"Volume with ID {volume_id} not found")
        return volume

    def _sandbox(self, request: Request) -> Sandbox:
        return self._world.find_sandbox(request.path_params["id"])

    def _show_volume(self, volume: Volume) -> dict[str, object]:
        return volume_dto(volume, self._organization_id)

    def _show_sandbox(self, sandbox: Sandbox) -> dict[str, object]:
        return sandbox_dto(sandbox, self._organization_id)


def _refusal(request: Request, refused: Refused) -> JSONResponse:
    """Build an error body as `all-exceptions.filter.ts` does."""
    body = {
        "path": _target(request),
        "timestamp": timestamp(time.time()),
        "statusCode": refused.status,
        "error": HTTPStatus(refused.status).phrase,
        "message": refused.message,
    }
    return JSONResponse(body, refused.status)


def _target(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _labels(text: str) -> dict[str, object]:
    try:
        labels = orjson.loads(text)
    except orjson.JSONDecodeError as invalid:
        raise Refused(400, "labels must be a valid JSON string") from invalid
    if not isinstance(labels, dict):
        raise Refused(400, "labels must be an object")
    return labels


def _whole_number(request: Request, name: str, *, default: int, most: int | None = None) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise Refused(400, f"{name} must not be less than 1")
    if most is not None and int(text) > most:
        raise Refused(400, f"{name} must not be greater than {most}")
    return int(text)
