"""The Redis server may die under load: the web process says 503 meanwhile, and no event answered 2xx is lost."""

import asyncio
import os
import signal
from collections import Counter
from uuid import uuid4

import httpx2

from e2e.machine import Machine, signed, volume_event
from e2e.process import PATIENCE

EVENTS = 300
IN_FLIGHT = 100
ACCEPTED_BEFORE = 50
"""Deliveries that are answered 2xx before the server is killed."""


class Sender:
    """Delivers events as Svix does: each again and again until it is answered 2xx."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.statuses: Counter[int] = Counter()
        self.accepted: list[str] = []
        self.changed = asyncio.Condition()

    async def deliver_all(self) -> None:
        async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=IN_FLIGHT)) as http:
            await asyncio.gather(*(self._deliver(http, f"msg_{number}") for number in range(EVENTS)))

    async def until(self, status: int, count: int) -> None:
        """Wait until so many deliveries were answered so."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.statuses[status] >= count)

    async def _deliver(self, http: httpx2.AsyncClient, event: str) -> None:
        body = volume_event({"id": str(uuid4()), "name": event}, "creating")
        while event not in self.accepted:
            answer = await http.post(self.url, content=body, headers=signed(body, event))
            async with self.changed:
                self.statuses[answer.status_code] += 1
                if answer.is_success:
                    self.accepted.append(event)
                self.changed.notify_all()


async def deliver_while_the_server_dies(machine: Machine, url: str) -> Sender:
    sender = Sender(url)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.deliver_all())
        await sender.until(204, ACCEPTED_BEFORE)
        os.kill(machine.server.pid, signal.SIGKILL)
        await sender.until(503, 1)
        await asyncio.to_thread(machine.server.restart)
    return sender


def test_every_event_answered_2xx_survives_the_server(machine: Machine) -> None:
    web = machine.serve()

    sender = asyncio.run(deliver_while_the_server_dies(machine, f"{web.url}/webhooks/daytona"))

    assert set(sender.statuses) == {204, 503}
    assert sorted(entry.id for entry in machine.entries()) == sorted(sender.accepted)
    assert web.stop() == 0
