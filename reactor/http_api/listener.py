"""The ASGI application of the operations listener: probes and figures for everybody, the API for who has a token.

Every process has one (`serve`, `dispatch`, `work`), so that no flood of the public endpoint keeps a probe waiting.
Receives no webhook.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reactor.guard import problem
from reactor.http_api.api import endpoint
from reactor.http_api.parts import Parts
from reactor.http_api.probes import Probes
from reactor.http_api.table import ROUTES


def create_listener(parts: Parts) -> Starlette:
    """All routes of one process."""
    probes = Probes(parts)
    app = Starlette(
        routes=[
            Route("/livez", probes.livez),
            Route("/readyz", probes.readyz),
            Route("/metrics", probes.metrics),
            *(Route(route.path, endpoint(parts, route), methods=[route.method]) for route in ROUTES),
        ],
        exception_handlers={404: _unknown_path, 405: _wrong_method},
    )
    app.router.redirect_slashes = False
    return app


async def _unknown_path(request: Request, error: Exception) -> Response:
    return problem(404, "unknown_path", "docs/api.md lists the paths")


async def _wrong_method(request: Request, error: Exception) -> Response:
    answer = problem(405, "wrong_method", f"{request.method} is not answered here")
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer
