"""Runs in the store: they move once per generation, and a wait is woken once, by what is newer than it knows."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, claimed, eventually, now_ms, refusal, volume

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.reload import Live
from reactor.store.ledger import Ending, Row
from reactor.store.runs import NextRow
from reactor.store.waits import Awaited, Message

NOW = NextRow("row1", 1, "daytona", "getVolume", 0.0)
LATER = NextRow("row1", 1, "daytona", "getVolume", 600.0)


def fields(generation: int = 1, status: str = "running") -> dict[str, str]:
    return {
        "workflow": "w",
        "document": "d",
        "started": "1",
        "state": "{}",
        "generation": str(generation),
        "status": status,
        "phase": status,
        "because": "",
        "resource": "volume/vol-1",
        "seen": "0",
    }


def awaited(resource: str = "vol-1", *, seen: int = 0, after: float = 0.0, may_be_name: bool = False) -> Awaited:
    return Awaited("daytona", "volume", resource, seen, after, may_be_name)


async def waits(opened: Opened, wait: Awaited, row: NextRow = LATER, run: str = "run-1") -> bool | None:
    """Begin a run that waits; True when its row is due now."""
    return await opened.store.runs.advance(run, None, fields(), row, wait)


async def happens(opened: Opened, *payloads: dict[str, Any], source: str = "daytona", config: Path = CONFIG) -> None:
    """Let events come, and a dispatcher react to them."""
    known = len(await opened.store.log.entries())
    for number, payload in enumerate(payloads, known):
        await append(opened, payload, f"msg_{number}", source)
    entries = await opened.store.log.entries()
    await dispatcher_of(opened, config).react(entries[known:])


def dispatcher_of(opened: Opened, config: Path = CONFIG) -> Dispatcher:
    return Dispatcher(opened.store, opened.queue, Live(load_config(config)), takeover=1.0)


async def row_of(opened: Opened, id: str = "row1") -> Row:
    row = await opened.store.ledger.get(id)
    assert row is not None
    return row


async def test_two_starts_of_one_run_begin_it_once(opened: Opened, redis: Redis) -> None:
    begun = await asyncio.gather(*(waits(opened, awaited(), NextRow(f"row{n}", 1, "", "", 600.0)) for n in range(10)))

    assert sorted(begun, key=str) == [False, *[None] * 9]
    assert len(list(redis.scan_iter("reactor:row:*"))) == 1
    assert [run.id for run in await opened.store.runs.newest()] == ["run-1"]


async def test_moving_on_from_a_generation_that_is_past_writes_nothing(opened: Opened, redis: Redis) -> None:
    await opened.store.runs.advance("run-1", None, fields(1), NOW)
    second = NextRow("row2", 2, "", "", 0.0)
    assert await opened.store.runs.advance("run-1", 1, fields(2), second) is True
    before = {key: redis.dump(key) for key in redis.scan_iter("reactor:*")}

    for stale in (None, 0, 1, 3):
        third = NextRow("row3", 3, "", "", 0.0)
        assert await opened.store.runs.advance("run-1", stale, fields(3), third, awaited()) is None

    assert {key: redis.dump(key) for key in redis.scan_iter("reactor:*")} == before


async def test_a_wait_for_what_the_table_knows_already_is_due_at_once(opened: Opened) -> None:
    await happens(opened, volume("ready", name="data"))

    assert await waits(opened, awaited()) is True

    row = await claimed(opened)
    assert row.saw is not None
    assert (row.saw["state"], row.saw["seq"]) == ("ready", 1)


@pytest.mark.parametrize("wait", [awaited(seen=1), awaited(after=now_ms() / 1000 + 86_400), awaited("vol-2")])
async def test_a_wait_goes_on_after_what_is_no_news_to_it(opened: Opened, wait: Awaited) -> None:
    await happens(opened, volume("ready", name="data"))

    assert await waits(opened, wait) is False
    await happens(opened, volume("ready", name="data"))

    assert (await row_of(opened)).state == "waiting"


CREATED = Message("daytona", "volume", "volume.state.updated", "", "")
"""A message that a run waits for, of any volume."""


async def test_a_message_from_before_a_run_is_not_for_it_however_late_it_is_decided(opened: Opened) -> None:
    await append(opened, volume("ready", name="data"), "msg_before")

    async def is_past() -> bool:
        [entry] = await opened.store.log.entries()
        return now_ms() > entry.accepted

    await eventually(is_past)
    assert await opened.store.runs.advance("run-1", None, fields(), LATER, CREATED) is False
    [before] = await opened.store.log.entries()
    await dispatcher_of(opened).react([before])
    assert (await row_of(opened)).state == "waiting"

    await happens(opened, volume("ready", id="vol-2", name="more"))

    row = await claimed(opened)
    [_, after] = await opened.store.log.entries()
    assert row.saw is not None
    assert row.saw["entry"] == after.entry


async def test_a_waiting_row_can_not_be_claimed_and_is_claimed_once_woken(opened: Opened) -> None:
    await waits(opened, awaited())
    assert await refusal(opened) == "finished"

    await happens(opened, volume("ready", name="data"))

    row = await claimed(opened)
    assert row.saw is not None
    assert row.saw["state"] == "ready"
    assert await opened.queue.length() == 1


async def test_a_wait_is_woken_once_however_many_events_come(opened: Opened, redis: Redis) -> None:
    await waits(opened, awaited())

    await asyncio.gather(*(happens(opened, volume("ready", name="data")) for _ in range(5)))
    await happens(opened, volume("error", name="data", ago=-1000))

    row = await row_of(opened)
    assert (row.state, row.saw and row.saw["state"]) == ("due", "ready")
    assert await opened.queue.length() == 1
    assert redis.exists(opened.store.keys.waits("daytona", "volume", "vol-1")) == 0


async def test_one_event_wakes_every_run_that_waits_for_its_resource(opened: Opened) -> None:
    for number in range(20):
        await waits(opened, awaited(), NextRow(f"row{number}", 1, "", "", 600.0), f"run-{number}")

    await happens(opened, volume("ready", name="data"))

    assert {(await row_of(opened, f"row{number}")).state for number in range(20)} == {"due"}
    assert await opened.queue.length() == 20


@pytest.mark.parametrize(("organization", "state"), [("{env: DAYTONA_ORGANIZATION_ID}", "due"), ("other", "waiting")])
async def test_a_run_hears_every_source_of_its_api_and_organization(
    opened: Opened, tmp_path: Path, organization: str, state: str
) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    entry = f"  second:\n    api: daytona\n    organization: {organization}\n    secrets: [DAYTONA_WEBHOOK_SECRET]\n"
    (config / "sources.yaml").write_text((config / "sources.yaml").read_text() + entry)
    await waits(opened, awaited())

    await happens(opened, volume("ready", name="data"), source="second", config=config)

    assert (await row_of(opened)).state == state


async def test_a_row_that_waits_no_more_is_forgotten_by_the_next_event(opened: Opened, redis: Redis) -> None:
    await waits(opened, awaited(), NextRow("row1", 1, "", "", 0.01))
    await eventually(lambda: opened.store.due.sweep(opened.queue.key))
    await opened.store.ledger.finish(await claimed(opened), Ending("done"))

    await happens(opened, volume("ready", name="data"))

    assert (await row_of(opened)).state == "done"
    assert redis.exists(opened.store.keys.waits("daytona", "volume", "vol-1")) == 0


async def test_a_probe_and_an_event_give_out_a_wait_once(opened: Opened) -> None:
    for round in range(30):
        id, resource = f"row{round}", f"vol-{round}"
        await waits(opened, awaited(resource), NextRow(id, 1, "", "", 0.001), f"run-{round}")
        swept, _ = await asyncio.gather(
            opened.store.due.sweep(opened.queue.key), happens(opened, volume("ready", id=resource, name=id))
        )
        probed = [each.row for each in swept]

        row = await claimed(opened, id)
        assert (row.saw is None) == (id in probed)
        assert await refusal(opened, id) == "leased"


async def test_a_wait_by_name_is_woken_by_the_events_of_who_has_the_name(opened: Opened) -> None:
    await waits(opened, awaited("data", may_be_name=True))

    await happens(opened, volume("ready", name="data"))

    assert (await row_of(opened)).state == "due"


async def test_a_wait_by_a_name_that_is_known_is_for_its_resource(opened: Opened) -> None:
    await happens(opened, volume("creating", name="data", ago=1000))

    assert await waits(opened, awaited("data", seen=1, may_be_name=True)) is False
    await happens(opened, volume("ready", name="renamed"))

    assert (await row_of(opened)).state == "due"


async def test_a_wait_where_a_name_would_do_is_woken_by_the_id_too(opened: Opened) -> None:
    await waits(opened, awaited("vol-1", may_be_name=True))

    await happens(opened, volume("ready", name="data"))

    assert (await row_of(opened)).state == "due"


async def test_a_resource_named_like_the_id_of_another_wakes_nobody_who_waits_for_that(opened: Opened) -> None:
    await happens(opened, volume("creating", id="vol-2", name="vol-1", ago=1000))

    assert await waits(opened, awaited("vol-1")) is False
    await happens(opened, volume("ready", id="vol-2", name="vol-1"))

    assert (await row_of(opened)).state == "waiting"


async def test_a_run_that_is_over_has_no_row_and_expires(opened: Opened, redis: Redis) -> None:
    await opened.store.runs.advance("run-1", None, fields(1), NOW)
    assert redis.ttl(opened.store.keys.run("run-1")) == -1

    assert await opened.store.runs.advance("run-1", 1, fields(2, "failed"), None) is False

    run = await opened.store.runs.get("run-1")
    assert run is not None
    assert (run.status, run.generation) == ("failed", 2)
    assert redis.ttl(opened.store.keys.run("run-1")) > 0
    assert await waits(opened, awaited()) is None


async def test_runs_that_have_expired_are_listed_no_more(opened: Opened, redis: Redis) -> None:
    redis.zadd(opened.store.keys.runs, {"long-gone": 1, "still-running": 2})
    running: Any = fields() | {"updated": "2"}
    redis.hset(opened.store.keys.run("still-running"), mapping=running)

    await waits(opened, awaited())

    assert [run.id for run in await opened.store.runs.newest()] == ["run-1", "still-running"]
    assert redis.zscore(opened.store.keys.runs, "long-gone") is None
