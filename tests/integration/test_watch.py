"""The watcher: what nobody sends webhooks about is long-polled, once per resource, and each answer is an event."""

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from at_work import AtWork, at_work
from conftest import CONFIG, Opened
from reconciling import prompt, reconciling
from stage import claimed, event, eventually
from test_runs_store import fields

from reactor.config import load_config
from reactor.emulator import EmulatorSettings
from reactor.runs.watching import standing_watch
from reactor.store.runs import NextRow
from reactor.store.waits import Awaited, News
from reactor.store.watches import Wanted, WatchSpec

RUNLOOP_KEY = EmulatorSettings().runloop_api_key

WAITING = """
arazzo: 1.0.1
info: {title: Wait for a devbox, version: 1.0.0}
sourceDescriptions: [{name: devboxes, url: ../openapi/runloop-devbox-api-openapi.yml, type: openapi}]
workflows:
- workflowId: wait
  inputs: {type: object, properties: {devboxId: {type: string}}}
  steps:
  - stepId: %s
    operationId: %s
    parameters: [{name: id, in: path, value: $inputs.devboxId}]
    %s
    successCriteria: [{condition: $statusCode == 200}]
    onSuccess:
    - {name: there, type: end, criteria: [{condition: $response.body#/status == "%s"}]}
    - {name: notYet, type: goto, stepId: %s, criteria: [{condition: $response.body#/status != "%s"}]}
    outputs: {name: $response.body#/name}
"""


def held(state: str) -> bytes:
    """A workflow that waits by a call that the server holds."""
    body = f"requestBody: {{contentType: application/json, payload: {{statuses: [{state}], timeout_seconds: 30}}}}"
    return (WAITING % ("hold", "waitForDevboxStatus", body, state, "hold", state)).encode()


def polled(state: str) -> bytes:
    """A workflow that waits by reading again and again."""
    return (WAITING % ("read", "getDevbox", "", state, "read", state)).encode()


async def begun(reactor: AtWork, document: bytes, devbox: dict[str, Any], run_id: str) -> None:
    await reactor.runner.start(run_id, document, "wait", {"devboxId": devbox["id"]})


async def booting(reactor: AtWork, name: str = "box") -> dict[str, Any]:
    headers = {"authorization": f"Bearer {RUNLOOP_KEY}"}
    answer = await reactor.emulator.http.post("/runloop/v1/devboxes", json={"name": name}, headers=headers)
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


async def told(opened: Opened) -> list[tuple[str, str, Any]]:
    entries = await opened.store.log.entries()
    return [(each.origin, each.source, orjson.loads(each.body)["newState"]) for each in entries]


async def test_many_runs_that_wait_for_one_devbox_hold_one_poll(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=2.0, time_scale=0.1) as reactor:
        devbox = await booting(reactor)
        for number in range(20):
            await begun(reactor, held("running"), devbox, f"run-{number}")
        runs = [await reactor.ended(f"run-{number}", 20) for number in range(20)]

        assert {run.status for run in runs} == {"succeeded"}
        assert await reactor.count("runloop.waitForDevboxStatus") == 1
        assert await told(opened) == [("watch", "runloop", "running")]
        assert await opened.store.resources.state("runloop", "devbox", devbox["id"]) == "running"
        assert await opened.store.redis.exists(opened.store.keys.watches) == 0


async def test_a_run_that_reads_again_and_again_is_woken_by_a_poll(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=2.0, time_scale=0.1) as reactor:
        devbox = await booting(reactor)
        await begun(reactor, polled("running"), devbox, "run-1")
        run = await reactor.ended("run-1", 20)

        assert run.status == "succeeded"
        assert await reactor.count("runloop.getDevbox") <= 2
        assert await reactor.count("runloop.waitForDevboxStatus") == 1


async def test_waits_for_different_states_of_one_devbox_are_one_poll_for_all(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=1.0, time_scale=0.1) as reactor:
        devbox = await booting(reactor)
        await begun(reactor, held("suspended"), devbox, "sleeper")
        await eventually(lambda: polls(reactor, 1))
        await begun(reactor, held("running"), devbox, "runner")

        assert (await reactor.ended("runner", 20)).status == "succeeded"
        assert (await reactor.stored("sleeper")).status == "running"
        await reactor.emulator.http.post(
            f"/runloop/v1/devboxes/{devbox['id']}/suspend", headers={"authorization": f"Bearer {RUNLOOP_KEY}"}
        )
        assert (await reactor.ended("sleeper", 20)).status == "succeeded"
        assert [state for *_, state in await told(opened)] == ["running", "suspended"]


async def polls(reactor: AtWork, count: int) -> bool:
    under_way = await reactor.emulator.ask("GET", "/emulator/calls")
    return len([call for call in under_way["log"] if call["operation"] == "runloop.waitForDevboxStatus"]) >= count


async def test_a_devbox_that_is_gone_ends_its_waits(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await begun(reactor, held("running"), {"id": "dbx_none"}, "run-1")
        run = await reactor.ended("run-1", 20)

        assert run.status == "failed"
        assert "404" in run.because


async def test_hundreds_of_polls_take_no_place_of_a_job(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that performs two jobs at once holds two hundred polls, and does other work meanwhile."""
    narrow = Opened(opened.settings.model_copy(update={"concurrency": 2}), opened.store, opened.queue)
    async with at_work(narrow, monkeypatch, devbox_boot=6.0, time_scale=1.0, warm_pool=True) as reactor:
        devboxes = await asyncio.gather(*(booting(reactor, f"box-{number}") for number in range(200)))
        for number, devbox in enumerate(devboxes):
            await begun(reactor, held("running"), devbox, f"run-{number}")
        began = time.monotonic()
        await reactor.provision("quick")
        quick = await reactor.ended("quick", 30)
        took = time.monotonic() - began
        runs = [await reactor.ended(f"run-{number}", 60) for number in range(200)]

        assert quick.status == "succeeded"
        assert {run.status for run in runs} == {"succeeded"}
        assert took < 30
        assert await reactor.count("runloop.waitForDevboxStatus") <= 210


async def test_a_watch_for_its_own_sake_tells_every_state_until_one_rests(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=0.5, time_scale=0.2) as reactor:
        devbox = await booting(reactor)
        spec = standing(devbox["id"])
        assert await opened.store.watches.stand([spec, spec]) == [True, False]

        await eventually(lambda: over(opened), 20)

        states = [state for *_, state in await told(opened)]
        assert states[-1] == "running"
        assert set(states) <= {"queued", "provisioning", "initializing", "running"}
        assert len(states) == len(set(states)) >= 3


async def test_a_watch_for_its_own_sake_is_over_though_what_it_waits_for_was_told_before(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its holder died between telling that a devbox runs and letting the watch go."""
    async with at_work(opened, monkeypatch) as reactor:
        devbox = await booting(reactor)
        spec = standing(devbox["id"])
        await opened.store.watches.stand([spec])
        await eventually(lambda: over(opened), 20)
        await eventually(lambda: runs(opened, devbox["id"]))

        await opened.store.watches.stand([spec])

        await eventually(lambda: over(opened), 20)
        assert [state for *_, state in await told(opened)].count("running") == 1


async def runs(opened: Opened, devbox_id: str) -> bool:
    """Whether the state table says so."""
    [known] = await opened.store.resources.known("runloop", "devbox", [devbox_id])
    return known.state == "running"


def standing(devbox_id: str) -> WatchSpec:
    spec = standing_watch(load_config(CONFIG).apis["runloop"], "devbox", devbox_id)
    assert spec is not None
    return spec


async def over(opened: Opened) -> bool:
    return not await opened.store.redis.exists(opened.store.keys.watches)


async def test_a_watch_whose_holder_is_gone_is_taken_by_another(opened: Opened) -> None:
    spec = WatchSpec("runloop", "waitForDevboxStatus", "devbox", "d-1", {"id": "d-1"}, {})
    await opened.store.watches.stand([spec])

    assert await opened.store.watches.take("first", 10) == [spec.id]
    assert await opened.store.watches.take("second", 10) == []
    assert await opened.store.watches.prolong([spec.id], "first") == [True]
    assert await eventually(lambda: opened.store.watches.take("second", 10)) == [spec.id]
    assert await opened.store.watches.prolong([spec.id], "first") == [False]
    assert await opened.store.watches.held(spec.id, "first") is None


async def test_what_a_poll_was_answered_is_in_the_log_and_told_to_who_waits_in_one_step(opened: Opened) -> None:
    """So that the event wakes nobody who would have to read what was answered already."""
    spec = WatchSpec("runloop", "waitForDevboxStatus", "devbox", "d-1", {"id": "d-1"}, {})
    row = NextRow("row1", 1, "runloop", spec.operation, 600.0, watched=Wanted(spec, ("running",)))
    wait = Awaited("runloop", "devbox", "d-1", 0, 0.0)
    await opened.store.runs.advance("run-1", None, fields(), row, wait)
    payload = {"event": "devbox.state.updated", "id": "d-1", "newState": "running"}
    shown, _ = event(payload, "shown", "runloop")
    events = [opened.store.log.with_others(replace(shown, origin="watch"))]

    rows = [await opened.store.watches.tell(spec.id, "running", {"status": 200}, events) for _ in range(2)]

    assert rows == [["row1"], []]
    assert await told(opened) == [("watch", "runloop", "running")]
    [entry] = await opened.store.log.entries()
    assert entry.event().data == payload
    assert await opened.store.logged.deliveries(entry) == 2
    news = News("runloop", "devbox", "d-1", None, "devbox.state.updated", entry.entry)
    assert await opened.store.waits.wake([news]) == []
    assert (await claimed(opened)).saw == {"status": 200}


RULES = """
rules:
  - name: box-is-up
    on: devbox.state.updated
    match: {newState: running}
    do:
      - call: daytona.createVolume
        body: {name: "for-${event.id}"}
"""


async def test_a_rule_on_devboxes_fires_for_one_that_the_listing_shows_on_its_way(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "rules" / "devboxes.yaml").write_text(RULES)
    async with at_work(opened, monkeypatch, tmp_path / "config", devbox_boot=1.0, time_scale=0.1) as reactor:
        async with reconciling(opened, prompt(load_config(tmp_path / "config"))) as reconciler:
            devbox = await booting(reactor)
            assert (await reconciler.reconcile("runloop")) is not None

        await eventually(lambda: named(reactor, f"for-{devbox['id']}"), 20)
        assert await reactor.count("createVolume") == 1


async def named(reactor: AtWork, name: str) -> bool:
    return name in {volume["name"] for volume in await reactor.made("volumes")}
