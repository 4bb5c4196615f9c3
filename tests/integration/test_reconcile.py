"""The reconciler: what no webhook told is told by it, once; and what was there before it decides nothing."""

import asyncio
import time
from typing import Any

import pytest
from at_work import AtWork, at_work, point_to, repeated
from conftest import CONFIG, Opened
from emulated import Emulated, emulating
from reconciling import again_and_again, reconciling
from redis import Redis
from stage import append, eventually, said, volume
from structlog.testing import capture_logs

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.errors import GateClosed, PermanentError
from reactor.metrics import render_metrics
from reactor.reconcile.comparison import Report, kinds_of
from reactor.reconcile.reconciler import Reconciler
from reactor.reload import Live
from reactor.store.ledger import Row
from reactor.store.reconciles import Mark

THOUSAND = 1000


async def made(emulator: Emulated, *names: str, state: str = "ready") -> list[dict[str, Any]]:
    """Volumes that have come to be in a state."""
    for name in names:
        await emulator.ask("POST", "/api/volumes", {"name": name})

    async def there() -> list[dict[str, Any]]:
        volumes = [each for each in (await emulator.ask("GET", "/emulator/state"))["volumes"] if each["name"] in names]
        return volumes if all(each["state"] == state for each in volumes) else []

    volumes: list[dict[str, Any]] = await eventually(there, 30)
    return volumes


async def reconciled(reconciler: Reconciler, api: str = "daytona") -> Report:
    report = await reconciler.reconcile(api)
    assert report is not None
    return report


async def told(opened: Opened) -> list[tuple[str, bytes]]:
    return [(entry.origin, entry.body) for entry in await opened.store.log.entries()]


async def state(opened: Opened, volume_id: str) -> str | None:
    return await opened.store.resources.state("daytona", "volume", volume_id)


async def rows(opened: Opened) -> list[Row]:
    return [row for entry in await opened.store.log.entries() for row in await opened.store.plans.rows_of(entry.entry)]


async def test_the_first_time_and_after_a_flush_a_thousand_resources_decide_nothing(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        await made(reactor.emulator, *(f"build-{number}" for number in range(THOUSAND)))
        for _ in range(2):
            first, second = await reconciled(reconciler), await reconciled(reconciler)

            assert (first.baseline, first.filled, first.told) == (True, THOUSAND, 0)
            assert (second.baseline, second.filled, second.told) == (False, 0, 0)
            assert (await told(opened), await opened.store.due.length()) == ([], 0)
            redis.flushall()


async def test_a_flush_under_a_reconcile_makes_the_next_one_the_first(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        await made(reactor.emulator, "build-1")
        known = opened.store.reconciles.marks

        async def flushed(api: str) -> Mark:
            mark = (await known())[api]
            redis.flushall()
            return mark

        with monkeypatch.context() as flushing:
            flushing.setattr(opened.store.reconciles, "mark", flushed)
            await reconciled(reconciler)
        kept = await known()
        redis.delete(opened.store.keys.log)  # what the round under the flush found is not asked about here
        again = await reconciled(reconciler)

    assert (kept, again.baseline, again.told) == ({}, True, 0)


async def test_an_event_of_a_resource_from_before_the_first_time_still_works(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        [found] = await made(reactor.emulator, "build-1")
        await reconciled(reconciler)

        await append(opened, volume("ready", id=found["id"], ago=60_000))

        assert [row.rule for row in await eventually(lambda: rows(opened))] == ["sandbox-for-ready-volume"]


async def test_a_volume_that_nobody_announced_is_told_once_and_fires_its_rule(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        [found] = await made(reactor.emulator, "build-1")

        first, second = await reconciled(reconciler), await reconciled(reconciler)
        [row] = await eventually(lambda: rows(opened))

        [difference] = first.differences
        assert (difference.id, difference.why, difference.known, difference.shown) == (
            found["id"],
            "unseen",
            None,
            "ready",
        )
        assert difference.told == ("volume.created", "volume.state.updated")
        assert (second.told, {origin for origin, _ in await told(opened)}) == (0, {"reconcile"})
        assert row.rule == "sandbox-for-ready-volume"


async def test_what_is_told_and_not_yet_observed_is_not_entered_silently_by_the_next_comparison(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.reconcile.reconciler.UNSEEN", 0)
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    async with emulating(time_scale=0.01) as emulator:
        point_to(emulator, monkeypatch)
        async with reconciling(opened) as reconciler:
            await reconciled(reconciler)
            [found] = await made(emulator, "build-1")
            reports = [await reconciled(reconciler) for _ in range(3)]
    dispatcher = Dispatcher(opened.store, opened.queue, Live(load_config(CONFIG)), takeover=1.0)
    async with repeated(dispatcher.run):
        fired = await eventually(lambda: rows(opened))

    assert [(report.filled, report.told) for report in reports] == [(0, 2), (0, 0), (0, 0)], "each was told once"
    assert await state(opened, found["id"]) == "ready"
    assert [row.rule for row in fired] == ["sandbox-for-ready-volume"]


async def test_what_is_made_after_a_look_by_a_fast_clock_is_news_all_the_same(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1) as reactor, reconciling(opened) as reconciler:
        with monkeypatch.context() as fast:
            clock = time.time
            fast.setattr(time, "time", lambda: clock() + 90)
            assert (await reconciled(reconciler)).baseline

        await made(reactor.emulator, "build-1")
        report = await reconciled(reconciler)

        assert (report.baseline, report.told) == (False, 2), "that it was made, and that it is ready"


async def test_a_volume_that_is_gone_has_ended(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        [found] = await made(reactor.emulator, "data-1")
        await reconciled(reconciler)
        monkeypatch.setattr("reactor.apis.differences.CLOCKS", -5000)
        await reactor.emulator.ask("DELETE", f"/api/volumes/{found['id']}")
        await eventually(lambda: ended(reactor, found["id"]))

        report = await reconciled(reconciler)

        assert [(each.why, each.shown) for each in report.differences] == [("gone", "deleted")]
        await eventually(lambda: is_in(opened, found["id"], "deleted"))
        assert (await reconciled(reconciler)).told == 0


async def ended(reactor: AtWork, volume_id: str) -> bool:
    return [each["state"] for each in await reactor.made("volumes") if each["id"] == volume_id] == ["deleted"]


async def is_in(opened: Opened, volume_id: str, name: str) -> bool:
    return await state(opened, volume_id) == name


async def test_what_webhooks_told_is_no_difference(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, performing=False) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        [found] = await made(reactor.emulator, "data-1")
        await eventually(lambda: is_in(opened, found["id"], "ready"))
        calls = await reactor.count("getVolume")

        assert (await reconciled(reconciler)).told == 0
        assert await reactor.count("getVolume") == calls, "nothing is doubted, so nothing is asked again"


async def test_dropping_a_third_of_the_webhooks_and_reconciling_ends_as_dropping_none(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"build-{number}" for number in range(20)]
    async with at_work(opened, monkeypatch, drop=0.3, connections=20) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        forever = asyncio.create_task(again_and_again(reconciler))
        for number in range(10):
            await reactor.provision(f"run-{number}")
        volumes = await made(reactor.emulator, *names)
        runs = [await reactor.ended(f"run-{number}", 40) for number in range(10)]
        await eventually(lambda: all_agree(opened, reactor), 40)
        await eventually(lambda: each_has_one(reactor, names), 40)
        forever.cancel()

        dropped = (await reactor.emulator.ask("GET", "/emulator/deliveries"))["dropped"]
        fired = [row.rule for row in await rows(opened)]
        assert {run.status for run in runs} == {"succeeded"}
        assert (len(volumes), len(fired), len(dropped) > 20) == (20, 20, True)
        assert len(await reactor.made("sandboxes")) == 30


async def all_agree(opened: Opened, reactor: AtWork) -> bool:
    """Whether the table has the state of everything there is."""
    kinds = {"volume": await reactor.made("volumes"), "sandbox": await reactor.made("sandboxes")}
    states = [
        (each["state"], await opened.store.resources.state("daytona", kind, each["id"]))
        for kind, found in kinds.items()
        for each in found
    ]
    return all(shown == known for shown, known in states)


async def each_has_one(reactor: AtWork, names: list[str]) -> bool:
    sandboxes = [sandbox["name"] for sandbox in await reactor.made("sandboxes")]
    return all(sandboxes.count(f"sandbox-for-{name}") == 1 for name in names)


async def test_one_at_a_time_reconciles_an_api(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        at_work(opened, monkeypatch, performing=False),
        reconciling(opened) as first,
        reconciling(opened) as second,
    ):
        assert await opened.store.reconciles.hold("daytona", "another")
        assert await first.reconcile("daytona") is None

        await opened.store.reconciles.release("daytona", "another")
        reports = await asyncio.gather(first.reconcile("daytona"), second.reconcile("daytona"))

        assert [report is None for report in reports].count(True) <= 1
        assert await reconciled(first)


async def test_a_key_of_another_organization_ends_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        [found] = await made(reactor.emulator, "data-1")
        await reconciled(reconciler)
        monkeypatch.setenv("DAYTONA_ORGANIZATION_ID", "another")

        with pytest.raises(PermanentError, match="the API's key is of another organization than its webhooks"):
            await reconciler.reconcile("daytona")
        assert await state(opened, found["id"]) == "ready"


async def test_a_reconcile_that_failed_keeps_nobody_from_the_next(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        at_work(opened, monkeypatch, performing=False),
        reconciling(opened) as first,
        reconciling(opened) as second,
    ):
        with monkeypatch.context() as wrong:
            wrong.setenv("DAYTONA_API_KEY", "refused")
            with pytest.raises(GateClosed):
                await first.reconcile("daytona")
        await opened.store.redis.delete(opened.store.keys.gate("daytona"))

        assert await second.reconcile("daytona") is not None


async def test_webhooks_that_are_silent_while_the_api_moves_are_an_alarm(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        await made(reactor.emulator, "data-1")
        with capture_logs() as logs:
            report = await reconciled(reconciler)

        figures = (await render_metrics(opened.store, opened.queue)).decode()
        assert report.silent
        assert await said(logs, "webhooks silent", source="daytona", missed=2)
        assert 'reactor_webhooks_silent{api="daytona"} 1.0' in figures
        assert 'reactor_events_missed_total{api="daytona"} 2.0' in figures


async def test_a_closed_gate_is_heeded_and_a_refusal_closes_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, performing=False) as reactor, reconciling(opened) as reconciler:
        await opened.store.brakes.close_gate("daytona", "for a test", 30)
        with pytest.raises(GateClosed):
            await reconciler.reconcile("daytona")
        assert await reactor.count("listVolumes") == 0

        await opened.store.redis.delete(opened.store.keys.gate("daytona"))
        monkeypatch.setenv("DAYTONA_API_KEY", "refused")
        with pytest.raises(GateClosed):
            await reconciler.reconcile("daytona")
        assert await opened.store.brakes.closed_for("daytona") > 0


async def test_a_dry_run_shows_what_differs_and_changes_nothing(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, drop=1, performing=False) as reactor, reconciling(opened) as reconciler:
        await reconciled(reconciler)
        [found] = await made(reactor.emulator, "build-1")
        before = await keyspace(opened.store.redis)

        report = await reconciler.reconcile("daytona", dry=True)

        assert report is not None
        assert [(each.id, each.why, each.shown, each.told) for each in report.differences] == [
            (found["id"], "unseen", "ready", ())
        ]
        assert (await keyspace(opened.store.redis), await told(opened)) == (before, [])


async def keyspace(redis: Any) -> dict[bytes, bytes]:
    """Every key but the log, in which the dispatcher's reading leaves its time."""
    return {key: await redis.dump(key) async for key in redis.scan_iter() if not key.endswith(b":log")}


def test_an_api_without_webhooks_is_listed_for_the_kinds_that_a_rule_asks_for() -> None:
    config = load_config(CONFIG)

    assert kinds_of(config, "runloop") == []
    assert kinds_of(config, "daytona") == ["volume", "sandbox", "snapshot"]
