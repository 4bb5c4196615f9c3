"""Daytona's own routes about webhooks: whether they are set up, sending one, and what became of it."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reactor.emulator.api import Operation
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.daytona.bodies import SendWebhook
from reactor.emulator.daytona.views import View, timestamp
from reactor.emulator.delivery import Attempt, Svix


class Webhooks:
    """The webhooks of one organization, which are set up from the start."""

    def __init__(self, svix: Svix, organization_id: str) -> None:
        self._svix = svix
        self._organization_id = organization_id
        self._since = time.time()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on webhooks; the last three are only in older servers."""
        rows = (
            ("POST", "app-portal-access", "getAppPortalAccess", self.open_portal),
            ("GET", "initialization-status", "getInitializationStatus", self.get_status),
            ("POST", "initialize", "initializeWebhooks", self.initialize),
            ("POST", "refresh-endpoints", "refreshEndpoints", self.refresh),
            ("POST", "send", "sendWebhook", self.send),
            ("GET", "messages/{message}/attempts", "getMessageAttempts", self.get_attempts),
        )
        return (
            *(
                Operation(
                    method, f"/webhooks/organizations/{{organization}}/{path}", f"WebhookController_{name}", handler
                )
                for method, path, name, handler in rows
            ),
            Operation("GET", "/webhooks/status", "WebhookController_getStatus", self.is_enabled),
        )

    async def open_portal(self, request: Request) -> object:
        """Give a token and address of Svix's App Portal; nothing answers there."""
        self._admit(request)
        return {"token": "appsk_emulator", "url": "https://app.svix.example/login#key=appsk_emulator"}

    async def get_status(self, request: Request) -> object:
        """Show since when webhooks are set up."""
        self._admit(request)
        return self._status()

    async def initialize(self, request: Request) -> Response:
        """Set webhooks up, which they are."""
        self._admit(request)
        return JSONResponse(self._status(), 201)

    async def refresh(self, request: Request) -> Response:
        """Look again whether there are endpoints, which the emulator always knows."""
        self._admit(request)
        return Response(status_code=204)

    async def send(self, request: Request) -> None:
        """Send any payload as an event; the answer is empty."""
        self._admit(request)
        message = parse(SendWebhook, await request.body())
        self._svix.send(message.payload, event_type=message.event_type)

    async def get_attempts(self, request: Request) -> object:
        """List the ended attempts to deliver a message, as Svix shows them."""
        self._admit(request)
        message_id = request.path_params["message"]
        return [_attempt(attempt) for attempt in self._svix.attempts if attempt.id == message_id]

    async def is_enabled(self, _: Request) -> object:
        """Tell that the server can send webhooks."""
        return {"enabled": True}

    def _admit(self, request: Request) -> None:
        if request.path_params["organization"] != self._organization_id:
            raise Refused(403, "Access denied")

    def _status(self) -> View:
        return {
            "organizationId": self._organization_id,
            "svixApplicationId": f"app_{self._organization_id}",
            "lastError": None,
            "retryCount": 0,
            "createdAt": timestamp(self._since),
            "updatedAt": timestamp(self._since),
        }


def _attempt(attempt: Attempt) -> View:
    return {
        "msgId": attempt.id,
        "url": attempt.url,
        "status": 0 if attempt.succeeded else 2,
        "responseStatusCode": attempt.status or 0,
        "response": attempt.error or "",
        "timestamp": timestamp(attempt.at),
        "triggerType": 0,
    }
