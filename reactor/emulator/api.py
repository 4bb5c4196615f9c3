"""What every emulated API has in common: who may call, what is counted, what goes wrong on purpose, how it is answered."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.emulator.bodies import Refused
from reactor.emulator.calls import LOST, CallLog
from reactor.emulator.faults import Chance
from reactor.emulator.limits import Limits, Throttler

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Handler = Callable[[Request], Awaitable[object]]
"""Answers a call: with a value to show as JSON, None for an empty body, or a Response as it is. Raises Refused."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of an API: what is called, and who answers it."""

    method: str
    path: str
    id: str
    handler: Handler
    throttler: Throttler | None = None
    """Counts this operation, besides those that count every call of the API."""
    is_open: bool = False
    """Needs no key."""


@dataclass(frozen=True, slots=True)
class Api:
    """The door of one API. `keys` holds the accepted keys by the API's name and may change at any time."""

    name: str
    refusal: Callable[[Request, Refused], Response]
    keys: Mapping[str, str]
    calls: CallLog
    chance: Chance
    limits: Limits
    prefix: str = ""
    """Before each operationId in the log of calls."""
    throttlers: tuple[Throttler, ...] = ()

    def routes(self, operations: Iterable[Operation]) -> list[BaseRoute]:
        """Return the routes of a table; the first that fits answers, and the last whatever is not in the table."""
        known = [Route(row.path, self._endpoint(row), methods=[row.method]) for row in operations]
        rest = self._endpoint(Operation("", "", "unknown", _unknown, is_open=True))
        return [*known, Route("/{rest:path}", rest, methods=METHODS)]

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        name = self.prefix + operation.id

        async def endpoint(request: Request) -> Response:
            call = self.calls.arrived(name, request.method, request.url.path)
            response = await self._answer(name, operation, request)
            call.status = response.status_code
            if self.chance.strikes(name, self.chance.faults.lost_reply):
                call.status = LOST
                request.state.cut()
            return response

        return endpoint

    async def _answer(self, name: str, operation: Operation, request: Request) -> Response:
        try:
            headers = self._admit(name, operation, request)
            response = _response(await operation.handler(request))
        except Refused as refused:
            response, headers = self.refusal(request, refused), refused.headers or {}
        response.headers.update(headers)
        return response

    def _admit(self, name: str, operation: Operation, request: Request) -> dict[str, str]:
        """Return what the limits say. Raises Refused for calls that come no further than the door."""
        if self.chance.strikes(name, self.chance.faults.api_error):
            raise Refused(503, "Service Unavailable")
        if operation.is_open:
            return {}
        if request.headers.get("authorization") != f"Bearer {self.keys[self.name]}":
            raise Refused(401, "Invalid credentials")
        extra = (operation.throttler,) if operation.throttler else ()
        return self.limits.admit((*self.throttlers, *extra))


def target(request: Request) -> str:
    """Return the path and query that were asked for."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _unknown(request: Request) -> object:
    raise Refused(404, f"Cannot {request.method} {target(request)}")


def _response(result: object) -> Response:
    if isinstance(result, Response):
        return result
    return Response() if result is None else JSONResponse(result)
