"""From the log to the queue: once per event, whoever dies on the way, and no event in the way of another."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, eventually, logged, said, volume
from structlog.testing import capture_logs
from structlog.typing import EventDict

from reactor.config import Config, load_config
from reactor.dispatch import READS, Dispatcher
from reactor.errors import StoreUnavailable
from reactor.metrics import render_metrics
from reactor.planning import Occasion
from reactor.reload import Live
from reactor.rules.match import Decision
from reactor.store.ledger import Row
from reactor.store.log import Entry

READER = "gone"


@pytest.fixture
def dispatcher(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    return Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=opened.settings.takeover)


@asynccontextmanager
async def running(dispatcher: Dispatcher) -> AsyncIterator[list[EventDict]]:
    """Let a dispatcher run, and give what it logs."""
    stopping = asyncio.Event()
    with capture_logs() as logs:
        task = asyncio.create_task(dispatcher.run(stopping))
        try:
            yield logs
        finally:
            stopping.set()
            await task


async def read(opened: Opened) -> list[Entry]:
    """What a dispatcher reads that will not live to acknowledge it."""
    return await opened.store.log.read(READER, block=0.1)


async def pending(opened: Opened) -> int:
    waiting: Any = await opened.store.redis.xpending(opened.store.keys.log, "dispatch")
    return int(waiting["pending"])


async def rows(opened: Opened) -> list[Row]:
    return [row for entry in await opened.store.log.entries() for row in await opened.store.plans.rows_of(entry.entry)]


async def only_one_is_pending(opened: Opened) -> bool:
    return await pending(opened) == 1


async def is_settled(opened: Opened) -> bool:
    return not await pending(opened) and await opened.store.log.oldest_unacknowledged() is None


async def test_a_ready_volume_becomes_a_row_and_a_job(opened: Opened, dispatcher: Dispatcher) -> None:
    await append(opened, volume("ready", id="vol-7", name="build-7"))

    await dispatcher.react(await read(opened))

    [row] = await rows(opened)
    assert (row.rule, row.action, row.api, row.event) == ("sandbox-for-ready-volume", "call", "daytona", "msg_1")
    assert row.what["operation"] == "createSandbox"
    assert row.what["body"] == {
        "name": "sandbox-for-build-7",
        "snapshot": "build-base",
        "volumes": [{"volumeId": "vol-7", "mountPath": "/data"}],
    }
    [job] = await opened.queue.pop("worker", 10)
    assert job.ticket is not None
    assert job.ticket.row == row.id
    assert await is_settled(opened)


async def test_an_event_no_rule_asks_for_has_a_plan_without_rows(opened: Opened, dispatcher: Dispatcher) -> None:
    [entry] = await logged(opened, volume("creating"))

    await dispatcher.react(await read(opened))

    plan = await opened.store.plans.get(entry.entry)
    assert plan == {"revision": load_config(CONFIG).revision, "rows": [], "faults": [], "rules": []}
    assert await opened.queue.length() == 0


async def test_what_is_not_fresh_fires_nothing(opened: Opened, dispatcher: Dispatcher) -> None:
    await logged(opened, volume("ready", ago=20), volume("ready", ago=10))

    await dispatcher.react(await read(opened))

    assert len(await rows(opened)) == 1


TWO_SOURCES = """\
sources:
  daytona:
    api: daytona
    organization: {env: DAYTONA_ORGANIZATION_ID}
    headers: svix
    secrets: [DAYTONA_WEBHOOK_SECRET]
  second:
    api: daytona
    organization: ORGANIZATION
    headers: svix
    secrets: [DAYTONA_WEBHOOK_SECRET]
"""


@pytest.mark.parametrize(("organization", "jobs"), [("{env: DAYTONA_ORGANIZATION_ID}", 1), ("another", 2)])
async def test_a_change_that_two_sources_of_one_organization_tell_fires_a_rule_once(
    opened: Opened, tmp_path: Path, organization: str, jobs: int
) -> None:
    config = shutil.copytree(CONFIG, tmp_path / "config")
    (config / "sources.yaml").write_text(
        TWO_SOURCES.replace("organization: ORGANIZATION", f"organization: {organization}")
    )
    dispatcher = Dispatcher(opened.store, opened.queue, Live(load_config(config)), takeover=opened.settings.takeover)
    said = volume("ready")
    await append(opened, said, "msg_1", "daytona")
    await append(opened, said, "msg_2", "second")

    await dispatcher.react(await read(opened))

    assert len(await rows(opened)) == jobs


async def test_an_argument_without_a_value_is_a_fault_in_the_plan(opened: Opened, dispatcher: Dispatcher) -> None:
    payload = volume("ready")
    del payload["id"]
    [entry] = await logged(opened, payload)

    await dispatcher.react(await read(opened))

    plan = await opened.store.plans.get(entry.entry)
    assert plan is not None
    assert (plan["rows"], len(plan["faults"])) == ([], 1)
    assert "sandbox-for-ready-volume action 1: ${event.id}" in plan["faults"][0]
    assert await is_settled(opened)


CRASHES = {
    "before observe": ("resources", "observe", False),
    "after observe": ("resources", "observe", True),
    "before plan": ("plans", "keep", False),
    "after plan": ("plans", "keep", True),
    "before enqueue": ("queue", "enqueue", False),
    "after enqueue": ("queue", "enqueue", True),
    "before acknowledge": ("log", "acknowledge", False),
    "after acknowledge": ("log", "acknowledge", True),
}


@pytest.mark.parametrize(("part", "step", "done"), CRASHES.values(), ids=CRASHES)
@pytest.mark.parametrize("error", [StoreUnavailable("gone"), KeyboardInterrupt()], ids=["unavailable", "killed"])
async def test_an_event_interrupted_at_any_step_gives_one_row_and_a_job(
    opened: Opened,
    dispatcher: Dispatcher,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    step: str,
    done: bool,
    error: BaseException,
) -> None:
    await append(opened, volume("ready"))
    owner: Any = opened.queue if part == "queue" else getattr(opened.store, part)
    perform = getattr(owner, step)

    async def interrupted(argument: Sequence[Any]) -> None:
        if done:
            await perform(argument)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, interrupted)
        with pytest.raises(type(error)):
            await dispatcher.decide(await read(opened))

    async with running(dispatcher):
        await eventually(lambda: is_settled(opened))
    [row] = await rows(opened)
    assert await opened.queue.length() or await eventually(lambda: opened.store.due.sweep(opened.queue.key))
    assert row.state == "due"


async def test_events_of_a_dispatcher_that_is_gone_are_taken_over(opened: Opened, dispatcher: Dispatcher) -> None:
    await logged(opened, *(volume("ready", id=f"vol-{n}", name=f"build-{n}") for n in range(5)))
    assert len(await read(opened)) == 5

    async with running(dispatcher):
        await eventually(lambda: is_settled(opened))

    assert len(await rows(opened)) == 5


async def test_many_dispatchers_share_the_events(opened: Opened) -> None:
    config = load_config(CONFIG)
    several = [Dispatcher(opened.store, opened.queue, Live(config), takeover=5.0) for _ in range(4)]
    await logged(opened, *(volume("ready", id=f"vol-{n}", name=f"build-{n}") for n in range(150)))

    async with running(several[0]), running(several[1]), running(several[2]), running(several[3]):
        await eventually(lambda: is_settled(opened))

    assert len(await rows(opened)) == 150
    assert await opened.queue.length() == 150


async def test_an_event_of_a_source_that_is_configured_no_more_is_in_nobodys_way(
    opened: Opened, dispatcher: Dispatcher
) -> None:
    await append(opened, volume("ready", id="vol-1", name="x"), "msg_1", source="retired")
    await append(opened, volume("ready", id="vol-2", name="build-2"), "msg_2")

    await dispatcher.react(await read(opened))

    assert [row.event for row in await rows(opened)] == ["msg_2"]
    assert await is_settled(opened)


UNREADABLE = {
    "no JSON": {"source": "daytona", "id": "msg_bad", "organization": "org", "body": b"\xff{"},
    "a list": {"source": "daytona", "id": "msg_bad", "organization": "org", "body": b"[]"},
    "no event at all": {"hello": b"\xff"},
    "bytes": {"source": b"\xff", "id": b"\xfe", "organization": b"\xfd", "body": b""},
}


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_entry_that_can_not_be_read_is_set_aside_and_is_in_nobodys_way(
    opened: Opened, dispatcher: Dispatcher, redis: Redis, fields: Any
) -> None:
    bad: Any = redis.xadd(opened.store.keys.log, fields)
    await append(opened, volume("ready"))

    async with running(dispatcher):
        await eventually(lambda: only_one_is_pending(opened))
        assert [row.event for row in await rows(opened)] == ["msg_1"]
        await eventually(lambda: is_settled(opened))

    assert redis.zrange(opened.store.keys.aside, 0, -1) == [bad]


class Allergic(Dispatcher):
    """A dispatcher with a bug: it can't stand one event."""

    def match(self, occasion: Occasion, config: Config) -> list[Decision]:
        if occasion.event.id == "msg_1":
            raise RecursionError("too clever")
        return super().match(occasion, config)


async def test_an_event_that_is_always_faulty_is_set_aside_and_delays_no_other(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    allergic = Allergic(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=0.1)
    _, bad, _ = await logged(opened, *(volume("ready", id=f"vol-{n}", name=f"build-{n}") for n in range(3)))

    async with running(allergic):
        await eventually(lambda: redis_has(redis, "reactor:row:*", 2))
        await eventually(lambda: is_settled(opened))
        await append(opened, volume("ready", id="vol-9", name="build-9"), "msg_9")
        await eventually(lambda: redis_has(redis, "reactor:row:*", 3))

    assert redis.zrange(opened.store.keys.aside, 0, -1) == [bad.entry.encode()]
    assert b"reactor_events_set_aside 1.0" in await render_metrics(opened.store, opened.queue)
    assert bad in await opened.store.log.entries(), "it can be replayed once the bug is gone"


async def redis_has(redis: Redis, pattern: str, count: int) -> bool:
    keys: Any = redis.keys(pattern)
    return len(keys) == count


async def test_an_event_that_ends_its_dispatchers_is_set_aside_alone(
    opened: Opened, dispatcher: Dispatcher, redis: Redis
) -> None:
    bad, good = await logged(opened, volume("ready"), volume("ready", id="vol-2", name="build-2"))
    await read(opened)
    for _ in range(READS - 1):  # dispatchers that read the first event, and die of it
        redis.xclaim(opened.store.keys.log, "dispatch", READER, 0, [bad.entry])

    async with running(dispatcher):
        await eventually(lambda: is_settled(opened))

    assert redis.zrange(opened.store.keys.aside, 0, -1) == [bad.entry.encode()]
    assert [row.entry for row in await rows(opened)] == [good.entry]


async def test_a_dispatcher_waits_for_a_server_that_can_not_write(
    opened: Opened, dispatcher: Dispatcher, redis: Redis
) -> None:
    await append(opened, volume("ready"))
    redis.config_set("maxmemory", 1)
    try:
        async with running(dispatcher) as logs:
            await eventually(lambda: said(logs, "dispatch paused"))
            redis.config_set("maxmemory", 0)
            await eventually(lambda: is_settled(opened))
    finally:
        redis.config_set("maxmemory", 0)

    assert len(await rows(opened)) == 1
    assert redis.zcard(opened.store.keys.aside) == 0


async def test_a_stopped_dispatcher_leaves_nothing_half_done(opened: Opened, dispatcher: Dispatcher) -> None:
    async with running(dispatcher):
        await logged(opened, volume("ready"))
        await eventually(lambda: rows(opened))

    assert await is_settled(opened)
