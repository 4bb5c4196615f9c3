"""A list of actions is done in its order: each sees what those before it came to, and none acts when one of them failed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from commands import Commands
from conftest import Opened
from desk import Desk, desk
from stage import claimed, context_of, ended, eventually, refusal, volume, working

from reactor.apis.client import ApiClient
from reactor.emulator import EmulatorSettings, running
from reactor.store.ledger import Ending, Row, State
from reactor.worker import attempt

THREE = """rules:
  - name: r
    on: volume.state.updated
    match: {newState: error}
    do:
      - call: daytona.createVolume
        as: again
        body: {name: "again-${event.name}"}
      - call: daytona.getVolume
        as: seen
        parameters: {volumeId: "${again.id}"}
      - call: daytona.createSandbox
        as: box
        body:
          name: "box-of-${seen.data.name}"
          snapshot: base
          volumes: [{volumeId: "${again.id}", mountPath: "/${event.data.where}"}]
          labels: {said: "${event.data.said}", how: "${again.how}"}
"""


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(EmulatorSettings(time_scale=0.01)) as url:
        monkeypatch.setenv("DAYTONA_API_URL", f"{url}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        headers = {"authorization": f"Bearer {EmulatorSettings().api_key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as http:
            yield http


async def made(emulator: httpx2.AsyncClient, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await emulator.get("/emulator/state")).json()[kind]
    return found


@pytest.fixture
def at(opened: Opened, tmp_path: Path, emulator: httpx2.AsyncClient) -> Desk:
    return desk(opened, tmp_path, rule=THREE)


async def planned(at: Desk, **others: Any) -> list[Row]:
    """The rows of the rule for one event, in their order."""
    await at.tell(volume("error", where="data", said="hello", **others))
    return await at.opened.store.plans.rows_of(at.told[-1])


async def test_the_first_row_is_due_and_the_others_wait(at: Desk) -> None:
    first, second, third = await planned(at)

    assert [row.state for row in (first, second, third)] == ["due", "waiting", "waiting"]
    assert (first.next, second.next, third.next) == (second.id, third.id, None)
    assert await refusal(at.opened, second.id) == "finished"
    assert [job.ticket.row for job in await at.opened.queue.pop("w", 10) if job.ticket] == [first.id]


async def test_each_action_sees_what_those_before_it_came_to(at: Desk, emulator: httpx2.AsyncClient) -> None:
    async with working(at.opened):
        last = (await planned(at, name="build-1"))[-1]
        row = await ended(at.opened, last.id)

    assert row.state == "done", row.error
    [sandbox] = await made(emulator, "sandboxes")
    [made_volume] = await made(emulator, "volumes")
    assert sandbox["name"] == "box-of-again-build-1"
    assert sandbox["volumes"] == [{"volumeId": made_volume["id"], "mountPath": "/data"}]
    assert (sandbox["labels"]["said"], sandbox["labels"]["how"]) == ("hello", "created")


async def test_what_an_event_says_is_never_taken_for_an_expression(at: Desk, emulator: httpx2.AsyncClient) -> None:
    async with working(at.opened):
        await at.tell(volume("error", where="data", said="${again.id} $${event.id}", name="b"))
        row = await ended(at.opened, (await at.opened.store.plans.rows_of(at.told[-1]))[-1].id)

    assert row.state == "done", row.error
    assert (await made(emulator, "sandboxes"))[0]["labels"]["said"] == "${again.id} $${event.id}"


async def test_when_one_action_fails_all_after_it_are_cancelled_and_say_why(at: Desk) -> None:
    first, second, third = await planned(at)

    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending("dead", error="no such plan"))

    for row in (second, third):
        left = await at.opened.store.ledger.get(row.id)
        assert left is not None
        assert (left.state, left.error) == ("cancelled", f"job {first.id}, which came before it, is dead: no such plan")
        assert left.ended
    assert await at.opened.store.due.length() == 0


async def test_a_failed_action_that_is_made_due_again_takes_the_others_along(at: Desk) -> None:
    first, second, third = await planned(at)
    ledger = at.opened.store.ledger
    await ledger.finish(await claimed(at.opened, first.id), Ending("unknown", error="no reply"))
    failed = await ledger.get(first.id)
    assert failed is not None
    await at.opened.store.jobs.redrive(failed, "ops")

    await ledger.finish(await claimed(at.opened, first.id), Ending("done", result={"how": "created"}))
    due = await ledger.get(second.id)
    await ledger.finish(await claimed(at.opened, second.id), Ending("done", result={"how": "called"}))
    last = await ledger.get(third.id)

    assert due is not None
    assert (due.state, due.error, due.ended) == ("due", None, None)
    assert last is not None
    assert last.state == "due"


async def test_who_cancels_an_action_cancels_all_after_it_at_once(at: Desk) -> None:
    first, second, third = await planned(at)
    jobs = at.opened.store.jobs

    assert await jobs.cancel(first, "kim") == "cancelled"

    for row in (second, third):
        left = await at.opened.store.ledger.get(row.id)
        assert left is not None
        assert (left.state, left.error) == (
            "cancelled",
            f"job {first.id}, which came before it, is cancelled: by kim",
        )
    assert await at.opened.store.due.length() == 0


async def test_who_cancels_an_action_in_the_middle_leaves_the_one_before_it(at: Desk) -> None:
    first, second, third = await planned(at)

    assert await at.opened.store.jobs.cancel(second, "kim") == "cancelled"
    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending("done", result={"how": "created"}))

    rows = [await at.opened.store.ledger.get(row.id) for row in (first, second, third)]
    assert [row and row.state for row in rows] == ["done", "cancelled", "cancelled"]


@pytest.mark.parametrize("state", ["dead", "unknown"])
async def test_a_failed_action_that_is_cancelled_leaves_the_reason_of_those_after_it(at: Desk, state: State) -> None:
    first, second, _ = await planned(at)
    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending(state, error="no such plan"))
    failed = await at.opened.store.ledger.get(first.id)
    assert failed is not None

    assert await at.opened.store.jobs.cancel(failed, "kim") == "cancelled"

    left = await at.opened.store.ledger.get(second.id)
    assert left is not None
    assert (left.state, left.error) == (
        "cancelled",
        f"job {first.id}, which came before it, is {state}: no such plan",
    )


async def test_jobs_retry_of_a_failed_action_has_all_after_it_done(at: Desk, emulator: httpx2.AsyncClient) -> None:
    first, second, third = await planned(at, name="build-1")
    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending("dead", error="no such plan"))

    said = Commands(at.opened)("jobs", "retry", first.id)
    async with working(at.opened):
        last = await eventually(lambda: _done(at, third.id))

    assert said.returncode == 0, said.stderr
    rows = [await at.opened.store.ledger.get(row.id) for row in (first, second)]
    assert [(row.state, row.error) for row in rows if row] == [("done", None), ("done", None)]
    assert last.error is None
    [made_sandbox] = await made(emulator, "sandboxes")
    assert made_sandbox["name"] == "box-of-again-build-1"


async def _done(at: Desk, row: str) -> Row | None:
    found = await at.opened.store.ledger.get(row)
    return found if found and found.state == "done" else None


@pytest.mark.parametrize("state", ["done", "cancelled", "dead", "gone"])
async def test_a_row_whose_predecessor_ended_unnoticed_is_found(at: Desk, state: str) -> None:
    first, second, _ = await planned(at)
    redis: Any = at.opened.store.redis
    keys = at.opened.store.keys
    if state == "gone":
        await redis.delete(keys.row(first.id))
    else:
        await redis.hset(keys.row(first.id), "state", state)
    await redis.zadd(keys.due, {second.id: 1})

    await at.opened.store.due.sweep(at.opened.queue.key)

    left = await at.opened.store.ledger.get(second.id)
    assert left is not None
    assert left.state == ("due" if state == "done" else "cancelled")


async def test_a_row_that_waits_for_another_stays_waiting_however_often_it_is_swept(at: Desk) -> None:
    _, second, _ = await planned(at)
    redis: Any = at.opened.store.redis

    for _ in range(3):
        await redis.zadd(at.opened.store.keys.due, {second.id: 1})
        assert second.id not in [one.row for one in await at.opened.store.due.sweep(at.opened.queue.key)]

    left = await at.opened.store.ledger.get(second.id)
    assert left is not None
    assert left.state == "waiting"


async def test_a_worker_that_dies_after_an_action_leaves_the_next_one_due(at: Desk) -> None:
    first, second, _ = await planned(at)
    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending("done", result={"how": "created"}))

    swept = await eventually(lambda: at.opened.store.due.sweep(at.opened.queue.key))

    assert [one.row for one in swept] == [second.id]


async def test_an_action_that_has_no_value_for_a_result_is_dead_and_says_which(at: Desk) -> None:
    first, second, _ = await planned(at)
    await at.opened.store.ledger.finish(await claimed(at.opened, first.id), Ending("done", result={"how": "used"}))

    client = ApiClient(connections=1, private=())
    ending = await attempt(await claimed(at.opened, second.id), context_of(at.opened, client, config=at.config))
    await client.close()

    assert ending.state == "dead"
    assert "${again.id}" in ending.error


async def test_an_event_that_lacks_a_later_argument_starts_nothing(at: Desk) -> None:
    told = await at.tell(volume("error", said="hello"))

    plan = await at.opened.store.plans.get(at.told[-1])
    assert plan is not None
    assert (told["outcome"], plan["rows"]) == ("faulty", [])


async def test_a_rule_may_say_how_often_its_jobs_are_tried(
    opened: Opened, tmp_path: Path, emulator: httpx2.AsyncClient
) -> None:
    at = desk(opened, tmp_path, "retry: {attempts: 2, backoff: 1ms}")
    await emulator.put("/emulator/faults", json={"api_error": 1.0})

    async with working(at.opened):
        await at.error()
        row = await ended(opened, (await at.rows())[0].id)

    assert (row.state, row.attempts) == ("dead", 2)
    assert row.error is not None
    assert row.error.startswith("after 2 attempts")
