"""Many runs that wait for one resource: one of them looks, and what it sees is known to all."""

import re
import time
from dataclasses import replace

import pytest
from at_work import at_work
from conftest import Opened
from stage import eventually
from test_runs_store import fields

from reactor.metrics import render_metrics
from reactor.store.runs import NextRow
from reactor.store.waits import Awaited, Shown

CROWD = 20
PROBE = 1.0
UNSEEN = 1.5
"""Seconds that the volume takes to show each of its two states; no event tells of them."""

WAIT = """
arazzo: 1.0.1
info: {title: Wait for a volume, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: daytona.yaml, type: openapi}]
workflows:
- workflowId: wait
  inputs: {properties: {volumeId: {type: string}}}
  steps:
  - stepId: ready
    operationId: getVolume
    parameters: [{name: volumeId, in: path, value: $inputs.volumeId}]
    successCriteria: [{condition: $response.body#/state == 'ready'}]
    onFailure: [{name: again, type: retry, retryAfter: 0.1, retryLimit: 6000}]
    outputs: {name: $response.body#/name}
"""


async def figure(opened: Opened, name: str) -> float:
    text = (await render_metrics(opened.store, opened.queue)).decode()
    found = re.search(rf"^{re.escape(name)} (.*)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


async def all_wait(opened: Opened) -> bool:
    return await figure(opened, 'reactor_runs{status="waiting"}') == CROWD


async def test_runs_that_wait_for_one_volume_look_one_at_a_time_and_all_know_what_one_saw(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, probe=PROBE, drop=1, event_before_commit=UNSEEN) as reactor:
        began = time.monotonic()
        volume = await reactor.emulator.ask("POST", "/api/volumes", {"name": "data"})
        for number in range(CROWD):
            await reactor.runner.start(f"run-{number}", WAIT.encode(), "wait", {"volumeId": volume["id"]})
        await eventually(lambda: all_wait(opened))
        runs = [await reactor.ended(f"run-{number}", within=20) for number in range(CROWD)]
        probes = (time.monotonic() - began) / PROBE

        assert {run.status for run in runs} == {"succeeded"}
        assert await reactor.count("getVolume") <= 2 * CROWD + probes, "first and last reads, and one probe an interval"
        assert await figure(opened, 'reactor_run_reads_total{why="first"}') == CROWD
        assert await figure(opened, 'reactor_run_reads_total{why="probe"}') <= probes
        assert await figure(opened, "reactor_run_reads_saved_total") > CROWD
        assert await figure(opened, 'reactor_runs{status="waiting"}') == 0
        assert await figure(opened, 'reactor_runs_ended_total{status="succeeded"}') == CROWD


def awaited(*, probe: float = 0.0, deadline: float = 0.0) -> Awaited:
    return Awaited("daytona", "volume", "vol-1", 0, 0.0, knows="creating", probe=probe, deadline=deadline)


async def waits(opened: Opened, row: str, wait: Awaited, delay: float = 0.01) -> None:
    await opened.store.runs.advance(f"run-{row}", None, fields(), NextRow(row, 1, "", "", delay), wait)


async def swept(opened: Opened) -> set[str]:
    return {each.row for each in await opened.store.due.sweep(opened.queue.key)}


async def given_out(opened: Opened, row: str) -> bool:
    return row in await swept(opened)


async def test_of_two_that_wait_one_looks_and_the_other_does_when_its_turn_has_come(opened: Opened) -> None:
    shared = awaited(probe=0.5, deadline=time.time() + 600)
    await waits(opened, "row1", shared)
    await waits(opened, "row2", shared)

    [first] = await eventually(lambda: swept(opened))
    [other] = {"row1", "row2"} - {first}

    began = time.monotonic()
    await eventually(lambda: given_out(opened, other))
    assert time.monotonic() - began >= 0.3


async def test_a_deadline_comes_whoever_looks(opened: Opened) -> None:
    await waits(opened, "row1", awaited(probe=600.0, deadline=time.time() + 600))
    await waits(opened, "row2", awaited(probe=600.0, deadline=time.time() + 0.5))
    assert await eventually(lambda: swept(opened)) == {"row1"}

    assert await eventually(lambda: given_out(opened, "row2"))


async def test_what_a_read_showed_wakes_those_that_know_of_another_state(opened: Opened) -> None:
    for id, knows in (("row1", "creating"), ("row2", "ready")):
        await waits(opened, id, replace(awaited(), knows=knows), 600.0)

    woken = await opened.store.waits.share(Shown("daytona", "volume", "vol-1", None, "ready", time.time()))

    row = await opened.store.ledger.get("row1")
    assert woken == ["row1"]
    assert row is not None
    assert row.saw is not None
    assert (row.saw["state"], row.saw["seq"]) == ("ready", 0)


async def test_what_a_read_showed_before_a_wait_counts_is_no_evidence(opened: Opened) -> None:
    await waits(opened, "row1", replace(awaited(), after=time.time() + 60), 600.0)

    assert await opened.store.waits.share(Shown("daytona", "volume", "vol-1", None, "ready", time.time())) == []
