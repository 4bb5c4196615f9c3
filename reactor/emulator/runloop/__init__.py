"""Runloop: its REST API below /runloop, and what happens behind it. It sends no webhooks: who waits must ask.

    resources   what there is: values          bodies     what the API takes
    devboxes  executions  files  images  objects      the operations, and what they show

Paths and operationIds are those of Runloop's OpenAPI documents; fields follow its Python client 3.0.0.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reactor.emulator.api import Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused
from reactor.emulator.faults import Chance
from reactor.emulator.pace import Pace
from reactor.emulator.runloop.devboxes import Devboxes
from reactor.emulator.runloop.executions import Executions
from reactor.emulator.runloop.files import Files
from reactor.emulator.runloop.images import Images
from reactor.emulator.runloop.objects import Objects
from reactor.emulator.runloop.resources import Devbox


class Runloop:
    """One account at Runloop."""

    def __init__(self, chance: Chance, background: Background, pace: Pace) -> None:
        by_id: dict[str, Devbox] = {}
        self.images = Images(by_id, chance, background, pace)
        self.devboxes = Devboxes(by_id, self.images, chance, background, pace)
        self._executions = Executions(by_id, background, pace.time_scale)
        self._files = Files(by_id)
        self.objects = Objects()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the API, relative to /runloop. The first row that fits answers."""
        return (
            *self.images.operations(),
            *self.devboxes.operations(),
            *self._executions.operations(),
            *self._files.operations(),
            *self.objects.operations(),
        )

    def storage_routes(self) -> list[BaseRoute]:
        """Return the routes of the object storage, relative to /runloop."""
        return self.objects.storage_routes()

    def clear(self) -> None:
        """Forget everything; what is under way is the background's to stop."""
        self.devboxes.by_id.clear()
        self.images.clear()
        self.objects.by_id.clear()


def refusal(_: Request, refused: Refused) -> JSONResponse:
    """Build an error body."""
    return JSONResponse({"message": refused.message}, refused.status)
