"""How a run moves: one happening takes it from a generation to the next, and only news lets a wait end."""

import asyncio
import time

import pytest
from at_work import VOLUME_AND_SANDBOX
from conftest import CONFIG, Opened
from redis import Redis
from stage import ended, logged, volume, working

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.reload import Live
from reactor.runs.needs import row_id
from reactor.runs.runner import Runner, Stage
from reactor.workflows.run import Happened, Observed, Replied, TimedOut

ROUNDS = 40


async def staged(runner: Runner, run_id: str, generation: int) -> Stage:
    stage = await runner.stage(run_id, generation)
    assert stage is not None
    return stage


async def waiting(runner: Runner, run_id: str) -> int:
    """A run that waits for its volume; returns its generation."""
    given = {"volumeName": run_id, "snapshot": "base", "mountPath": "/data"}
    assert await runner.start(run_id, VOLUME_AND_SANDBOX, "provision-volume-and-sandbox", given)
    volume = {"id": f"vol-{run_id}", "name": run_id, "state": "creating"}
    for generation in (1, 2):
        reply = Replied(time.time(), 200, {}, volume)
        assert await runner.advance(await staged(runner, run_id, generation), reply)
    return 3


def happenings(run_id: str) -> list[Happened]:
    now = time.time()
    ready = {"id": f"vol-{run_id}", "name": run_id, "state": "ready"}
    return [Observed(now, state="ready"), Observed(now, state="error"), Replied(now, 200, {}, ready), TimedOut(now)]


async def test_event_probe_and_deadline_that_race_give_one_outcome(opened: Opened, redis: Redis) -> None:
    runner = Runner(load_config(CONFIG), opened.store, opened.queue, probe=600.0)
    for number in range(ROUNDS):
        run_id = f"run-{number}"
        generation = await waiting(runner, run_id)
        stages = [await staged(runner, run_id, generation) for _ in happenings(run_id)]

        races = (runner.advance(stage, each) for stage, each in zip(stages, happenings(run_id), strict=True))
        outcomes = [run for run in await asyncio.gather(*races) if run]

        [moved] = outcomes
        stored = await opened.store.runs.get(run_id)
        assert stored is not None
        assert (stored.generation, stored.status) == (moved.generation, moved.status) == (4, moved.status)
        assert await runner.stage(run_id, generation) is None


async def test_a_run_is_started_once_whoever_asks(opened: Opened, redis: Redis) -> None:
    runner = Runner(load_config(CONFIG), opened.store, opened.queue, probe=600.0)
    given = {"volumeName": "data", "snapshot": "base", "mountPath": "/data"}

    begun = await asyncio.gather(
        *(runner.start("run-1", VOLUME_AND_SANDBOX, "provision-volume-and-sandbox", given) for _ in range(20))
    )

    assert sorted(begun) == [False] * 19 + [True]
    assert len(list(redis.scan_iter("reactor:row:*"))) == await opened.queue.length() == 1


@pytest.mark.parametrize(("minutes_ago", "states"), [(60, ["due", "waiting"]), (0, ["due", "due"])])
async def test_what_was_heard_long_before_a_read_that_shows_otherwise_is_no_news(
    opened: Opened, minutes_ago: int, states: list[str]
) -> None:
    config = load_config(CONFIG)
    heard = volume("ready", id="vol-run-1", name="run-1", ago=minutes_ago * 60_000)
    await Dispatcher(opened.store, opened.queue, Live(config), takeover=1.0).react(await logged(opened, heard))

    generation = await waiting(Runner(config, opened.store, opened.queue, probe=600.0), "run-1")

    rows = [await opened.store.ledger.get(row_id("run-1", each)) for each in (generation - 1, generation)]
    assert [row.state for row in rows if row] == states


async def test_a_run_whose_move_is_dead_has_failed(opened: Opened, redis: Redis) -> None:
    runner = Runner(load_config(CONFIG), opened.store, opened.queue, probe=600.0)
    given = {"volumeName": "data", "snapshot": "base", "mountPath": "/data"}
    await runner.start("run-1", VOLUME_AND_SANDBOX, "provision-volume-and-sandbox", given)
    redis.delete(*redis.scan_iter("reactor:document:*"))

    async with working(opened, opened.settings.model_copy(update={"attempts": 1})):
        row = await ended(opened, row_id("run-1", 1))

    stored = await opened.store.runs.get("run-1")
    assert (row.state, stored and stored.status) == ("dead", "failed")
    assert stored is not None
    assert stored.because == "after 1 attempts: configuration: the document of run run-1 is gone"
    assert redis.ttl("reactor:run:run-1") > 0
