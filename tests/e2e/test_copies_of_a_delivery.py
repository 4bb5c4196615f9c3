"""A hundred copies of one delivery at once: all are answered 2xx, and they are one event, one job and one sandbox."""

import asyncio

import httpx2

from e2e.machine import Machine, signed, volume_event
from e2e.process import eventually

COPIES = 100


async def deliver_at_once(url: str, body: bytes, event: str) -> list[int]:
    """The statuses of all copies."""
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=COPIES)) as http:
        posts = [http.post(url, content=body, headers=signed(body, event)) for _ in range(COPIES)]
        return [answer.status_code for answer in await asyncio.gather(*posts)]


def test_copies_of_a_delivery_are_one_event_one_job_and_one_sandbox(machine: Machine) -> None:
    volume = machine.ready_volume()
    web = machine.serve()
    machine.start("work")

    statuses = asyncio.run(deliver_at_once(f"{web.url}/webhooks/daytona", volume_event(volume, "ready"), "msg_1"))

    assert statuses == [204] * COPIES
    eventually(lambda: machine.is_done("msg_1"))
    assert len(machine.entries()) == len(machine.jobs("msg_1")) == len(machine.sandboxes_of(volume)) == 1
