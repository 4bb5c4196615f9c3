"""A machine for one test file: an embedded server, an emulated Daytona, and the processes that tests start beside them.

Times are short, so that what waits for a lease or a sweep is seen soon. Knows nothing of a scenario.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import orjson
from standardwebhooks import Webhook

from e2e.process import PATIENCE, Process, eventually
from reactor.embedded import EmbeddedServer, bound_to_parent
from reactor.emulator import EmulatorSettings
from reactor.emulator.client import Emulator
from reactor.settings import Settings
from reactor.store.ledger import Row
from reactor.store.log import Entry
from reactor.store.store import Store

CONFIG = Path(__file__).parents[2] / "config"
ORGANIZATION = EmulatorSettings().organization_id
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="

LEASE = 2.0
RECOVERY = LEASE + 8.0
"""Seconds from the death of any process within which its work is done by another."""

ENVIRONMENT = {
    "REACTOR_CONFIG": str(CONFIG),
    "REACTOR_OPERATIONS_PORT": "0",
    "REACTOR_LEASE": str(LEASE),
    "REACTOR_TAKEOVER": "0.5",
    "REACTOR_SWEEP_AFTER": "1",
    "REACTOR_BACKOFF": "0.1",
    "REACTOR_RECONCILE": "0",
    "REACTOR_PRIVATE_NETWORKS": "127.0.0.0/8",
    "DAYTONA_API_KEY": EmulatorSettings().api_key,
    "DAYTONA_ORGANIZATION_ID": ORGANIZATION,
    "DAYTONA_WEBHOOK_SECRET": SECRET,
}

EMULATOR = ("emulator", "--port", "0", "--time-scale", "0.02")

Payload = dict[str, Any]
T = TypeVar("T")


def signed(body: bytes, event_id: str) -> dict[str, str]:
    """The headers of one delivery, as Svix signs it."""
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "svix-id": event_id,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(SECRET).sign(event_id, now, body.decode()),
    }


def volume_event(volume: Mapping[str, Any], state: str) -> bytes:
    """The body that says that a volume has come from `creating` to this state."""
    return orjson.dumps(
        {
            "event": "volume.state.updated",
            "timestamp": datetime.now(UTC).isoformat(),
            "id": volume["id"],
            "name": volume["name"],
            "organizationId": ORGANIZATION,
            "oldState": "creating",
            "newState": state,
        }
    )


@dataclass
class Machine:
    """What a test sees: starting processes, playing the customer and Svix, and what became of it."""

    directory: Path
    server: EmbeddedServer
    environment: dict[str, str]
    processes: list[Process] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self, *arguments: str, **environment: str) -> Process:
        """Run `reactor arguments`, and do not wait for it."""
        base = self.directory / f"{next(self.numbers):03}-{arguments[0]}"
        output, log = base.with_suffix(".out"), base.with_suffix(".log")
        with output.open("wb") as out, log.open("wb") as err:
            popen = subprocess.Popen(
                bound_to_parent([sys.executable, "-m", "reactor", *arguments]),
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.processes.append(process := Process(popen, output, log))
        return process

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run `reactor arguments` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "reactor", *arguments],
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def serve(self, *options: str, **environment: str) -> Process:
        """Start a web process on a free port, with a dispatcher unless told otherwise."""
        return self.start("serve", "--port", "0", *options, **environment)

    @property
    def emulator(self) -> Emulator:
        """The emulated Daytona; close it after use."""
        return Emulator(self.environment["DAYTONA_API_URL"].removesuffix("/api"))

    def ready_volume(self) -> Payload:
        """Create a volume, and return it when it is ready."""
        with self.emulator as emulator:
            created = emulator.create_volume(f"build-{uuid4().hex[:8]}")
            eventually(lambda: [v for v in emulator.volumes() if v["id"] == created["id"] and v["state"] == "ready"])
        return created

    def sandboxes_of(self, volume: Mapping[str, Any]) -> list[Payload]:
        """Every sandbox that was ever made with a volume."""
        with self.emulator as emulator:
            return [s for s in emulator.sandboxes() if volume["id"] in {mount["volumeId"] for mount in s["volumes"]}]

    def deliver(self, web: Process, body: bytes, event_id: str) -> int:
        """Make one delivery; returns the status. Raises httpx2.TransportError."""
        return httpx2.post(f"{web.url}/webhooks/daytona", content=body, headers=signed(body, event_id)).status_code

    def announce(self, web: Process, volume: Mapping[str, Any]) -> str:
        """Deliver that a volume is ready; returns the event's id."""
        event_id = f"msg_{uuid4().hex}"
        assert self.deliver(web, volume_event(volume, "ready"), event_id) == 204
        return event_id

    def entries(self) -> list[Entry]:
        """The event log."""
        return self._ask(lambda store: store.log.entries(count=100_000))

    def jobs(self, event_id: str) -> list[Row]:
        """The jobs that followed from an event."""

        async def rows(store: Store) -> list[Row]:
            entries = [entry.entry for entry in await store.log.entries(count=100_000) if entry.id == event_id]
            return [row for entry in entries for row in await store.plans.rows_of(entry)]

        return self._ask(rows)

    def all_is_decided(self) -> bool:
        """Whether no event waits for its decision."""
        return self._ask(lambda store: store.log.oldest_unacknowledged()) is None

    def is_done(self, event_id: str) -> bool:
        """Whether one job followed from an event, and is done."""
        return [job.state for job in self.jobs(event_id)] == ["done"]

    def _ask(self, question: Callable[[Store], Awaitable[T]]) -> T:
        async def ask() -> T:
            store = Store(Settings(redis_url=self.server.url))
            try:
                return await question(store)
            finally:
                await store.close()

        return asyncio.run(ask())

    @contextmanager
    def ending_what_starts(self) -> Iterator[None]:
        """End every process that is started in the context."""
        before = len(self.processes)
        try:
            yield
        finally:
            for process in self.processes[before:]:
                process.kill()
            del self.processes[before:]


@contextmanager
def machine_in(directory: Path) -> Iterator[Machine]:
    """A machine with its server and its emulator; everything on it ends with the context."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "DAYTONA_"))}
    with EmbeddedServer.start(directory / "valkey") as server:
        machine = Machine(directory, server, {**inherited, **ENVIRONMENT, "REACTOR_REDIS_URL": server.url})
        with machine.ending_what_starts():
            machine.environment["DAYTONA_API_URL"] = f"{machine.start(*EMULATOR).url}/api"
            yield machine
