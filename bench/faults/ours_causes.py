"""What is done to the reactor, and how what came of it is counted, where one job that ended is not all of it."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx2
import orjson
from crash.load import ORDER, ORGANIZATION, SECRET, signed
from crash.nursery import until
from crash.observer import KEYS, QUEUE

from bench.faults.ours import PATIENCE, Cause, Trial, ended, killed, proc
from bench.faults.stock_causes import ENOUGH, RQ

ALL = Random(0)

PRESENCE = 25.0
"""Seconds after which what shows a worker to RQ's tools is gone with it."""


async def nothing(case: Trial) -> None:
    """Harm nothing."""


async def replies_lost(case: Trial) -> None:
    """The next reply of the server is lost, on every connection."""
    case.fleet.proxies["redis"].lose_replies(ALL, 1.1)


async def connections_cut(case: Trial) -> None:
    """Every connection to the server is cut."""
    case.fleet.proxies["redis"].cut(ALL, 1.1)


def stands_still(seconds: float) -> Cause:
    """It stands still for so long; another worker is there meanwhile."""

    async def harm(case: Trial) -> None:
        await case.fleet.begin("work-2")
        await asyncio.sleep(seconds)

    return harm


def down(seconds: float) -> Cause:
    """The server can't be reached for so long."""

    async def harm(case: Trial) -> None:
        address = case.fleet.server.directory / "server.sock"
        hidden = address.rename(address.with_name("hidden"))
        await connections_cut(case)
        await asyncio.sleep(seconds)
        hidden.rename(address)

    return harm


def frozen(seconds: float) -> Cause:
    """The server stands still for so long."""

    async def harm(case: Trial) -> None:
        await case.fleet.pause("server", seconds)

    return harm


def setting(name: str, value: str, back: str, seconds: float) -> Cause:
    """The server has another setting for so long."""

    async def harm(case: Trial) -> None:
        await case.stand.redis.config_set(name, value)
        await asyncio.sleep(seconds)
        await case.stand.redis.config_set(name, back)

    return harm


def a_replica(seconds: float) -> Cause:
    """The server takes no writes for so long."""

    async def harm(case: Trial) -> None:
        await case.stand.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(seconds)
        await case.stand.redis.execute_command("REPLICAOF", "NO", "ONE")

    return harm


def told_to_end(times: int = 1) -> Cause:
    """The worker, which is one process, gets SIGTERM; another one is started."""

    async def harm(case: Trial) -> None:
        for _ in range(times):
            case.fleet.stop("work-1")
            await asyncio.sleep(0.5)
        case.fleet.members["work-1"].kept = False
        await case.fleet.begin("work-2")

    return harm


async def scripts_flushed(case: Trial) -> None:
    """The server forgets its scripts."""
    await case.stand.redis.script_flush()


async def all_flushed(case: Trial) -> None:
    """The server forgets everything; the webhook is delivered again, as Svix does on demand."""
    event, body = await _delivery(case)
    await case.stand.redis.flushall()
    await asyncio.sleep(8.0)
    async with httpx2.AsyncClient(trust_env=False) as http:
        await until(lambda: _posted(http, case, body, signed(body, event, SECRET, 0.0)), PATIENCE)


async def _log(case: Trial) -> list[dict[bytes, bytes]]:
    found: Any = await case.stand.redis.xrange(KEYS.log)
    return [fields for _, fields in found]


async def _delivery(case: Trial) -> tuple[str, bytes]:
    """The id and the body of the webhook after which the job was planned."""
    found = [fields for fields in await _log(case) if b'"newState":"ready"' in fields[b"body"]]
    return found[0][b"id"].decode(), found[0][b"body"]


async def _posted(http: httpx2.AsyncClient, case: Trial, body: bytes, headers: dict[str, str]) -> bool:
    try:
        return (await http.post(case.stand.load.webhooks, content=body, headers=headers)).status_code == 204
    except httpx2.HTTPError:
        return False


async def clock_ahead(case: Trial) -> None:
    """Another worker's clock is an hour ahead."""
    await case.fleet.begin("work-2")
    case.fleet.skew("work-2", 3600)


async def given_again(case: Trial) -> None:
    """The delivery comes again when the job is done, under its id and under another."""
    await case.fleet.start(("web-1", "dispatch-1", "work-1"))
    await case.ask()
    case.struck = time.monotonic()
    await ended()(case)
    event, body = await _delivery(case)
    async with httpx2.AsyncClient(trust_env=False) as http:
        for again in [event, "msg_another"] * 10:
            await _posted(http, case, body, signed(body, again, SECRET, 0.0))
    await asyncio.sleep(5.0)


async def server_killed(case: Trial) -> None:
    """Events are delivered one after the other until the server is killed; it starts again on what it had written."""
    await case.fleet.start(("web-1",))
    told: list[str] = []
    async with httpx2.AsyncClient(trust_env=False) as http:
        volume = {"event": "volume.created", "id": "v", "name": "n", "organizationId": ORGANIZATION}
        body = orjson.dumps({**volume, "timestamp": "2026-01-01T00:00:00Z"})
        await until(lambda: _posted(http, case, body, signed(body, "msg_first", SECRET, 0.0)), PATIENCE)
        for number in range(ENOUGH + 20):
            if number == ENOUGH:
                asyncio.get_running_loop().call_later(0.05, case.fleet.kill, "server")
            event = f"msg_{number}"
            if await _posted(http, case, body, signed(body, event, SECRET, 0.0)):
                told.append(event)
    await until(_answers(case), PATIENCE)
    there = {fields[b"id"].decode() for fields in await _log(case)}
    case.said = f"{len(set(told) - there)} of {len(told):,} acknowledged events lost"


def _answers(case: Trial) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        return case.fleet.is_there("server") and bool(await case.stand.redis.ping())

    return answers


async def said(case: Trial) -> str:
    """What the cause has counted itself."""
    return case.said


async def looked_at(case: Trial) -> None:
    """A worker is killed; eight of RQ's readers and our own look at its job at once; then a worker is there."""
    await killed("worker.after_call")(case)
    for role in ("work", "dispatch", "web"):
        await case.fleet.retire(role)
    await asyncio.sleep(PRESENCE)
    before = await contents(case)
    url = case.fleet.environment["REACTOR_REDIS_URL"]
    readers = [
        await asyncio.create_subprocess_exec(RQ, "info", "-u", url, stdout=asyncio.subprocess.DEVNULL) for _ in range(8)
    ]
    await asyncio.gather(*(reader.wait() for reader in readers))
    await case.fleet.run("jobs", "ls")
    now = await contents(case)
    changed = sorted(key.decode() for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    case.struck = time.monotonic()
    await case.fleet.start(("dispatch-1", "work-2"))
    case.said = f"changed by looking: {', '.join(changed) or 'nothing'}; then {await ended()(case)}"


async def contents(case: Trial) -> dict[bytes, Any]:
    """Every key that does not expire meanwhile, with what it holds."""
    redis = case.stand.redis
    return {
        key: await redis.dump(key)
        async for key in redis.scan_iter(count=1000)
        if not 0 <= await redis.pttl(key) < 1000 * PATIENCE
    }


async def timer_killed(case: Trial) -> None:
    """Who lets a timer act is killed in the middle of it; the rule that waited begins a run, which makes a volume."""
    await case.fleet.start(("web-1", "work-1"))
    victim = await case.fleet.begin("dispatch-1", armed="timer.after_ripen:kill")
    await case.ask(f"{ORDER}1")
    assert victim.child
    await victim.child.over.wait()
    case.struck = time.monotonic()
    await case.fleet.begin("dispatch-2")

    async def over() -> bool:
        return any(volume["name"].startswith("data-of-") for volume in await case.made("volumes"))

    await until(over, PATIENCE)
    case.said = f"acted on after {time.monotonic() - case.struck:.0f} s"


async def broken_entries(case: Trial) -> None:
    """What is due, and what stands in the queue before a job, can't be read."""
    redis: Any = case.stand.redis
    await redis.hset(KEYS.row("broken"), mapping={"state": "due", "what": "{"})
    await redis.zadd(KEYS.due, {"broken": 0, "timer/broken": 0, "nobody": 0})
    await redis.hset("rq:job:broken", mapping={"created_at": "yesterday", "data": b"x", "status": "queued"})
    await redis.rpush(QUEUE, "broken", "there is none")
    await case.fleet.start(("web-1", "dispatch-1", "work-1"))
    await case.ask()
    case.struck = time.monotonic()
    await until(case.acted, PATIENCE)


async def idle_killed(case: Trial) -> None:
    """An idle worker is killed, and started again as soon as it ends."""
    await case.fleet.start(("web-1", "dispatch-1", "work-1"))

    async def seen() -> bool:
        return bool(await case.stand.redis.scard("rq:workers:reactor"))

    assert await until(seen, PATIENCE)
    case.fleet.kill("work-1")
    case.struck = time.monotonic()
    await case.ask()


def foreign(data: Callable[[], bytes]) -> Cause:
    """Somebody else put a job into the queue."""

    async def cause(case: Trial) -> None:
        mark = case.fleet.directory / "ran"
        packed = await asyncio.to_thread(lambda: zlib.compress(data().replace(b"MARK", str(mark).encode())))
        await case.stand.redis.hset("rq:job:foreign", mapping={"data": packed, "status": "queued"})
        await case.stand.redis.rpush(QUEUE, "foreign")
        await case.fleet.start(("work-1",))

        async def refused() -> bool:
            return bool(await case.stand.redis.zscore("rq:failed:reactor", "foreign"))

        await until(refused, PATIENCE)
        case.said = "the command ran" if mark.exists() else "refused, it did not run"
        case.said = case.said if await refused() else "it did not run"
        child = case.fleet.members["work-1"].child
        assert child
        case.said += f"; the worker took {int(proc(child.pid, 'VmHWM').split()[0]) // 1024} MiB"

    return cause


async def poison(case: Trial) -> None:
    """Every worker that is about to make the job's call is killed; three attempts, as with RQ's three retries and the first."""
    await case.fleet.start(("web-1", "dispatch-1"))
    case.struck = time.monotonic()
    asked = False
    for number in range(1, 5):
        worker = await case.fleet.begin(f"work-{number}", armed="worker.after_look:kill", REACTOR_ATTEMPTS="3")
        if not asked:
            await case.ask()
            asked = True
        assert worker.child
        try:
            await asyncio.wait_for(worker.child.over.wait(), 40.0)
        except TimeoutError:  # it lives: the job is not tried any more
            return


CHAIN = """\
rules:
  - name: chain
    on: volume.state.updated
    match: {newState: ready, name: {prefix: chain-}}
    do:
      - call: daytona.getVolume
        parameters: {volumeId: none}
      - call: daytona.createSandbox
        body: {name: never}
"""


async def chained(case: Trial) -> None:
    """An action follows one that fails."""
    (case.fleet.directory / "config" / "rules" / "chain.yaml").write_text(CHAIN)
    await case.fleet.start(("web-1", "dispatch-1", "work-1"))
    await case.ask("chain-1")
    case.struck = time.monotonic()


async def not_persistent(case: Trial) -> None:
    """The server keeps no append-only file."""
    await case.stand.redis.config_set("appendonly", "no")
    await case.fleet.run("work")
    refused = "appendonly is off" in (case.fleet.directory / "commands.log").read_text()
    case.said = "does not start on such a server" if refused else "started"
