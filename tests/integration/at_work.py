"""A reactor at work on runs of workflows: web, dispatcher, worker and due poller in this process, before an emulator."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from conftest import CONFIG, ORGANIZATION, SECRET, Opened
from emulated import Emulated, emulating
from stage import DEADLINE, eventually, working

from reactor.app import Web, create_app
from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.emulator import EmulatorSettings
from reactor.reload import Live
from reactor.runs.runner import Runner
from reactor.store.runs import StoredRun

ARAZZO = Path(__file__).parent.parent / "data" / "arazzo"
VOLUME_AND_SANDBOX = (ARAZZO / "000.arazzo.yaml").read_bytes()
DEVBOX_AND_COMMAND = (ARAZZO / "001.arazzo.yaml").read_bytes()

NEVER = 600.0
"""A probe interval, in seconds, that no test lives to see the end of."""


@dataclass(frozen=True)
class AtWork:
    """What a test sees: starting runs, playing the provider, and what became of it."""

    opened: Opened
    emulator: Emulated
    runner: Runner

    async def provision(self, run_id: str = "run-1", **inputs: Any) -> bool:
        """Start a run that makes a volume and then a sandbox with it."""
        given = {"volumeName": f"data-{run_id}", "snapshot": "base", "mountPath": "/data", **inputs}
        return await self.runner.start(run_id, VOLUME_AND_SANDBOX, "provision-volume-and-sandbox", given)

    async def execute(self, command: str, run_id: str = "run-1", **inputs: Any) -> bool:
        """Start a run that boots a devbox and runs a command in it."""
        given = {"command": command, **inputs}
        return await self.runner.start(run_id, DEVBOX_AND_COMMAND, "provision-and-run-command", given)

    async def stored(self, run_id: str = "run-1") -> StoredRun:
        """A run that was started."""
        run = await self.opened.store.runs.get(run_id)
        assert run is not None
        return run

    async def ended(self, run_id: str = "run-1", within: float = DEADLINE) -> StoredRun:
        """Wait until a run is over, and return it."""

        async def over() -> StoredRun | None:
            run = await self.opened.store.runs.get(run_id)
            return run if run and run.status != "running" else None

        run: StoredRun = await eventually(over, within)
        return run

    async def waiting(self, run_id: str = "run-1") -> StoredRun:
        """Wait until a run waits for an event, and return it."""

        async def waits() -> StoredRun | None:
            run = await self.opened.store.runs.get(run_id)
            rows = await self.rows_of(run_id)
            return run if any(row["state"] == "waiting" for row in rows) else None

        run: StoredRun = await eventually(waits)
        return run

    async def rows_of(self, run_id: str) -> list[dict[str, str]]:
        """Every row of a run, as it is stored."""
        redis, keys = self.opened.store.redis, self.opened.store.keys
        rows: list[Any] = [await redis.hgetall(key) async for key in redis.scan_iter(keys.row("*"))]
        text = [{name.decode(): value.decode() for name, value in row.items()} for row in rows]
        return [row for row in text if row["action"] == "step" and row["event"] == run_id]

    async def made(self, kind: str) -> list[dict[str, Any]]:
        """Every resource of a kind (`sandboxes`) that there ever was."""
        made: list[dict[str, Any]] = (await self.emulator.ask("GET", "/emulator/state"))[kind]
        return made

    async def count(self, operation: str) -> int:
        """How often the API was asked for an operation."""
        return (await self.emulator.calls()).get(operation, 0)


def outputs(run: StoredRun) -> Any:
    return orjson.loads(run.state)["outputs"]


@asynccontextmanager
async def at_work(
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    directory: Path = CONFIG,
    *,
    probe: float = NEVER,
    time_scale: float = 0.01,
    connections: int = 50,
    performing: bool = True,
    attempts: int = 8,
    **faults: Any,
) -> AsyncIterator[AtWork]:
    """Everything running, with the emulator's events delivered, unless its faults say otherwise."""
    monkeypatch.setattr("reactor.dispatch.BLOCK", 0.05)
    settings = opened.settings.model_copy(update={"probe": probe, "attempts": attempts})
    async with emulating(time_scale=time_scale) as emulator:
        point_to(emulator, monkeypatch)
        config = load_config(directory)
        dispatcher = Dispatcher(opened.store, opened.queue, Live(config), takeover=settings.takeover)
        app = create_app(Web(settings, opened.store, Live(config, receives=True)))
        async with served(app) as url, repeated(dispatcher.run):
            endpoint = {"url": f"{url}/webhooks/daytona", "secret": SECRET}
            await emulator.ask("PUT", "/emulator/endpoints", [endpoint])
            await emulator.faults(**{"drop": 0, **faults})
            reactor = AtWork(opened, emulator, Runner(config, opened.store, opened.queue, probe=probe))
            if performing:
                async with working(opened, settings, config=config, connections=connections):
                    yield reactor
            else:
                yield reactor


def point_to(emulator: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shipped configuration call an emulator, and take its webhooks."""
    url = str(emulator.http.base_url).rstrip("/")
    monkeypatch.setenv("DAYTONA_API_URL", f"{url}/api")
    monkeypatch.setenv("DAYTONA_TOOLBOX_URL", url)
    monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
    monkeypatch.setenv("DAYTONA_ORGANIZATION_ID", ORGANIZATION)
    monkeypatch.setenv("DAYTONA_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("RUNLOOP_API_URL", f"{url}/runloop")
    monkeypatch.setenv("RUNLOOP_API_KEY", EmulatorSettings().runloop_api_key)


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free port, and give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def repeated(run: Callable[[asyncio.Event], Any]) -> AsyncIterator[None]:
    """Let a process's loop run until the context ends."""
    stopping = asyncio.Event()
    task = asyncio.create_task(run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await task
