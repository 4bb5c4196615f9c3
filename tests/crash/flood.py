"""Ten times more than can be taken, while everything is replaced by newer processes: what is not taken is said to be so.

Owns the senders, who deliver each event again until it is answered 2xx, and looking at the memory of who is flooded.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import orjson

from crash.load import KINDS, ORGANIZATION, SECRET, signed
from crash.model import Finding, judge
from crash.nursery import until
from crash.stand import Stand, stand_in

CAPACITY = 20
"""Connections that a web process takes."""

SENDERS = 10 * 2 * CAPACITY
"""Of ten times that of both of them."""

PAUSE = 0.2
"""Seconds until what was not taken is delivered again."""

MEMORY = 300 * 2**20
"""Bytes that no process may have at any time: about twice what it begins with."""

ANSWER_WITHIN = 15.0
"""Seconds that Svix waits for an answer."""

PATIENCE = 120.0
ENVIRONMENT = {"REACTOR_CONNECTIONS": str(CAPACITY)}
FLOODED = "msg_stranger-s-flood-"


@dataclass
class Flood:
    """What the senders saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    unanswered: Counter[str] = field(default_factory=Counter)
    """What happened to deliveries of status 0."""
    impatient: int = 0
    """Answers of 503 that do not say when to come again."""
    most_memory: int = 0
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"flood: {len(self.accepted)} events accepted of {sum(self.statuses.values())} deliveries, by status "
            f"{dict(self.statuses)}, of 0 {dict(self.unanswered)}, most memory {self.most_memory / 2**20:.0f} MiB, "
            f"{len(self.findings)} wrong"
        )


async def flood(directory: Path, seconds: float, *, work: int) -> Flood:
    """Flood for so many seconds, with so much work of each kind; half way through, all processes are replaced."""
    async with stand_in(directory, environment=ENVIRONMENT) as stand:
        await stand.begin()
        seen = Flood()
        names = [f"{kind}{number:05}" for number in range(work) for kind in KINDS]
        watching = asyncio.create_task(_watch(stand, seen))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stand.load.ask_for(names, seconds))
            tasks.create_task(_send(stand, seen, time.monotonic() + seconds))
            tasks.create_task(_roll(stand, seconds / 2))
        stand.load.replayed |= seen.accepted
        if not await until(stand.observer.is_quiet, PATIENCE, every=0.5):
            seen.findings.append(Finding(f"not done: {await stand.observer.left()}"))
        await until(stand.observer.knows_all, PATIENCE, every=1.0)
        await until(stand.observer.is_quiet, PATIENCE, every=0.5)
        watching.cancel()
        await asyncio.wait([watching])
        seen.findings += judge(await stand.observer.look(reconciled=True)).findings
        seen.findings += [Finding(f"{name} died") for name in stand.fleet.died]
        if seen.most_memory > MEMORY:
            seen.findings.append(Finding(f"a process had {seen.most_memory / 2**20:.0f} MiB"))
        if seen.impatient:
            seen.findings.append(Finding(f"{seen.impatient} answers of 503 do not say when to come again"))
        if unexpected := seen.statuses.keys() - {204, 503, 0}:
            seen.findings.append(Finding(f"deliveries were answered {unexpected}"))
        return seen


async def _roll(stand: Stand, after: float) -> None:
    await asyncio.sleep(after)
    stand.story.tell("a rolling upgrade")
    await stand.fleet.roll()
    stand.story.tell("all are new")


async def _send(stand: Stand, seen: Flood, until_then: float) -> None:
    """Every sender begins new events until then, and delivers the last one until it is accepted."""
    numbers = count()
    connections = aiohttp.TCPConnector(limit=SENDERS)
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
    async with aiohttp.ClientSession(connector=connections, timeout=timeout) as http, asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(_sender(http, stand.load.webhooks, seen, numbers, until_then))


async def _sender(
    http: aiohttp.ClientSession, url: str, seen: Flood, numbers: Iterator[int], until_then: float
) -> None:
    while time.monotonic() < until_then:
        event = f"{FLOODED}{next(numbers)}"
        body = orjson.dumps({"event": "flood", "id": event, "organizationId": ORGANIZATION})
        headers = signed(body, event, SECRET, 0.0)
        while event not in seen.accepted:
            status = await _deliver(http, url, body, headers, seen)
            seen.statuses[status] += 1
            if status == 204:
                seen.accepted.add(event)
            else:
                await asyncio.sleep(PAUSE)


async def _deliver(http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], seen: Flood) -> int:
    """The status of one delivery; 0 if there was no answer."""
    try:
        async with http.post(url, data=body, headers=headers) as answer:
            seen.impatient += answer.status == 503 and "retry-after" not in answer.headers
            return answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        seen.unanswered[type(error).__name__] += 1
        return 0


async def _watch(stand: Stand, seen: Flood) -> None:
    """The most memory that any process has for itself or shares, now and then."""
    while True:
        for member in list(stand.fleet.members.values()):
            if member.child and not member.child.over.is_set():
                seen.most_memory = max(seen.most_memory, _memory(member.child.pid))
        await asyncio.sleep(0.5)


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (FileNotFoundError, ProcessLookupError, IndexError):  # it is gone, or going
        return 0
