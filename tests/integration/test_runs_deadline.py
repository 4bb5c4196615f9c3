"""How long a run waits: for as long as its document or its API means to, and not because nobody answers."""

from typing import Any

import pytest
from at_work import VOLUME_AND_SANDBOX, AtWork, at_work
from conftest import Opened
from stage import eventually

RECEIVE = b"""
arazzo: 1.1.0
info: {title: A message that never comes, version: 1.0.0}
sourceDescriptions:
- {name: events, url: events.yaml, type: asyncapi}
workflows:
- workflowId: listen
  steps:
  - stepId: hear
    operationId: $sourceDescriptions.events.onVolumeCreated
    action: receive
    correlationId: "1"
    timeout: 1500
"""


def patient(seconds: float) -> bytes:
    """The document with a volume to wait for, where the wait has a timeout of its own (Arazzo 1.1)."""
    text = VOLUME_AND_SANDBOX.replace(b"arazzo: 1.0.1", b"arazzo: 1.1.0")
    return text.replace(
        b"    operationId: getVolume\n", b"    operationId: getVolume\n    timeout: %d\n" % (seconds * 1000)
    )


async def provision(reactor: AtWork, text: bytes) -> None:
    given = {"volumeName": "data", "snapshot": "base", "mountPath": "/data"}
    await reactor.runner.start("run-1", text, "provision-volume-and-sandbox", given)


async def test_a_run_whose_volume_is_never_ready_fails_at_the_deadline(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, time_scale=100) as reactor:
        await provision(reactor, patient(1.0))
        run = await reactor.ended()

        assert (run.status, run.because) == ("failed", "step pollVolume timed out after 1 s")
        assert 1000 <= run.updated - run.started < 4000
        assert await reactor.count("createSandbox") == 0


async def test_a_message_that_never_comes_is_waited_for_until_the_deadline(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, probe=0.2) as reactor:
        await reactor.runner.start("run-1", RECEIVE, "listen", {})
        run = await reactor.ended()

        assert (run.status, run.because) == ("failed", "step hear timed out")
        assert run.updated - run.started >= 1500


@pytest.mark.parametrize("fault", ["api_error", "lost_reply"])
async def test_looks_that_are_not_answered_end_no_wait(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    async with at_work(opened, monkeypatch, probe=0.2, attempts=2, drop=1, time_scale=0.3) as reactor:
        await reactor.provision()
        await reactor.waiting()
        await reactor.emulator.faults(**{fault: 1, "operations": ["getVolume"]})
        await eventually(lambda: refused(reactor, 4))
        await reactor.emulator.faults()
        run = await reactor.ended()

        assert run.status == "succeeded"


async def refused(reactor: AtWork, times: int) -> bool:
    log: list[dict[str, Any]] = (await reactor.emulator.ask("GET", "/emulator/calls"))["log"]
    looks = [call["status"] for call in log if call["operation"] == "getVolume"]
    return len(looks) - looks.count(200) >= times
