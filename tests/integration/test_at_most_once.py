"""Calls that can be neither found nor repeated go out once, also when a worker ends in the middle: counted at the API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from at_work import at_work
from conftest import Opened
from emulated import Emulated, emulating
from stage import claimed, ended, eventually, expired, planned, working

from reactor.operator.runs import retry_run
from reactor.store.ledger import Ending, Row
from reactor.store.plans import NewRow

FORK = """
arazzo: 1.0.1
info: {title: Fork a sandbox, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: daytona.yaml, type: openapi}]
workflows:
- workflowId: fork
  steps:
  - stepId: fork
    operationId: forkSandbox
    parameters: [{name: sandboxIdOrName, in: path, value: parent}]
    requestBody: {contentType: application/json, payload: {}}
    successCriteria: [{condition: $statusCode == 200}]
    onFailure: [{name: again, type: retry, retryAfter: 0.01, retryLimit: 5}]
"""

FORKING = {"operation": "forkSandbox", "if_exists": "fail", "parameters": {"sandboxIdOrName": "parent"}}


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulated]:
    """An emulator with a sandbox that can be forked."""
    async with emulating() as emulated:
        monkeypatch.setenv("DAYTONA_API_URL", f"{str(emulated.http.base_url).rstrip('/')}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", "dtn_emulator")
        await emulated.ask("POST", "/api/sandbox", {"name": "parent"})
        yield emulated


async def fork_planned(opened: Opened, **more: Any) -> None:
    what = {**FORKING, "body": {"name": "child"}}
    await planned(opened, NewRow("row1", "a-rule", "call", "daytona", what, "forkSandbox", **more))


async def forks(emulator: Emulated) -> int:
    return (await emulator.calls()).get("forkSandbox", 0)


async def stored(opened: Opened) -> Row:
    row = await opened.store.ledger.get("row1")
    assert row is not None
    return row


@pytest.mark.parametrize("retry", [{}, {"attempts": 1}], ids=["with attempts left", "at its last attempt"])
async def test_a_call_whose_worker_ended_with_it_is_not_made_again(
    opened: Opened, emulator: Emulated, retry: dict[str, int]
) -> None:
    await fork_planned(opened, retry=retry)
    assert await opened.store.ledger.note_asked(await claimed(opened))

    async with working(opened):
        row = await ended(opened)

    assert row.state == "unknown"
    assert row.error is not None
    assert "forkSandbox went out at" in row.error
    assert await forks(emulator) == 0


async def test_a_person_permits_the_call_once_more(opened: Opened, emulator: Emulated) -> None:
    await fork_planned(opened)
    await opened.store.ledger.note_asked(await claimed(opened))
    async with working(opened):
        unknown = await ended(opened)

        assert await opened.store.jobs.redrive(unknown, "somebody") == "due"
        row = await ended(opened)

    assert (row.state, row.asked_at) == ("done", None)
    assert await forks(emulator) == 1


async def test_a_call_that_the_api_refused_before_it_acted_is_made_again(
    opened: Opened, emulator: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.apis.client.REFUSED_KEY_PAUSE", 0.1)
    monkeypatch.setattr("reactor.apis.policy.REFUSED_KEY_PAUSE", 0.1)
    monkeypatch.setenv("DAYTONA_API_KEY", "dtn_expired")
    await fork_planned(opened)
    async with working(opened):
        await eventually(lambda: was_refused(opened))

        monkeypatch.setenv("DAYTONA_API_KEY", "dtn_emulator")
        row = await ended(opened)

    assert (row.state, row.asked_at) == ("done", None)


async def was_refused(opened: Opened) -> bool:
    row = await stored(opened)
    return row.state == "due" and "401" in (row.error or "")


async def test_only_the_end_of_the_attempt_that_made_the_call_takes_its_note_away(opened: Opened) -> None:
    await planned(opened)
    assert await opened.store.ledger.note_asked(await claimed(opened))
    noted = (await stored(opened)).asked_at

    assert await opened.store.ledger.finish(await expired(opened), Ending("due"))
    assert noted is not None
    assert (await stored(opened)).asked_at == noted

    again = await expired(opened)
    assert await opened.store.ledger.note_asked(again)
    assert await opened.store.ledger.finish(again, Ending("due"))
    assert (await stored(opened)).asked_at is None


async def test_who_has_lost_the_lease_does_not_note_a_call(opened: Opened) -> None:
    await planned(opened)
    paused = await claimed(opened)
    await expired(opened)

    assert not await opened.store.ledger.note_asked(paused)
    assert (await stored(opened)).asked_at is None


async def test_a_run_whose_call_may_have_acted_ends_until_a_person_permits_it_once_more(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, lost_reply=1, operations=["forkSandbox"]) as reactor:
        await reactor.emulator.ask("POST", "/api/sandbox", {"name": "parent"})
        await reactor.runner.start("run-1", FORK.encode(), "fork", {})
        run = await reactor.ended()

        assert run.status == "failed"
        assert "`reactor runs retry run-1` makes the call again" in run.because
        assert await reactor.count("forkSandbox") == 1

        await reactor.emulator.faults(drop=0)
        await retry_run(opened.store, reactor.runner, "run-1", "somebody")
        assert (await reactor.ended()).status == "succeeded"
        assert await reactor.count("forkSandbox") == 2
