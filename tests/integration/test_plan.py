"""A plan stands once per event, and its rows with it."""

import asyncio
from typing import Any

import pytest
from conftest import Opened
from redis import Redis
from stage import claimed, eventually, new_row, planned

from reactor.store.ledger import Row
from reactor.store.plans import Decided, NewRow, Plan

pytestmark = pytest.mark.every_server

ENTRY = "1795307400000-0"


def plan(*rows: NewRow, revision: str = "first", faults: tuple[str, ...] = ()) -> Plan:
    return Plan(ENTRY, "msg_1", revision, (Decided("a-rule", "planned", rows),), faults)


async def test_a_plan_is_stored_with_its_rows(opened: Opened) -> None:
    stored = await opened.store.plans.keep([plan(new_row("row1", size=1), faults=("a-rule action 2: absent",))])

    assert [plan.first for plan in stored] == [True]
    assert await opened.store.plans.get(ENTRY) == {
        "revision": "first",
        "rows": [["row1", "a-rule", "call"]],
        "faults": ["a-rule action 2: absent"],
        "rules": [{"rule": "a-rule", "outcome": "planned", "findings": []}],
    }
    [row] = await opened.store.plans.rows_of(ENTRY)
    assert (row.state, row.event, row.what, row.attempts, row.fence) == ("due", "msg_1", {"size": 1}, 0, 0)


async def test_a_second_plan_changes_nothing(opened: Opened) -> None:
    await opened.store.plans.keep([plan(new_row("row1"))])

    stored = await opened.store.plans.keep([plan(new_row("row2"), revision="second")])

    assert [plan.first for plan in stored] == [False]
    assert [row.id for row in await opened.store.plans.rows_of(ENTRY)] == ["row1"]
    assert await opened.store.ledger.get("row2") is None


async def test_of_many_who_plan_an_event_at_once_one_succeeds(opened: Opened) -> None:
    rivals = [plan(new_row(f"row{number}")) for number in range(20)]

    stored = await asyncio.gather(*(opened.store.plans.keep([rival]) for rival in rivals))

    assert [result.first for [result] in stored].count(True) == 1
    assert len(await opened.store.plans.rows_of(ENTRY)) == 1
    assert await opened.store.due.length() == 1


async def test_a_row_that_is_planned_again_is_not_begun_anew(opened: Opened) -> None:
    await planned(opened)
    await claimed(opened)

    await planned(opened, entry="1795307400000-1")

    row = await opened.store.ledger.get("row1")
    assert isinstance(row, Row)
    assert (row.state, row.attempts) == ("running", 1)


async def test_a_row_nobody_enqueued_is_due_for_the_sweeper(opened: Opened) -> None:
    await planned(opened)

    assert await opened.store.due.sweep(opened.queue.key) == []
    swept = await eventually(lambda: opened.store.due.sweep(opened.queue.key))

    assert [(row.row, row.number) for row in swept] == [("row1", 1)]


async def test_a_plan_without_rows_is_a_plan(opened: Opened, redis: Redis) -> None:
    [stored] = await opened.store.plans.keep([plan()])

    assert stored.first

    keys: Any = redis.keys("reactor:*")
    assert {key.decode() for key in keys} == {f"reactor:event:{ENTRY}", "reactor:log", "reactor:schema"}
