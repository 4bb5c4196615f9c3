"""A run that knows by an event, and can't confirm it since nobody reaches the API: it waits on until somebody does."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from at_work import AtWork, at_work
from conftest import CONFIG, Opened
from stage import eventually

from reactor.workflows.run import Run

WAIT = b"""
arazzo: 1.0.1
info: {title: Wait for a volume, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: daytona.yaml, type: openapi}]
workflows:
- workflowId: wait
  inputs: {properties: {volumeId: {type: string}}}
  steps:
  - stepId: ready
    operationId: getVolume
    parameters: [{name: volumeId, in: path, value: $inputs.volumeId}]
    successCriteria: [{condition: $response.body#/state == 'ready'}]
    onFailure: [{name: again, type: retry, retryAfter: 0.1, retryLimit: 6000}]
    outputs: {name: $response.body#/name}
  outputs: {name: $steps.ready.outputs.name}
"""
"""Its output is in no event, so that a read confirms what an event says."""

EVENTS = 3
"""Changes of a volume's state, each of which moves a run that waits for it at most once."""

LOOKS = 5
"""Looks that reach nobody, so that it is no single failure that is survived."""


@dataclass
class Door:
    """The way to the API: a port that passes bytes on while it is open, and where nobody listens while it is shut."""

    port: int = 0
    server: asyncio.Server | None = None
    passing: set["asyncio.Task[None]"] = field(default_factory=set)

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self.server is not None
        self.server.close()
        for each in self.passing:
            each.cancel()
        await asyncio.gather(*self.passing, return_exceptions=True)
        await self.server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.passing.add(task)
        beyond = urlsplit(os.environ["DAYTONA_API_URL"])
        api_reader, api_writer = await asyncio.open_connection(beyond.hostname, beyond.port)
        try:
            await asyncio.wait(
                [asyncio.create_task(_pass(reader, api_writer)), asyncio.create_task(_pass(api_reader, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            pass
        finally:
            self.passing.discard(task)
            writer.transport.abort()
            api_writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65536):
            writer.write(some)
    except ConnectionError:
        return


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    await door.open()
    yield door
    await door.shut()


@pytest.fixture
def config(tmp_path: Path, door: Door, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped configuration, with the door before Daytona."""
    directory = shutil.copytree(CONFIG, tmp_path / "config")
    file = directory / "apis" / "daytona.yaml"
    file.write_text(file.read_text().replace("DAYTONA_API_URL", "DOOR_URL"))
    monkeypatch.setenv("DOOR_URL", f"http://127.0.0.1:{door.port}/api")
    return directory


async def generation(reactor: AtWork) -> int:
    return (await reactor.stored()).generation


async def test_a_wait_whose_event_nobody_can_confirm_waits_on_until_the_api_is_back(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, door: Door, config: Path
) -> None:
    async with at_work(opened, monkeypatch, config, probe=0.3, attempts=2, time_scale=0.3) as reactor:
        volume = await reactor.emulator.ask("POST", "/api/volumes", {"name": "data"})
        await reactor.runner.start("run-1", WAIT, "wait", {"volumeId": volume["id"]})
        await reactor.waiting()
        await door.shut()
        before = await generation(reactor)
        await eventually(lambda: is_ready(reactor))
        await eventually(lambda: has_looked_in_vain(reactor, before))
        cut_off = await reactor.stored()
        assert cut_off.status == "running"
        assert Run.from_json(cut_off.state).waiting is not None

        await door.open()
        run = await reactor.ended()

        assert (run.status, Run.from_json(run.state).outputs) == ("succeeded", {"name": "data"})


async def is_ready(reactor: AtWork) -> bool:
    """Whether the event has come that the run waits for."""
    return any(b'"newState":"ready"' in entry.body for entry in await reactor.opened.store.log.entries())


async def has_looked_in_vain(reactor: AtWork, before: int) -> bool:
    """Whether the run has moved on more often than events can have moved it: each time because it reached nobody."""
    return await generation(reactor) >= before + EVENTS + LOOKS
