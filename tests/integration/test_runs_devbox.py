"""A devbox and a command by a workflow of long polls: nothing announces them, so the server holds the calls."""

import time

import pytest
from at_work import at_work, outputs
from conftest import Opened

HELD = 0.3
"""Seconds for which the emulated server holds a call that asks for 30."""


async def test_a_command_is_run_as_soon_as_its_devbox_is_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await reactor.execute("echo hello")
        run = await reactor.ended()

        assert (run.status, outputs(run)["stdout"], outputs(run)["exitStatus"]) == ("succeeded", "hello\n", 0)
        assert len(await reactor.made("devboxes")) == 1
        assert await reactor.count("runloop.waitForDevboxStatus") == 1


async def test_a_devbox_that_fails_to_boot_ends_the_run_and_no_command_is_run(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_error=1) as reactor:
        await reactor.execute("echo hello")
        run = await reactor.ended()

        assert run.status == "failed"
        assert "failure" in run.because
        assert await reactor.count("runloop.execAsyncCommand") == 0


async def test_a_boot_and_a_command_may_outlast_a_long_poll(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=3 * HELD) as reactor:
        await reactor.execute("sleep 60 && echo hello")
        run = await reactor.ended()

        assert (run.status, outputs(run)["stdout"]) == ("succeeded", "hello\n")
        assert 3 <= await reactor.count("runloop.waitForDevboxStatus") <= 6
        assert 2 <= await reactor.count("runloop.waitForCommandCompletion") <= 5
        assert await reactor.count("runloop.execAsyncCommand") == 1


async def test_long_polls_hold_no_other_run_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=30) as reactor:
        for number in range(5):
            await reactor.execute("true", f"slow-{number}")
        began = time.monotonic()
        await reactor.provision("quick")
        run = await reactor.ended("quick")

        assert run.status == "succeeded"
        assert time.monotonic() - began < 3.0
        assert {(await reactor.stored(f"slow-{number}")).status for number in range(5)} == {"running"}


async def test_a_server_that_does_not_hold_is_asked_once_a_second(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, devbox_boot=2.5, time_scale=0.001) as reactor:
        await reactor.execute("true")
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert await reactor.count("runloop.waitForDevboxStatus") <= 4


async def test_a_long_poll_whose_connection_breaks_is_made_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = ["runloop.waitForDevboxStatus"]
    async with at_work(opened, monkeypatch, devbox_boot=1.0, lost_reply=0.7, operations=polls) as reactor:
        await reactor.execute("echo hello")
        run = await reactor.ended()

        log = (await reactor.emulator.ask("GET", "/emulator/calls"))["log"]
        assert run.status == "succeeded"
        assert any(call["status"] == 0 for call in log)
