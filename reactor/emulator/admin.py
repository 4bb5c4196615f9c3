"""Looking at an emulator and steering it, below /emulator. Not part of the emulated API, not counted, needs no key."""

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.emulator.faults import Faults
from reactor.emulator.organization import Organization
from reactor.emulator.settings import Endpoint
from reactor.emulator.views import sandbox_dto, volume_dto

_FAULTS = TypeAdapter(Faults)
_ENDPOINTS = TypeAdapter(tuple[Endpoint, ...])


class Event(BaseModel):
    """An event to deliver as it is; without an id it gets a new one."""

    model_config = ConfigDict(extra="forbid")

    payload: dict[str, object]
    id: str | None = None


class Admin:
    """The handlers of /emulator."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization

    def routes(self) -> list[BaseRoute]:
        """Return the routes, relative to /emulator."""
        return [
            Route("/calls", self.calls, methods=["GET"]),
            Route("/deliveries", self.deliveries, methods=["GET"]),
            Route("/state", self.state, methods=["GET"]),
            Route("/faults", self.faults, methods=["GET"]),
            Route("/faults", self.put_faults, methods=["PUT"]),
            Route("/endpoints", self.put_endpoints, methods=["PUT"]),
            Route("/events", self.send_event, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
        ]

    async def calls(self, _: Request) -> Response:
        """Show how often each operation was called, and the last calls. Status 0 is a reply lost on purpose."""
        calls = self._organization.calls
        return JSONResponse({"calls": dict(calls.counts), "log": [asdict(call) for call in calls.calls]})

    async def deliveries(self, _: Request) -> Response:
        """Show the attempts that have ended, how many deliveries have not, and the payloads lost before Svix."""
        svix = self._organization.svix
        attempts = [asdict(attempt) for attempt in svix.attempts]
        return JSONResponse({"deliveries": attempts, "underWay": svix.under_way, "dropped": svix.dropped})

    async def state(self, _: Request) -> Response:
        """Show every resource since the last reset, deleted and destroyed ones too, with the raw state."""
        world, organization_id = self._organization.world, self._organization.settings.organization_id
        volumes = [volume_dto(volume, organization_id) for volume in world.volumes.values()]
        sandboxes = [
            {**sandbox_dto(sandbox, organization_id), "state": sandbox.state} for sandbox in world.sandboxes.values()
        ]
        return JSONResponse({"volumes": volumes, "sandboxes": sandboxes})

    async def faults(self, _: Request) -> Response:
        """Show the faults in force."""
        return JSONResponse(asdict(self._organization.chance.faults))

    async def put_faults(self, request: Request) -> Response:
        """Replace the faults: what the body does not name is off. The dice start again from the seed."""
        self._organization.chance.put(_FAULTS.validate_json(await request.body()))
        return await self.faults(request)

    async def put_endpoints(self, request: Request) -> Response:
        """Replace the webhook endpoints, given as a list."""
        self._organization.svix.endpoints = _ENDPOINTS.validate_json(await request.body())
        return Response(status_code=204)

    async def send_event(self, request: Request) -> Response:
        """Deliver any payload, signed; answers with the id of the message."""
        event = Event.model_validate_json(await request.body())
        return JSONResponse({"id": self._organization.svix.send(event.payload, event.id)})

    async def reset(self, _: Request) -> Response:
        """Start over."""
        await self._organization.reset()
        return Response(status_code=204)


async def refuse_invalid(_: Request, invalid: Exception) -> Response:
    """Answer 400 for a body that is not what a route of /emulator takes, in pydantic's words."""
    problems = invalid.errors(include_url=False, include_context=False) if isinstance(invalid, ValidationError) else []
    return JSONResponse({"errors": problems}, 400)
