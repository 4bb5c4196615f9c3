"""Daytona: its REST API below /api, the toolbox of its sandboxes below /toolbox, and what happens behind them.

    resources   what there is: values          bodies     what the API takes
    journeys    from state to state            views      what it shows: DTOs and webhook payloads
    volumes  snapshots  sandboxes  lifecycle  preview  webhooks  toolbox     the operations

Paths and operationIds are those of Daytona's OpenAPI document v0.205.1; the first row of a table that fits answers.
"""

import time
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse

from reactor.emulator.api import Operation, target
from reactor.emulator.bodies import Refused
from reactor.emulator.daytona.journeys import Journeys
from reactor.emulator.daytona.lifecycle import Lifecycle
from reactor.emulator.daytona.preview import Preview
from reactor.emulator.daytona.sandboxes import Sandboxes
from reactor.emulator.daytona.snapshots import Snapshots
from reactor.emulator.daytona.toolbox import Toolbox
from reactor.emulator.daytona.views import timestamp
from reactor.emulator.daytona.webhooks import Webhooks
from reactor.emulator.delivery import Svix


class Daytona:
    """One organization at Daytona."""

    def __init__(self, journeys: Journeys, svix: Svix, organization_id: str) -> None:
        self.snapshots = Snapshots(journeys, organization_id)
        self.sandboxes = Sandboxes(journeys, organization_id, self.snapshots)
        self.volumes = self.sandboxes.volumes
        self.toolbox = Toolbox(self.sandboxes.find, journeys.background, journeys.pace.time_scale)
        self._preview = Preview(self.sandboxes.find)
        self._lifecycle = Lifecycle(journeys, self.sandboxes, self.snapshots)
        self._webhooks = Webhooks(svix, organization_id)

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the API, relative to /api."""
        return (
            *self.volumes.operations(),
            *self.snapshots.operations(),
            *self.sandboxes.operations(),
            *self._lifecycle.operations(),
            *self._preview.operations(),
            *self._webhooks.operations(),
        )

    def clear(self) -> None:
        """Forget everything; journeys under way are the background's to stop."""
        self.volumes.by_id.clear()
        self.snapshots.by_id.clear()
        self.sandboxes.clear()
        self.toolbox.clear()
        self._preview.clear()


def refusal(request: Request, refused: Refused) -> JSONResponse:
    """Build an error body as `all-exceptions.filter.ts` does."""
    body = {
        "path": target(request),
        "timestamp": timestamp(time.time()),
        "statusCode": refused.status,
        "error": HTTPStatus(refused.status).phrase,
        "message": refused.message,
    }
    return JSONResponse(body, refused.status)
