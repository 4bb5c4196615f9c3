"""A run that failed or was cancelled goes on from the step where it ended, and makes nothing twice."""

import asyncio

import pytest
from at_work import AtWork, at_work
from conftest import Opened
from stage import eventually

from reactor.errors import NotPossible
from reactor.operator.runs import cancel_run, retry_run

OPERATOR = "somebody at somewhere"


async def retry(reactor: AtWork, run_id: str = "run-1") -> None:
    await retry_run(reactor.opened.store, reactor.runner, run_id, OPERATOR)


async def test_a_run_that_failed_goes_on_from_the_step_that_failed(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, attempts=2, api_error=1, operations=["createSandbox"]) as reactor:
        await reactor.provision()
        failed = await reactor.ended()
        assert failed.because.startswith("step createSandbox failed: status 503")

        await reactor.emulator.faults(drop=0)
        await retry(reactor)
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert [(did["by"], did["did"], did["was"]) for did in run.audit] == [(OPERATOR, "retry", "failed")]
        assert len(await reactor.made("volumes")) == len(await reactor.made("sandboxes")) == 1
        assert await reactor.count("createVolume") == 1


async def test_a_run_that_was_cancelled_while_it_waited_waits_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, time_scale=0.2) as reactor:
        await reactor.provision()
        await reactor.waiting()
        await cancel_run(opened.store, "run-1", "by hand")
        await retry(reactor)
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert len(await reactor.made("volumes")) == len(await reactor.made("sandboxes")) == 1


async def test_what_a_cancelled_run_was_just_making_is_found_by_its_successor(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, time_scale=0.4) as reactor:
        await reactor.provision()
        await reactor.waiting()
        await reactor.emulator.faults(drop=0, create_delay=2.0)
        await eventually(lambda: has_begun(reactor, "createSandbox"))
        await cancel_run(opened.store, "run-1", "by hand")
        await retry(reactor)
        run = await reactor.ended()

        assert run.status == "succeeded"
        assert len(await reactor.made("sandboxes")) == 1


async def has_begun(reactor: AtWork, operation: str) -> bool:
    return await reactor.count(operation) > 0


async def test_of_two_that_retry_at_once_one_does(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, volume_error=1) as reactor:
        await reactor.provision()
        failed = await reactor.ended()

        retried = await asyncio.gather(*(reactor.runner.retry(failed, OPERATOR) for _ in range(5)))
        again = await reactor.ended()

        assert sorted(retried) == [False] * 4 + [True]
        assert (again.status, again.because) == (failed.status, failed.because)
        assert await reactor.count("createVolume") == 1


async def test_a_run_that_succeeded_or_runs_is_not_retried(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, time_scale=0.4) as reactor:
        await reactor.provision()
        await reactor.waiting()
        with pytest.raises(NotPossible, match="run run-1 is waiting: there is nothing to retry yet"):
            await retry(reactor)
        await reactor.ended()

        with pytest.raises(NotPossible, match="run run-1 has succeeded: that is final"):
            await retry(reactor)
