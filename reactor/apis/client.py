"""Calls operations of an API: the only code that sends HTTP requests to one.

Owns building, authenticating and sending a request, and reading the reply within its bounds. What a failure means is
`policy`'s; whether to call again is the job's.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson

from reactor.apis.addresses import Addresses, ForbiddenAddress
from reactor.apis.openapi import OpenApi, Operation, Request, build_request
from reactor.apis.pace import Pace
from reactor.apis.policy import REFUSED_KEY, REFUSED_KEY_PAUSE, Reply, failure, lost
from reactor.apis.provider import Provider, Told, look
from reactor.apis.request import is_json
from reactor.apis.transport import AiohttpTransport
from reactor.errors import ConfigError, GateClosed, PermanentError, TemporaryError
from reactor.secrets import Secret

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the API at all."""

TOLD_FOR = 600.0
MOST_SERVERS = 10_000
"""Seconds for which a server that was told is not asked for again, and how many are remembered."""

PATIENCE = 1.0
"""Seconds that a call waits in its job for a rate limit to be renewed."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
"""What may stand in the Authorization header: on one line, without spaces."""


@dataclass(frozen=True)
class Api:
    """One API, ready to be called: its document, its provider file, its server and its key."""

    name: str
    openapi: OpenApi
    webhooks: OpenApi | None
    provider: Provider
    server: str
    key: Secret | None = None
    teller: "Api | None" = None
    """The API that says where this one's server is, for each resource; None where there is one server."""

    def timeout(self, operation: Operation) -> float:
        """Seconds a call of this operation may take."""
        return self.provider.timeouts.get(operation.id, self.provider.timeout)


class ApiClient:
    """Sends calls to any API over one pool of connections. Close it when the process ends.

    `private` names networks, like 10.0.0.0/8, that calls may go to besides the public internet.
    """

    def __init__(self, *, connections: int = 200, private: Iterable[str] = ()) -> None:
        self._http = httpx2.AsyncClient(
            transport=AiohttpTransport(connections=connections, addresses=Addresses(private)),
            follow_redirects=False,
            headers={"User-Agent": "sandbox-reactor", "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        self._paces: dict[str, Pace] = {}
        self._servers: dict[tuple[str, str], tuple[str, float]] = {}

    async def call(
        self, api: Api, operation: str, parameters: Mapping[str, Any], body: Any = None, *, absent_ok: bool = False
    ) -> Reply:
        """Perform one operation and return its 2xx reply, or with `absent_ok` its 404.

        Raises CallError: TemporaryError, GateClosed, PermanentError, or UnknownOutcome where the call may have acted
        and is not safe to repeat.
        """
        described = api.openapi.operation(operation)
        reply = await self._send(api, described, parameters, body)
        if not reply.ok and not (absent_ok and reply.status == 404):
            error = failure(reply, described, api.provider, now=datetime.now(UTC))
            error.headers, error.data = reply.headers, reply.data
            raise error
        return reply

    async def _send(self, api: Api, operation: Operation, parameters: Mapping[str, Any], body: Any) -> Reply:
        """Send one request when its turn comes, and let the pace learn from the reply."""
        _check_body(api, operation, body)
        server = await self._server_of(api, parameters) if api.teller else api.server
        request = build_request(operation, parameters, body, server)
        headers = {**request.headers, **_authorization(api)}
        pace = self._paces.setdefault(api.name, Pace(time.monotonic))
        await _turn(pace, api, operation)
        pace.sent(operation.id)
        reply = None
        try:
            reply = await self._exchange(api, operation, request, headers)
        finally:
            pace.ended(operation.id, reply.headers if reply else None)
        if reply.status in REFUSED_KEY:
            pace.refused(REFUSED_KEY_PAUSE)
        elif reply.ok:
            pace.accepted()
        return reply

    async def _server_of(self, api: Api, parameters: Mapping[str, Any]) -> str:
        """The server that the resource of this call has, asked for now and then."""
        told = api.provider.server.told_by
        if told is None or api.teller is None:
            return api.server
        resource = str(parameters.get(told.parameter, ""))
        server, until = self._servers.get((api.name, resource), ("", 0.0))
        if time.monotonic() >= until:
            operation = told.operation.partition(".")[2]
            reply = await self.call(api.teller, operation, {told.parameter: resource})
            server = _told_server(told, api, reply)
            if len(self._servers) >= MOST_SERVERS:
                self._servers.clear()
            self._servers[api.name, resource] = (server, time.monotonic() + TOLD_FOR)
        return server

    async def _exchange(self, api: Api, operation: Operation, request: Request, headers: Mapping[str, str]) -> Reply:
        timeout = httpx2.Timeout(api.timeout(operation), connect=CONNECT_TIMEOUT)
        try:
            response = await self._http.request(
                request.method, request.url, headers=headers, content=request.content, timeout=timeout
            )
        except ForbiddenAddress as error:
            raise GateClosed(f"{api.name} can't be called: {error}", REFUSED_KEY_PAUSE) from error
        except httpx2.InvalidURL as error:
            raise PermanentError(f"{operation.id} can't be called: {error}") from error
        except httpx2.ConnectError as error:
            raise TemporaryError(f"{operation.id}: {api.name} can't be reached: {error}") from error
        except httpx2.TransportError as error:
            raise lost(f"{operation.id}: the reply was lost: {error}", operation, api.provider) from error
        return _reply(response, operation, api.provider)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()


def _told_server(told: Told, api: Api, reply: Reply) -> str:
    """The URL that a reply tells. Raises PermanentError for one that the key must not be sent to."""
    url = look(told.url, reply.data)
    host = urlsplit(url).hostname if isinstance(url, str) else None
    if not isinstance(url, str) or not host or (api.key and not api.key.may_go_to(host)):
        hosts = ", ".join(api.key.hosts) if api.key else "any host"
        raise PermanentError(f"{told.operation} tells {str(url)[:200]!r}, expected a URL of {hosts}")
    return url.rstrip("/").removesuffix(told.without)


def _check_body(api: Api, operation: Operation, body: Any) -> None:
    """A body that the API would refuse is not sent."""
    problems = api.openapi.check_body(operation, body) if body is not None else []
    if problems:
        raise PermanentError(f"{operation.id} was not called: {'; '.join(problems)}")


async def _turn(pace: Pace, api: Api, operation: Operation) -> None:
    """Wait for a short turn here; a long one is the gate's, so that the job does not hold a place meanwhile."""
    while wait := pace.wait(operation.id):
        if wait > PATIENCE:
            raise GateClosed(f"{api.name} takes no more {operation.id} for {wait:.0f} s", wait, operation=operation.id)
        await asyncio.sleep(wait)


def _authorization(api: Api) -> dict[str, str]:
    """The key is read for each call, so that a new one counts at once; without it nobody can call this API."""
    if api.key is None:
        return {}
    try:
        key = api.key.read()
    except ConfigError as error:
        raise GateClosed(f"{api.name} can't be called: {error}", REFUSED_KEY_PAUSE) from error
    if not _TOKEN.fullmatch(key):
        raise GateClosed(f"{api.name} can't be called: secret {api.key.name} is no bearer token", REFUSED_KEY_PAUSE)
    return {"Authorization": f"Bearer {key}"}


def _reply(response: httpx2.Response, operation: Operation, provider: Provider) -> Reply:
    headers = dict(response.headers.items())
    if not response.content:
        return Reply(response.status_code, headers, None)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.is_success and kind in operation.replies and not is_json(kind):
        return Reply(response.status_code, headers, response.text)  # a file or a text, as the document says
    try:
        return Reply(response.status_code, headers, orjson.loads(response.content))
    except orjson.JSONDecodeError:
        kind = headers.get("content-type", "no content type")
        if response.is_success and is_json(kind):  # it acted, and the answer broke on the way
            raise lost(
                f"{operation.id} answered {response.status_code} with broken JSON", operation, provider
            ) from None
        if response.is_success:
            raise PermanentError(
                f"{operation.id} answered {response.status_code} with {kind}, not JSON: is the server's URL right (…/api)?",
                status=response.status_code,
            ) from None
        return Reply(response.status_code, headers, response.text[:500])
