"""What tests of the running parts share: payloads, deliveries, rows, and waiting for what must become true."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from conftest import CONFIG, LOOPBACK, ORGANIZATION, SECRET, Opened
from structlog.typing import EventDict
from svix.webhooks import Webhook

from reactor.apis.client import ApiClient
from reactor.config import Config, load_config
from reactor.due import DuePoller
from reactor.events import Event
from reactor.handlers.context import Context
from reactor.reload import Live
from reactor.runs.runner import Runner
from reactor.settings import Settings
from reactor.store.ledger import Row
from reactor.store.log import Appended, Entry
from reactor.store.plans import Decided, NewRow, Plan
from reactor.watch import Watcher
from reactor.worker import Worker

DEADLINE = 10.0
"""Seconds after which what has not become true never will."""


async def eventually(holds: Callable[[], Awaitable[Any]], within: float = DEADLINE) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + within
    while not (answer := await holds()):
        assert time.monotonic() < deadline, f"not true within {within} s"
        await asyncio.sleep(0.01)
    return answer


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_ms() -> int:
    return int(time.time() * 1000)


def volume(state: str, *, id: str = "vol-1", name: str = "build-1", ago: int = 0, **others: Any) -> dict[str, Any]:
    """A volume has come to be in `state`, `ago` milliseconds before now."""
    return {
        "event": "volume.state.updated",
        "timestamp": iso(now_ms() - ago),
        "id": id,
        "name": name,
        "organizationId": ORGANIZATION,
        "oldState": "creating",
        "newState": state,
        **others,
    }


def event(payload: dict[str, Any], id: str = "msg_1", source: str = "daytona") -> tuple[Event, bytes]:
    body = json.dumps(payload).encode()
    return Event.from_payload(id=id, source=source, organization=ORGANIZATION, body=body), body


async def append(opened: Opened, payload: dict[str, Any], id: str = "msg_1", source: str = "daytona") -> Appended:
    return await opened.store.log.append(*event(payload, id, source))


async def logged(opened: Opened, *payloads: dict[str, Any]) -> list[Entry]:
    """The entries of payloads that were just appended."""
    for number, payload in enumerate(payloads):
        await append(opened, payload, f"msg_{number}")
    return await opened.store.log.entries()


def signed(body: bytes, *, id: str = "msg_1", secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers of a good delivery."""
    sent = datetime.fromtimestamp(int(at if at is not None else time.time()), UTC)
    return {
        "svix-id": id,
        "svix-timestamp": str(int(sent.timestamp())),
        "svix-signature": Webhook(secret).sign(id, sent, body.decode()),
    }


def new_row(
    id: str = "row1", *, api: str = "daytona", action: str = "call", operation: str = "", **what: Any
) -> NewRow:
    return NewRow(id, "a-rule", action, api, what, operation)


async def planned(opened: Opened, *rows: NewRow, entry: str = "") -> list[str]:
    """Store a plan with these rows and return their ids."""
    rows = rows or (new_row(),)
    await opened.store.plans.keep(
        [Plan(entry or f"{now_ms()}-0", "msg_1", "revision", (Decided("a-rule", "planned", rows),))]
    )
    return [row.id for row in rows]


async def claimed(opened: Opened, row: str = "row1", worker: str = "worker") -> Row:
    [claim] = await opened.store.ledger.claim([row], worker)
    assert isinstance(claim, Row), claim
    return claim


async def expired(opened: Opened, row: str = "row1") -> Row:
    """Wait until a row's lease has run out or its time has come, and claim it."""

    async def taken() -> Row | None:
        [claim] = await opened.store.ledger.claim([row], "successor")
        return claim if isinstance(claim, Row) else None

    claim: Row = await eventually(taken)
    return claim


async def refusal(opened: Opened, row: str = "row1") -> str:
    """Why a row can't be claimed; empty when it was."""
    [claim] = await opened.store.ledger.claim([row], "another")
    return "" if isinstance(claim, Row) else claim.reason


async def said(logs: list[EventDict], event: str, **fields: object) -> bool:
    """Whether a line was logged."""
    return any(line["event"] == event and fields.items() <= line.items() for line in logs)


def context_of(
    opened: Opened, client: ApiClient, settings: Settings | None = None, config: Config | None = None
) -> Context:
    """What handlers need, on the shipped configuration unless another is given."""
    settings, config = settings or opened.settings, config or load_config(CONFIG)
    runner = Runner(config, opened.store, opened.queue, probe=settings.probe)
    return Context(
        settings, config, opened.store.log, opened.store.ledger, opened.store.brakes, client, runner, Live(config)
    )


@asynccontextmanager
async def working(
    opened: Opened, settings: Settings | None = None, *, connections: int = 10, config: Config | None = None
) -> AsyncIterator[Worker]:
    """A worker and a due poller, until the context ends; then the worker drains."""
    settings = settings or opened.settings
    client = ApiClient(connections=connections, private=LOOPBACK)
    polls = ApiClient(connections=settings.watches, private=LOOPBACK)
    context = context_of(opened, client, settings, config)
    worker = Worker(opened.store, opened.queue, context)
    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(worker.run(stopping)),
        asyncio.create_task(DuePoller(opened.store, opened.queue).run(stopping)),
        asyncio.create_task(Watcher(opened.store, opened.queue, context.live, polls, settings).run(stopping)),
    ]
    try:
        yield worker
    finally:
        stopping.set()
        await asyncio.gather(*tasks)
        await client.close()
        await polls.close()


async def ended(opened: Opened, id: str = "row1", within: float = DEADLINE) -> Row:
    async def final() -> Row | None:
        row = await opened.store.ledger.get(id)
        return row if row and row.ended else None

    row: Row = await eventually(final, within)
    return row
