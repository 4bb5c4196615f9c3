"""Events of the log as people see them, and those set aside: listed, shown, decided on again once."""

import asyncio
from typing import Any

import pytest
from commands import Commands
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, eventually, volume
from test_jobs import dumped

from reactor.config import load_config
from reactor.dispatch import READS, Dispatcher
from reactor.operator.events import Sought, listed
from reactor.reload import Live
from reactor.store.keys import Keys
from reactor.store.log import GROUP

KEYS = Keys("reactor")


@pytest.fixture
def cli(opened: Opened) -> Commands:
    return Commands(opened)


def dispatcher(opened: Opened) -> Dispatcher:
    return Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=0.3)


async def set_aside(opened: Opened) -> str:
    """An event that is read and never decided upon, and then set aside."""
    appended = await append(opened, volume("ready"))
    [entry] = await opened.store.log.read("reader", block=0.1)
    await opened.store.log.set_aside(entry)
    return appended.entry


async def test_an_event_set_aside_is_decided_on_again(opened: Opened, cli: Commands) -> None:
    entry = await set_aside(opened)
    listed = cli.json("events", "ls", "--aside")
    assert not await dispatcher(opened).take_over()

    said = cli("events", "retry", entry, USER="kim")
    taken = await dispatcher(opened).take_over()

    assert [(each["entry"], each["aside"], each["verdict"]) for each in listed] == [(entry, True, None)]
    assert said.stdout == f"{entry} is decided on again\n"
    assert "kim at" in said.stderr
    assert taken
    after = cli.json("events", "show", entry)
    assert (after["aside"], after["verdict"]["verdict"], after["jobs"]) == (False, "fresh", 1)
    assert cli.json("events", "ls", "--aside") == []
    assert not await dispatcher(opened).take_over()


async def test_events_are_found_by_type_and_by_the_name_or_id_of_their_resource(
    opened: Opened, cli: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.store.logged.PAGE", 2)
    for number in range(5):
        await append(opened, volume("ready", id=f"vol-{number}", name=f"build-{number}"), f"msg_{number}")
    await append(opened, {"event": "snapshot.removed", "id": "snap-1", "name": "build-2"}, "msg_5")

    by_name = await listed(opened.store, Sought(resource="build-2"), aside=False, count=10)
    by_id = await listed(opened.store, Sought("volume.*", "vol-0"), aside=False, count=1)
    shown = await asyncio.to_thread(cli, "events", "ls", "--type", "volume.*", "--resource", "build-2")
    none = await asyncio.to_thread(cli, "events", "ls", "--resource", "build-9")

    assert [each.entry.id for each in by_name] == ["msg_5", "msg_2"]
    assert [each.entry.id for each in by_id] == ["msg_0"]
    heading, line = shown.stdout.splitlines()
    assert heading.split()[2:5] == ["TYPE", "NAME", "STATES"]
    assert "build-2" in line
    assert "creating → ready" in line
    assert (none.stdout, none.returncode) == ("", 0)
    assert "reactor reconcile --dry-run" in none.stderr


async def test_an_old_event_that_was_set_aside_is_found_behind_many_others(opened: Opened) -> None:
    for number in range(3):
        await append(opened, volume("ready", id=f"vol-{number}"), f"msg_{number}")
    for entry in await opened.store.log.read("reader", block=0.1):
        await opened.store.log.set_aside(entry)

    found = await listed(opened.store, Sought(resource="vol-0"), aside=True, count=1)

    assert [each.entry.id for each in found] == ["msg_0"]


async def test_an_event_is_retried_once_by_many(opened: Opened, redis: Redis) -> None:
    entry = await set_aside(opened)

    said = [await opened.store.logged.retake(entry) for _ in range(3)]

    assert said == ["retaken", "not aside", "not aside"]
    pending: Any = redis.xpending(KEYS.log, "dispatch")
    assert pending["pending"] == 1


async def test_an_event_that_fails_again_is_set_aside_again(opened: Opened, redis: Redis) -> None:
    redis.xadd(KEYS.log, {"source": "daytona", "id": "msg_1", "organization": "", "body": "{"})
    [entry] = await opened.store.log.read("reader", block=0.1)
    await opened.store.log.set_aside(entry)
    await opened.store.logged.retake(entry.entry)

    for _ in range(4):
        assert await dispatcher(opened).take_over()
        redis.xclaim(KEYS.log, "dispatch", "reader", 0, [entry.entry], idle=60_000, justid=True)
    between = await opened.store.logged.aside()
    redis.xclaim(KEYS.log, "dispatch", "reader", 0, [entry.entry], idle=60_000, retrycount=5)
    assert await dispatcher(opened).take_over()

    assert between == []
    assert [each.entry.entry for each in await opened.store.logged.aside()] == [entry.entry]


async def test_an_event_whose_plan_is_kept_is_not_set_aside_however_many_dispatchers_died_with_it(
    opened: Opened, redis: Redis
) -> None:
    entry = (await append(opened, volume("ready", name="build-1"))).entry
    await dispatcher(opened).react(await opened.store.log.read("reader", block=0.1))
    redis.xclaim(KEYS.log, GROUP, "the-fifth", 0, [entry], idle=10_000, retrycount=READS, force=True)

    taken = await dispatcher(opened).take_over()

    assert taken
    assert await opened.store.logged.aside() == []
    assert await opened.store.log.oldest_unacknowledged() is None


async def test_an_event_that_the_log_has_no_longer_stays_noted(opened: Opened, redis: Redis) -> None:
    entry = await set_aside(opened)
    redis.xdel(KEYS.log, entry)
    before = dumped(redis)

    assert await opened.store.logged.retake(entry) == "gone"
    assert dumped(redis) == before


async def test_events_are_found_by_place_and_by_id_however_far_back(opened: Opened) -> None:
    places = [(await append(opened, volume("ready"), f"msg_{number}")).entry for number in range(1050)]

    found = await opened.store.logged.get_each(["msg_3", places[3], "msg_gone", "msg_1049"])

    assert {*found} == {places[3], "msg_3", "msg_1049"}
    assert found["msg_3"] == found[places[3]]
    assert [found[each].entry.id for each in ("msg_3", "msg_1049")] == ["msg_3", "msg_1049"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["events", "show", "gone"], "the log has no event 'gone', or no longer"),
        (["events", "retry", "1-1"], "the log has no event '1-1'"),
    ],
)
async def test_a_slip_is_answered_with_its_remedy(cli: Commands, words: list[str], remedy: str) -> None:
    ended = cli(*words)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert remedy in ended.stderr


async def test_an_event_that_was_decided_is_not_decided_again(opened: Opened, cli: Commands) -> None:
    appended = await append(opened, volume("ready"))

    refused = cli("events", "retry", appended.entry)

    assert refused.returncode == 1
    assert "was not set aside" in refused.stderr


async def test_a_shell_completes_events(opened: Opened, cli: Commands) -> None:
    entry = await set_aside(opened)

    assert cli.completed(f"events retry {entry[:5]}") == [f"plain,{entry}"]


@pytest.mark.parametrize(
    "fields", [{b"\xff": b"\xff"}, {"body": b"\xff", "generation": "x"}, {"generation": "9" * 5000}]
)
async def test_what_somebody_else_wrote_into_the_log_is_set_aside_and_ends_nobody(
    opened: Opened, redis: Redis, fields: dict[Any, Any]
) -> None:
    foreign: Any = redis.xadd(KEYS.log, fields)
    await append(opened, volume("ready"))
    decides = dispatcher(opened)

    await decides.decide(await opened.store.log.read("reader", block=0.1))

    async def is_aside() -> bool:
        await decides.take_over()
        return bool(redis.zcard(KEYS.aside))

    await eventually(is_aside)
    assert redis.zrange(KEYS.aside, 0, -1) == [foreign]
    assert redis.xpending(KEYS.log, "dispatch")["pending"] == 0
