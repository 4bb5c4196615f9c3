"""Looking at an emulator and steering it, below /emulator. Not part of the emulated API, not counted, needs no key."""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.emulator.daytona.resources import Sandbox
from reactor.emulator.faults import Faults
from reactor.emulator.given import give
from reactor.emulator.limits import Limit, Throttler
from reactor.emulator.organization import Organization
from reactor.emulator.runloop.devboxes import show
from reactor.emulator.settings import Endpoint

_FAULTS = TypeAdapter(Faults)
_ENDPOINTS = TypeAdapter(tuple[Endpoint, ...])
_LIMITS = TypeAdapter(dict[Throttler, Limit])


class Event(BaseModel):
    """An event to deliver as it is; without an id it gets a new one."""

    model_config = ConfigDict(extra="forbid")

    payload: dict[str, object]
    id: str | None = None


class Keys(BaseModel):
    """The keys to accept from now on; an API that is not named keeps its key."""

    model_config = ConfigDict(extra="forbid")

    daytona: str | None = None
    runloop: str | None = None


class Given(BaseModel):
    """A resource that is to be there, in its usual state if none is named."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["volume", "snapshot", "sandbox", "devbox", "blueprint", "disk-snapshot", "object"]
    name: str
    state: str = ""


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
            Route("/limits", self.put_limits, methods=["PUT"]),
            Route("/keys", self.put_keys, methods=["PUT"]),
            Route("/endpoints", self.put_endpoints, methods=["PUT"]),
            Route("/events", self.send_event, methods=["POST"]),
            Route("/given", self.give, methods=["POST"]),
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

    async def state(self, request: Request) -> Response:
        """Show every resource since the last reset, deleted and destroyed ones too, with the raw state."""
        daytona, devboxes = self._organization.daytona, self._organization.runloop.devboxes

        def raw(sandbox: Sandbox) -> dict[str, object]:
            return {**daytona.sandboxes.show(request, sandbox), "state": sandbox.state}

        return JSONResponse(
            {
                "volumes": [daytona.volumes.show(volume) for volume in daytona.volumes.by_id.values()],
                "snapshots": [daytona.snapshots.show(snapshot) for snapshot in daytona.snapshots.by_id.values()],
                "sandboxes": [raw(sandbox) for sandbox in daytona.sandboxes.by_id.values()],
                "devboxes": [show(devbox) for devbox in devboxes.by_id.values()],
            }
        )

    async def faults(self, _: Request) -> Response:
        """Show the faults in force."""
        return JSONResponse(asdict(self._organization.chance.faults))

    async def put_faults(self, request: Request) -> Response:
        """Replace the faults: what the body does not name is off. The dice start again from the seed."""
        self._organization.chance.put(_FAULTS.validate_json(await request.body()))
        return await self.faults(request)

    async def put_limits(self, request: Request) -> Response:
        """Replace the rate limits: a throttler that the body does not name lets everything through."""
        self._organization.limits.put(_LIMITS.validate_json(await request.body()))
        return Response(status_code=204)

    async def put_keys(self, request: Request) -> Response:
        """Replace the accepted keys: who still brings an old one is answered 401."""
        keys = Keys.model_validate_json(await request.body())
        self._organization.keys.update(keys.model_dump(exclude_none=True))
        return Response(status_code=204)

    async def put_endpoints(self, request: Request) -> Response:
        """Replace the webhook endpoints, given as a list."""
        self._organization.svix.endpoints = _ENDPOINTS.validate_json(await request.body())
        return Response(status_code=204)

    async def send_event(self, request: Request) -> Response:
        """Deliver any payload, signed; answers with the id of the message."""
        event = Event.model_validate_json(await request.body())
        return JSONResponse({"id": self._organization.svix.send(event.payload, event.id)})

    async def give(self, request: Request) -> Response:
        """Make a resource at once; nobody is told."""
        given = Given.model_validate_json(await request.body())
        await give(self._organization, given.kind, given.name, given.state)
        return Response(status_code=204)

    async def reset(self, _: Request) -> Response:
        """Start over."""
        await self._organization.reset()
        return Response(status_code=204)


async def refuse_invalid(_: Request, invalid: Exception) -> Response:
    """Answer 400 for a body that is not what a route of /emulator takes, in pydantic's words."""
    problems = invalid.errors(include_url=False, include_context=False) if isinstance(invalid, ValidationError) else []
    return JSONResponse({"errors": problems}, 400)
