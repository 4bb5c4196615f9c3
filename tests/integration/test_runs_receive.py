"""`receive` of Arazzo 1.1: a run waits for an event as a message, by its type and the resource it is about."""

import pytest
from at_work import AtWork, at_work, outputs
from conftest import Opened
from stage import eventually

from reactor.errors import ConfigError
from reactor.metrics import render_metrics

DOCUMENT = """
arazzo: 1.1.0
info: {{title: Make a volume and hear of it, version: 1.0.0}}
sourceDescriptions:
- {{name: daytona, url: daytona.yaml, type: openapi}}
- {{name: events, url: events.asyncapi.yaml, type: asyncapi}}
workflows:
- workflowId: hear
  inputs: {{properties: {{about: {{type: string}}}}}}
  steps:
  - stepId: make
    operationId: $sourceDescriptions.daytona.createVolume
    requestBody: {{payload: {{name: data}}}}
    successCriteria: [{{condition: $statusCode == 200}}]
    outputs: {{id: $response.body#/id}}
  - stepId: hear
    {step}
    action: receive
    {correlation}
    timeout: 6000
    outputs: {{state: $message.payload#/state, name: $message.payload#/name}}
  outputs: {{state: $steps.hear.outputs.state, name: $steps.hear.outputs.name}}
"""

CREATED = "operationId: $sourceDescriptions.events.onVolumeCreated"
BY_ID = "correlationId: $steps.make.outputs.id"


def document(step: str = CREATED, correlation: str = BY_ID) -> bytes:
    return DOCUMENT.format(step=step, correlation=correlation).encode()


async def listens(reactor: AtWork) -> bool:
    return b'reactor_runs{status="waiting"} 1.0' in await render_metrics(reactor.opened.store, reactor.opened.queue)


@pytest.mark.parametrize(
    "step",
    [
        CREATED,
        "operationId: $sourceDescriptions.events.volumeCreated",
        "channelPath: '{$sourceDescriptions.events.url}#/channels/volume.created'",
    ],
)
@pytest.mark.parametrize("correlation", [BY_ID, "correlationId: data", ""])
async def test_a_message_that_came_before_its_step_is_heard(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, step: str, correlation: str
) -> None:
    async with at_work(opened, monkeypatch, create_delay=0.3) as reactor:
        await reactor.runner.start("run-1", document(step, correlation), "hear", {})
        run = await reactor.ended()

        assert (run.status, outputs(run)) == ("succeeded", {"state": "pending_create", "name": "data"})


async def test_a_message_that_comes_later_wakes_the_run_at_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, delay=(1.0, 1.0)) as reactor:
        await reactor.runner.start("run-1", document(), "hear", {})
        await eventually(lambda: listens(reactor))
        run = await reactor.ended()

        assert (run.status, outputs(run)["name"]) == ("succeeded", "data")
        assert run.updated - run.started < 4000


async def test_a_message_about_another_resource_or_of_an_earlier_time_is_not_heard(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await reactor.emulator.ask("POST", "/api/volumes", {"name": "other"})
        await eventually(opened.store.log.entries)
        await reactor.emulator.faults(drop=1)
        text = document().replace(b"timeout: 6000", b"timeout: 500")
        await reactor.runner.start("run-1", text, "hear", {})
        earlier = text.replace(BY_ID.encode(), b"correlationId: other").replace(b"name: data", b"name: more")
        await reactor.runner.start("run-2", earlier, "hear", {})
        runs = [await reactor.ended("run-1"), await reactor.ended("run-2")]

        assert [(run.status, run.because) for run in runs] == [("failed", "step hear timed out")] * 2


async def test_what_no_api_sends_is_refused_with_what_they_do(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        with pytest.raises(ConfigError, match=r"step 'hear': found 'volumeCreatd', .*did you mean 'volume.created'"):
            reactor.runner.program(document("operationId: $sourceDescriptions.events.volumeCreatd"))
