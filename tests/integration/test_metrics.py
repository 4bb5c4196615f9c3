"""What `/metrics` says, from a server in every state, and that saying it changes no key."""

import re

from conftest import Opened
from redis import Redis
from stage import append, claimed, new_row, now_ms, planned, volume
from test_queue import keyspace

from reactor.metrics import render_metrics, render_process_metrics
from reactor.queue import Ticket
from reactor.store.brakes import Scope
from reactor.store.ledger import Ending

NAMES = {
    "reactor_attempts_total",
    "reactor_dead_rows",
    "reactor_due_rows",
    "reactor_event_done_seconds_bucket",
    "reactor_event_done_seconds_count",
    "reactor_event_done_seconds_sum",
    "reactor_events_set_aside",
    "reactor_failed_forgotten_total",
    "reactor_jobs_planned_total",
    "reactor_log_events",
    "reactor_oldest_due_seconds",
    "reactor_oldest_unacknowledged_event_seconds",
    "reactor_queue_jobs",
    "reactor_queue_length",
    "reactor_queue_workers",
    "reactor_run_reads_saved_total",
    "reactor_run_reads_total",
    "reactor_run_wake_to_call_seconds_bucket",
    "reactor_run_wake_to_call_seconds_count",
    "reactor_run_wake_to_call_seconds_sum",
    "reactor_runs",
    "reactor_runs_ended_total",
    "reactor_unknown_rows",
    "reactor_watches",
    "reactor_redis_memory_ratio",
}


async def figures(opened: Opened) -> dict[str, float]:
    text = (await render_metrics(opened.store, opened.queue)).decode()
    return {name: float(value) for name, value in re.findall(r"^(reactor_\S+) (\S+)$", text, re.MULTILINE)}


async def test_every_figure_has_its_name_from_the_start(opened: Opened) -> None:
    found = await figures(opened)

    assert {name.partition("{")[0] for name in found if "deliveries" not in name} == NAMES
    assert {value for name, value in found.items() if "deliveries" not in name} == {0}


async def test_figures_follow_what_happens(opened: Opened) -> None:
    await append(opened, volume("ready"))
    await planned(opened, *(new_row(f"row{number}") for number in range(4)), entry=f"{now_ms() - 700}-0")
    await opened.queue.enqueue([Ticket("row3")])
    for row, state in (("row0", "done"), ("row1", "dead"), ("row2", "unknown")):
        await opened.store.ledger.finish(await claimed(opened, row), Ending(state))  # type: ignore[arg-type]

    found = await figures(opened)

    assert found["reactor_log_events"] == 1
    assert found["reactor_jobs_planned_total"] == 4
    assert found["reactor_due_rows"] == found["reactor_queue_jobs"] == 1
    assert found["reactor_dead_rows"] == found["reactor_unknown_rows"] == 1
    assert [found[f'reactor_attempts_total{{outcome="{outcome}"}}'] for outcome in ("done", "dead", "retried")] == [
        1,
        1,
        0,
    ]
    assert found['reactor_event_done_seconds_bucket{le="0.5"}'] == 0
    assert found['reactor_event_done_seconds_bucket{le="5.0"}'] == found["reactor_event_done_seconds_count"] == 1
    assert 0.7 <= found["reactor_event_done_seconds_sum"] < 5


async def test_an_event_nobody_has_decided_on_grows_old(opened: Opened, redis: Redis) -> None:
    redis.xadd(opened.store.keys.log, {"source": "daytona"}, id=f"{now_ms() - 60_000}-0")

    unread = (await figures(opened))["reactor_oldest_unacknowledged_event_seconds"]
    [entry] = await opened.store.log.read("reader", block=0.1)
    unacknowledged = (await figures(opened))["reactor_oldest_unacknowledged_event_seconds"]
    await opened.store.log.acknowledge([entry.entry])

    assert 60 <= unread <= unacknowledged < 70
    assert (await figures(opened))["reactor_oldest_unacknowledged_event_seconds"] == 0


async def test_a_row_that_is_late_shows(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    redis.zadd(opened.store.keys.due, {"row1": now_ms() - 30_000})

    assert 30 <= (await figures(opened))["reactor_oldest_due_seconds"] < 40


async def test_asking_changes_no_key(opened: Opened, redis: Redis) -> None:
    await append(opened, volume("ready"))
    await planned(opened)
    before = keyspace(redis)

    await render_metrics(opened.store, opened.queue)

    assert keyspace(redis) == before


def test_a_process_has_figures_without_redis() -> None:
    assert b"reactor_deliveries" in render_process_metrics()


async def test_the_brakes_show(opened: Opened) -> None:
    await planned(opened)
    await opened.store.brakes.pause(Scope("api", "daytona"), by="kim", reason="")
    await opened.store.ledger.claim(["row1"], "worker")
    for _ in range(3):
        await opened.store.brakes.spend("runloop", 2)

    found = await figures(opened)

    assert found['reactor_paused{scope="api:daytona"}'] == found['reactor_held_rows{scope="api:daytona"}'] == 1
    assert (found['reactor_creates_total{api="runloop"}'], found['reactor_creates_refused_total{api="runloop"}']) == (
        2,
        1,
    )
