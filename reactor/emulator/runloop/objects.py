"""Objects: files kept in storage, written and read through URLs that need no key."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.runloop.bodies import CreateObject
from reactor.emulator.runloop.resources import StoredObject, View, asked_for, milliseconds, page


class Objects:
    """Every object there ever was since the last reset, by id, in the order of creation."""

    def __init__(self) -> None:
        self.by_id: dict[str, StoredObject] = {}

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on objects."""
        return (
            Operation("GET", "/v1/objects", "listObjects", self.list_all),
            Operation("POST", "/v1/objects", "createObject", self.create),
            Operation("GET", "/v1/objects/{id}", "getObject", self.get),
            Operation("POST", "/v1/objects/{id}/complete", "completeObject", self.complete),
            Operation("POST", "/v1/objects/{id}/delete", "deleteObject", self.delete),
            Operation("GET", "/v1/objects/{id}/download", "generateDownloadUrl", self.get_download_url),
        )

    def storage_routes(self) -> list[BaseRoute]:
        """Return the routes of the storage itself, which are no operations of the API and are not counted."""
        return [
            Route("/storage/{id}", self.write, methods=["PUT"]),
            Route("/storage/{id}", self.read, methods=["GET"]),
        ]

    async def list_all(self, request: Request) -> object:
        """List the objects, newest first, that fit the query's `name` and `state`."""
        name, state = request.query_params.get("name"), request.query_params.get("state")
        there = (o for o in self.by_id.values() if name in (None, o.spec.name) and state in (None, o.state))
        return page(request, "objects", (_show(stored) for stored in there if stored.state != "DELETED"))

    async def create(self, request: Request) -> object:
        """Create an object; its content is to be PUT to `upload_url`."""
        stored = StoredObject(spec=parse(CreateObject, await request.body()))
        self.by_id[stored.id] = stored
        return {**_show(stored), "upload_url": _storage_url(request, stored)}

    async def get(self, request: Request) -> object:
        """Show an object."""
        return _show(self._asked_for(request))

    async def complete(self, request: Request) -> object:
        """Make an object read-only."""
        stored = self._asked_for(request)
        if stored.state != "UPLOADING":
            raise Refused(400, f"Object is not uploading. Current state: {stored.state}")
        stored.state = "READ_ONLY"
        return _show(stored)

    async def delete(self, request: Request) -> object:
        """Delete an object and its content."""
        stored = self._asked_for(request)
        stored.state, stored.content = "DELETED", b""
        return _show(stored)

    async def get_download_url(self, request: Request) -> object:
        """Say where the content of a read-only object is."""
        stored = self._asked_for(request)
        if stored.state != "READ_ONLY":
            raise Refused(400, f"Object is not read-only. Current state: {stored.state}")
        return {"download_url": _storage_url(request, stored)}

    async def write(self, request: Request) -> Response:
        """Keep the content of an object that is still uploading."""
        stored = self.by_id.get(request.path_params["id"])
        if stored is None or stored.state != "UPLOADING":
            return Response(status_code=403)
        stored.content = await request.body()
        return Response()

    async def read(self, request: Request) -> Response:
        """Give the content of a read-only object."""
        stored = self.by_id.get(request.path_params["id"])
        if stored is None or stored.state != "READ_ONLY":
            return Response(status_code=403)
        return Response(stored.content, media_type="application/octet-stream")

    def _asked_for(self, request: Request) -> StoredObject:
        return asked_for(request, StoredObject, self.by_id)


def _storage_url(request: Request, stored: StoredObject) -> str:
    return f"{request.base_url}runloop/storage/{stored.id}"


def _show(stored: StoredObject) -> View:
    """Show an object as the API does (ObjectView)."""
    spec = stored.spec
    return {
        "id": stored.id,
        "name": spec.name,
        "content_type": spec.content_type,
        "state": stored.state,
        "create_time_ms": milliseconds(stored.created_at),
        "metadata": spec.metadata or {},
        **({} if stored.state == "UPLOADING" else {"size_bytes": len(stored.content)}),
    }
