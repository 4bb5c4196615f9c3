"""A volume and a sandbox by a workflow that polls as it is written: the API is asked as little as events allow."""

import time

import pytest
from at_work import at_work, outputs
from conftest import Opened
from emulated import Emulated
from stage import eventually


async def test_a_run_reads_its_volume_at_most_twice(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await reactor.provision()
        run = await reactor.ended()

        [volume], [sandbox] = await reactor.made("volumes"), await reactor.made("sandboxes")
        assert (run.status, run.because) == ("succeeded", "every step is done")
        assert outputs(run).items() >= {"volumeId": volume["id"], "sandboxId": sandbox["id"]}.items()
        assert await reactor.count("getVolume") <= 2


async def test_a_volume_that_fails_ends_the_run_and_no_sandbox_is_asked_for(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, volume_error=1) as reactor:
        await reactor.provision()
        run = await reactor.ended()

        assert (run.status, run.because) == ("failed", "step pollVolume: the volume is error")
        assert await reactor.count("createSandbox") == 0


async def test_a_run_that_hears_nothing_looks_by_itself(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, probe=1.0, drop=1, time_scale=0.1) as reactor:
        await reactor.provision()
        await reactor.waiting()
        began = time.monotonic()
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert time.monotonic() - began < 3.0, "a probe's interval, its jitter, the poller's tick, and the sandbox"
        assert await reactor.count("getVolume") <= 3
        assert await opened.store.log.entries() == []


async def test_a_run_acts_once_on_events_that_come_three_times(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, duplicate=1, copies=3, twin=1) as reactor:
        await reactor.provision()
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert len(await reactor.made("volumes")) == len(await reactor.made("sandboxes")) == 1
        assert (await reactor.count("createSandbox"), await reactor.count("getVolume") <= 2) == (1, True)


async def test_events_that_come_before_the_run_waits_are_no_loss(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, create_delay=0.7) as reactor:
        await reactor.provision()
        await eventually(lambda: has_said(opened, b'"newState":"ready"'))
        assert await reactor.count("getVolume") == 0
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert await reactor.count("getVolume") <= 1


async def has_said(opened: Opened, text: bytes) -> bool:
    return any(text in entry.body for entry in await opened.store.log.entries())


async def test_an_event_that_comes_before_its_state_is_shown_costs_two_reads_more(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, event_before_commit=0.5) as reactor:
        await reactor.provision()
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert await reactor.count("getVolume") <= 4
        assert len(await reactor.made("sandboxes")) == 1


async def test_a_run_keeps_to_a_limit_of_the_api(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await reactor.emulator.ask("PUT", "/emulator/limits", {"authenticated": {"limit": 5, "window": 1.0}})
        for number in range(3):
            await reactor.provision(f"run-{number}")
        runs = [await reactor.ended(f"run-{number}", within=20) for number in range(3)]

        assert [run.status for run in runs] == ["succeeded"] * 3
        assert len(await reactor.made("sandboxes")) == 3


async def test_an_event_fires_a_rule_and_wakes_a_run(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await reactor.provision(volumeName="build-1")
        run = await reactor.ended()
        await eventually(lambda: all_created(reactor.emulator, 2))

        names = {sandbox["name"] for sandbox in await reactor.made("sandboxes")}
        assert run.status == "succeeded"
        assert len(names) == 2
        assert "sandbox-for-build-1" in names


async def all_created(emulator: Emulated, count: int) -> bool:
    return len((await emulator.ask("GET", "/emulator/state"))["sandboxes"]) == count
