"""One request of the HTTP API: who asks, what is asked, and which status an outcome is.

Owns the guard before every route. What a route does is in `table`; a token is looked at here and nowhere else.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from reactor.errors import ConfigError, NotFound, NotPossible, ReactorError, RequestRejected, StoreError
from reactor.guard import RETRY_AFTER, check_framing, problem, read_body
from reactor.http_api.parts import Parts
from reactor.tokens import Holder, Role

BEARER = re.compile(r"bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)

STATUSES: Mapping[type[ReactorError], tuple[int, str]] = {
    NotFound: (404, "not_found"),
    NotPossible: (409, "not_possible"),
    ConfigError: (422, "not_acceptable"),
    StoreError: (503, "store_unavailable"),
}
"""What goes wrong on purpose, as an answer."""

log = structlog.get_logger("reactor.api")


@dataclass(frozen=True)
class Asked:
    """One request that may be answered: by whom, the names in its path, its query and its body."""

    holder: Holder
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    key: str | None

    @property
    def by(self) -> str:
        """Who asks, as logs and rows name them."""
        return f"token {self.holder.name}"


@dataclass(frozen=True)
class Answer:
    """A JSON value and its status."""

    value: Any
    status: int = 200


@dataclass(frozen=True)
class ApiRoute:
    """One line of the API. `query` and `body` name the fields that it knows."""

    method: str
    path: str
    role: Role
    perform: Callable[[Parts, Asked], Awaitable[Answer]]
    says: str
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = field(default=())


def endpoint(parts: Parts, route: ApiRoute) -> Callable[[Request], Awaitable[Response]]:
    """The ASGI endpoint of a route: guard, perform, answer."""

    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(parts, route, request)
            done = await route.perform(parts, asked)
        except RequestRejected as error:
            log.warning("request refused", path=route.path, status=error.status, reason=error.reason)
            return _with_challenge(problem(error.status, error.reason, error.detail))
        except tuple(STATUSES) as error:
            return _failed(error)
        if route.method != "GET":
            log.info("request performed", path=request.url.path, status=done.status, by=asked.by)
        return Response(orjson.dumps(done.value), done.status, media_type="application/json")

    return answer


def _failed(error: ReactorError) -> Response:
    status, reason = next(STATUSES[kind] for kind in STATUSES if isinstance(error, kind))
    return problem(status, reason, str(error), RETRY_AFTER if status == 503 else "")


def _with_challenge(answer: Response) -> Response:
    if answer.status_code == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _asked(parts: Parts, route: ApiRoute, request: Request) -> Asked:
    """Who asks for what. Raises RequestRejected before anything of a stranger's body is read."""
    headers = tuple(request.scope["headers"])
    check_framing(headers)
    holder = _holder(parts, headers)
    if not holder.may(route.role):
        raise RequestRejected(
            403, "role_too_small", f"this needs a token of role {route.role}, and yours is {holder.role}"
        )
    query = _query(request, route.query)
    body = await _body(parts, request, route.body)
    return Asked(holder, request.path_params, query, body, request.headers.get("idempotency-key"))


def _holder(parts: Parts, headers: tuple[tuple[bytes, bytes], ...]) -> Holder:
    try:
        if not parts.tokens.entries():
            raise RequestRejected(
                403,
                "no_token_configured",
                "no token is configured: `reactor tokens new` makes one, docs/api.md says how",
            )
        given = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        token = BEARER.fullmatch(given[0]) if len(given) == 1 else None
        if token is None:
            raise RequestRejected(401, "no_token", "expected one header: Authorization: Bearer <token>")
        holder = parts.tokens.holder(token[1])
    except ConfigError as error:
        log.error("tokens can't be read", error=str(error))
        raise RequestRejected(503, "tokens_unreadable", "the tokens file is broken; the log says where") from None
    if holder is None:
        raise RequestRejected(401, "unknown_token", "the tokens file has no such token")
    return holder


def _query(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    given = request.query_params.multi_items()
    for name, _ in given:
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "none"
            raise RequestRejected(400, "unknown_parameter", f"found parameter {name!r}, expected {expected}")
    if len(dict(given)) != len(given):
        raise RequestRejected(400, "repeated_parameter", "a parameter is there twice")
    return dict(given)


async def _body(parts: Parts, request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object of a request; an absent one is empty."""
    content = await read_body(request, limit=parts.settings.body_limit, seconds=parts.settings.body_timeout)
    try:
        body = orjson.loads(content) if content else {}
    except orjson.JSONDecodeError as error:
        raise RequestRejected(400, "not_json", f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestRejected(400, "not_an_object", "expected a JSON object")
    for name in body:
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "no body"
            raise RequestRejected(400, "unknown_field", f"found field {name!r}, expected {expected}")
    return body
