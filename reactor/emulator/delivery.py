"""Svix as seen from an endpoint: messages, signed deliveries, retries. Also the losses on the way to it.

Facts: docs.svix.com/retries (schedule; 2xx within 15 seconds is success, all else is failure) and the Svix server
(each attempt is signed anew with its own time under the id of the message).
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import httpx2
import orjson
from svix.webhooks import Webhook

from reactor.emulator.background import Background
from reactor.emulator.faults import Chance
from reactor.emulator.settings import Endpoint

RETRY_PAUSES = (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
ANSWER_WITHIN = 15.0
CONNECTIONS = 100
LOG_LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered: one event under one id, however many attempts it takes."""

    id: str
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP POST to one endpoint. `status` is None if no answer came, and `error` says why. Times in seconds."""

    id: str
    type: str
    url: str
    attempt: int
    status: int | None
    error: str | None
    at: float
    duration: float

    @property
    def succeeded(self) -> bool:
        """Tell whether the endpoint took the message."""
        return self.status is not None and 200 <= self.status < 300


class Svix:
    """Delivers messages to the endpoints and remembers the attempts."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        background: Background,
        chance: Chance,
        endpoints: tuple[Endpoint, ...],
        retry_scale: float,
        retry_limit: float,
    ) -> None:
        self.endpoints = endpoints
        self.attempts: deque[Attempt] = deque(maxlen=LOG_LENGTH)
        self.dropped: list[Mapping[str, object]] = []
        self.under_way = 0
        self._client = client
        self._background = background
        self._chance = chance
        self._retry_scale = retry_scale
        self._retry_limit = retry_limit
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._held: list[tuple[Message, Endpoint]] = []

    def clear(self) -> None:
        """Forget everything; deliveries under way are the background's to stop."""
        self.attempts.clear()
        self.dropped.clear()
        self._held.clear()
        self.under_way = 0

    def emit(self, payload: Mapping[str, object]) -> None:
        """Send what Daytona has to say, as unreliably as Daytona does."""
        faults = self._chance.faults
        if self._chance.hits(faults.drop):
            self.dropped.append(payload)
            return
        self.send(payload)
        if self._chance.hits(faults.twin):
            self.send(payload)

    def send(
        self, payload: Mapping[str, object], message_id: str | None = None, *, event_type: str | None = None
    ) -> str:
        """Start delivering a payload to every endpoint that wants it. Returns the id of the message."""
        message = Message(
            message_id or f"msg_{uuid4().hex}",
            event_type or str(payload.get("event", "")),
            orjson.dumps(payload).decode(),
        )
        faults = self._chance.faults
        copies = faults.copies if self._chance.hits(faults.duplicate) else 1
        for endpoint in self.endpoints:
            if endpoint.takes(message.type):
                for _ in range(copies):
                    self._dispatch(message, endpoint)
        return message.id

    def _dispatch(self, message: Message, endpoint: Endpoint) -> None:
        self.under_way += 1
        if not self._chance.faults.reorder:
            self._background.spawn(self._deliver(message, endpoint))
            return
        if not self._held:
            self._background.spawn(self._release(self._chance.faults.reorder))
        self._held.append((message, endpoint))

    async def _release(self, window: float) -> None:
        await asyncio.sleep(window)
        held, self._held = self._held, []
        self._chance.shuffle(held)
        for message, endpoint in held:
            self._background.spawn(self._deliver(message, endpoint))

    async def _deliver(self, message: Message, endpoint: Endpoint) -> None:
        try:
            await asyncio.sleep(self._chance.seconds(self._chance.faults.delay))
            for number, pause in enumerate(RETRY_PAUSES, start=1):
                await asyncio.sleep(min(pause * self._retry_scale, self._retry_limit))
                attempt = await self._attempt(message, endpoint, number)
                self.attempts.append(attempt)
                if attempt.succeeded:
                    return
        finally:
            self.under_way -= 1

    async def _attempt(self, message: Message, endpoint: Endpoint, number: int) -> Attempt:
        status: int | None = None
        error: str | None = None
        async with self._connections:
            at = time.time()
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    response = await self._client.post(
                        endpoint.url, content=message.body, headers=_headers(message, endpoint)
                    )
                status = response.status_code
            except (httpx2.HTTPError, TimeoutError) as problem:
                error = repr(problem)
        return Attempt(message.id, message.type, endpoint.url, number, status, error, at, time.time() - at)


def _headers(message: Message, endpoint: Endpoint) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "Svix-Webhooks/1.84.0 (sandbox-reactor emulator)",
        "svix-id": message.id,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(endpoint.secret).sign(message.id, now, message.body),
    }
