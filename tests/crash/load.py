"""The customers and the strangers: volumes that rules react to, runs of workflows, and deliveries that must not count.

Owns what was asked for, and what strangers were answered. Plays fair: what fails is asked for again, under the same name.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx2
import orjson
from redis import asyncio as aioredis
from standardwebhooks import Webhook

from crash.fleet import Fleet
from crash.nursery import until
from reactor.emulator import EmulatorSettings
from reactor.store.keys import Keys

DOCUMENT = Path(__file__).parents[1] / "data" / "arazzo" / "000.arazzo.yaml"
DEVBOX = Path(__file__).parent / "devbox.arazzo.yaml"
ORGANIZATION = EmulatorSettings().organization_id
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="
WRONG_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzLTI0Kw=="

BUILD, ORDER, DATA = "build-", "order-", "data-"
"""What begins the names of volumes: that get a sandbox by a rule, a run by a rule, and that a run of ours makes."""

BOX, RAN = "box-", "ran-"
"""What begins the names of devboxes that a run of ours boots, and of the volume that a rule makes when one runs."""

KINDS = (BUILD, ORDER, DATA, BOX)

EVENTS_OF = {BUILD: 6, ORDER: 9, DATA: 6, BOX: 3}
"""Webhooks that follow from one of each: three of each volume, three of each sandbox; an order makes a second volume.

Nobody sends any of a devbox: its states are watched.
"""

RULE = """\
rules:
  - name: run-for-ready-order
    on: volume.state.updated
    match: {newState: ready, name: {prefix: order-}}
    for: 300ms
    do:
      - run: volume-and-sandbox
        as: begun
        inputs: {volumeName: "data-of-${event.name}", snapshot: build-base}
      - call: daytona.getVolume
        parameters: {volumeId: "${begun.how == '' ? begun.run : event.id}"}
  - name: volume-for-running-devbox
    on: devbox.state.updated
    match: {newState: running, name: {prefix: box-}}
    do:
      - call: daytona.createVolume
        body: {name: "ran-${event.name}"}
"""

AGAIN = 0.2
"""Seconds until what was refused is asked for again."""

EVERY = 2.0
"""Seconds between two strangers."""

UNDECIDED = {503, 0}
"""What a stranger may be answered besides what it deserves: not now, or nothing."""


def names_for(events: int, runs: int, dice: Random) -> list[str]:
    """The volumes to ask for, in any order, so that there are at least so many events and runs."""
    counts = {ORDER: runs // 3, DATA: runs // 3, BOX: runs - 2 * (runs // 3)}
    left = events - sum(EVENTS_OF[kind] * count for kind, count in counts.items())
    counts[BUILD] = max(1, math.ceil(left / EVENTS_OF[BUILD]))
    names = [f"{kind}{number:05}" for kind, count in counts.items() for number in range(count)]
    dice.shuffle(names)
    return names


@dataclass
class Load:
    """Who asks for things. `redis` leads past the bad network."""

    fleet: Fleet
    emulator: httpx2.AsyncClient
    redis: "aioredis.Redis"
    webhooks: str
    dice: Random
    asked: list[str] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)
    replayed: set[str] = field(default_factory=set)
    """Ids under which strangers with the right secret were answered 2xx."""
    wrong: list[str] = field(default_factory=list)

    async def ask_for(self, names: Sequence[str], seconds: float) -> None:
        """Ask for all of these, evenly over so many seconds, and return when all was granted."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as customers:
            for number, name in enumerate(names):
                due = began + seconds * number / len(names)
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                customers.create_task(self._customer(name))

    async def _customer(self, name: str) -> None:
        self.asked.append(name)
        granted = self._run if name.startswith((DATA, BOX)) else self._volume
        await until(lambda: granted(name), math.inf, every=AGAIN)

    async def _volume(self, name: str) -> bool:
        try:
            answer = await self.emulator.post("/api/volumes", json={"name": name})
        except httpx2.HTTPError:
            return False
        return answer.is_success or "already exists" in answer.text

    async def _run(self, name: str) -> bool:
        given = {"volumeName": name, "snapshot": "base", "mountPath": "/data"}
        document, given = (DEVBOX, {"name": name}) if name.startswith(BOX) else (DOCUMENT, given)
        inputs = [f"--input={each}={value}" for each, value in given.items()]
        await self.fleet.run("runs", "start", str(document), *inputs, "--id", name)
        try:
            return bool(await self.redis.exists(Keys("reactor").run(name)))
        except aioredis.RedisError:
            return False

    async def disturb(self) -> None:
        """Send what must be refused, or must change nothing, now and then until cancelled."""
        async with httpx2.AsyncClient(trust_env=False, timeout=15.0) as http:
            for number in range(10**9):
                await asyncio.sleep(EVERY * self.dice.uniform(0.5, 1.5))
                await self._stranger(http, number)

    async def _stranger(self, http: httpx2.AsyncClient, number: int) -> None:
        kind = self.dice.choice(("forged", "old", "early", "skewed", "broken", "foreign", "stale"))
        event = f"msg_stranger-{kind}-{number}"
        body, secret, skew, deserved = _said(kind, number)
        try:
            answer = await http.post(self.webhooks, content=body, headers=signed(body, event, secret, skew))
            status = answer.status_code
        except httpx2.HTTPError:
            status = 0
        self.strangers[f"{kind} {status}"] += 1
        if status == 204:
            self.replayed.add(event)
        if status not in {deserved, *UNDECIDED}:
            self.wrong.append(f"{event} was answered {status}, not {deserved}")


def _said(kind: str, number: int) -> tuple[bytes, str, float, int]:
    """What a stranger says: body, secret, seconds its clock is ahead, and the status it deserves."""
    volume = {"id": f"stranger-{number}", "name": f"build-stranger-{number}", "organizationId": ORGANIZATION}
    moved = {"event": "volume.state.updated", "oldState": "creating", "newState": "ready", **volume}
    now = datetime.now(UTC)
    body = orjson.dumps({**moved, "timestamp": now.isoformat()})
    match kind:
        case "forged":
            return body, WRONG_SECRET, 0.0, 401
        case "old":
            return body, SECRET, -500.0, 401
        case "early":
            return body, SECRET, 500.0, 401
        case "broken":
            return body[:-1], SECRET, 0.0, 400
        case "foreign":
            return orjson.dumps({**moved, "organizationId": "another", "timestamp": now.isoformat()}), SECRET, 0.0, 403
        case "skewed":
            return orjson.dumps({**moved, "newState": "creating", "timestamp": now.isoformat()}), SECRET, -150.0, 204
        case _:  # long before the dedup window: recorded, and late
            return orjson.dumps({**moved, "timestamp": (now - timedelta(days=40)).isoformat()}), SECRET, 0.0, 204


def signed(body: bytes, event: str, secret: str, skew: float) -> dict[str, str]:
    """The headers of a delivery."""
    sent = datetime.now(UTC) + timedelta(seconds=skew)
    return {
        "content-type": "application/json",
        "svix-id": event,
        "svix-timestamp": str(int(sent.timestamp())),
        "svix-signature": Webhook(secret).sign(event, sent, body.decode()),
    }
