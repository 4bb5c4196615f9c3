"""Many runs at once: they wait in one process, a burst of events wakes them all, and racing ends them once."""

from typing import Any

import orjson
import pytest
from at_work import AtWork, at_work
from conftest import ORGANIZATION, Opened
from stage import eventually

from reactor.events import Event

CROWD = 200
UNSEEN = 2.0
"""Seconds that a volume takes to show each of its two states; no event tells of them."""


async def test_two_hundred_runs_wait_and_a_burst_of_events_wakes_them_all(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, connections=CROWD, drop=1, event_before_commit=UNSEEN) as reactor:
        for number in range(CROWD):
            await reactor.provision(f"run-{number}")
        await eventually(lambda: all_wait(reactor))
        ready = await eventually(lambda: all_ready(reactor))

        await reactor.emulator.faults()
        for number, payload in enumerate(ready):
            body = orjson.dumps(payload)
            event = Event.from_payload(id=f"msg_{number}", source="daytona", organization=ORGANIZATION, body=body)
            await opened.store.log.append(event, body)
        runs = [await reactor.ended(f"run-{number}") for number in range(CROWD)]

        assert {run.status for run in runs} == {"succeeded"}
        assert len(await reactor.made("sandboxes")) == CROWD
        assert await reactor.count("getVolume") <= 2 * CROWD


async def all_wait(reactor: AtWork) -> bool:
    redis, keys = reactor.opened.store.redis, reactor.opened.store.keys
    return len([key async for key in redis.scan_iter(keys.waits("daytona", "volume", "*"), count=1000)]) == CROWD


async def all_ready(reactor: AtWork) -> list[dict[str, Any]]:
    """What the provider had to say of the volumes when all of them are ready."""
    ready = [volume for volume in await reactor.made("volumes") if volume["state"] == "ready"]
    said = await reactor.emulator.events("volume.state.updated")
    return [payload for payload in said if payload["newState"] == "ready"] if len(ready) == CROWD else []


async def test_events_and_probes_that_race_end_each_run_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, probe=0.01, time_scale=0.2, duplicate=1, twin=1) as reactor:
        for number in range(20):
            await reactor.provision(f"run-{number}")
        runs = [await reactor.ended(f"run-{number}") for number in range(20)]

        assert {run.status for run in runs} == {"succeeded"}
        assert len(await reactor.made("volumes")) == len(await reactor.made("sandboxes")) == 20
        assert await reactor.count("createSandbox") == 20
