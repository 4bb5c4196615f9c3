"""Recipes at work: an emulated Daytona tells, the reactor decides by a copied recipe and acts, and people hear of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from at_work import AtWork, at_work, served
from conftest import Opened
from recipes import with_recipes
from stage import eventually
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Kitchen:
    """A reactor at work by recipes, and who hears of it: people, and the service that mirrors events."""

    reactor: AtWork
    heard: list[dict[str, Any]]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        return await self.reactor.emulator.ask(method, path, body)

    async def called(self, operation: str, times: int = 1) -> None:
        """Wait until an operation was called so often."""

        async def often_enough() -> bool:
            return await self.reactor.count(operation) >= times

        await eventually(often_enough)

    async def told(self, number: int = 1) -> list[str]:
        """Wait until people were told so often, and return what."""

        async def enough() -> bool:
            return len(self.heard) >= number

        await eventually(enough)
        return [each["message"] for each in self.heard]

    async def idle(self) -> None:
        """Wait until every job is over."""

        async def over() -> bool:
            opened = self.reactor.opened
            keys = [key async for key in opened.store.redis.scan_iter(opened.store.keys.row("*"))]
            states: list[Any] = [await opened.store.redis.hget(key, "state") for key in keys]
            undecided = await opened.store.log.oldest_unacknowledged()
            return bool(states) and undecided is None and set(states) <= {b"done", b"dead", b"cancelled"}

        await eventually(over)


@asynccontextmanager
async def cooking(
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
    recipe: str,
    change: tuple[str, str] = ("rules:", "rules:"),
    **faults: Any,
) -> AsyncIterator[Kitchen]:
    """Everything at work by one recipe, in which one text may be changed to another."""
    heard: list[dict[str, Any]] = []

    async def hear(request: Request) -> Response:
        heard.append(await request.json())
        return Response(status_code=204)

    config = with_recipes(directory / "config", recipe)
    file = config / "rules" / f"{recipe}.yaml"
    file.write_text(file.read_text("utf-8").replace(*change), "utf-8")
    async with served(Starlette(routes=[Route("/{path:path}", hear, methods=["POST"])])) as url:
        monkeypatch.setenv("OPS_SLACK_URL", url.replace("http://", "json://"))
        monkeypatch.setenv("MIRROR_URL", url)
        async with at_work(opened, monkeypatch, config, **faults) as reactor:
            yield Kitchen(reactor, heard)


async def test_a_new_sandbox_is_cloned_into_and_set_up_and_a_script_that_fails_is_told(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = "bootstrap-new-sandbox"
    async with cooking(opened, monkeypatch, tmp_path, recipe, ("sh bootstrap.sh", "exit 3")) as kitchen:
        labels = {"repository": "https://git.example.com/app.git"}
        made = await kitchen.ask("POST", "/api/sandbox", {"name": "box", "labels": labels})
        await kitchen.ask("POST", "/api/sandbox", {"name": "plain"})
        told = await kitchen.told()
        await kitchen.idle()
        calls = await kitchen.reactor.emulator.calls()

    assert told == [f"the bootstrap of sandbox {made['id']} ended with 3"]
    assert (calls["getSandbox"], calls["toolbox.ExecuteCommand"]) == (2, 1)
    assert [calls[name] for name in calls if name.endswith("CloneRepository")] == [1]


async def test_a_sandbox_in_error_is_started_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with cooking(opened, monkeypatch, tmp_path, "recover-sandbox", sandbox_error=1) as kitchen:
        await kitchen.reactor.emulator.refused("POST", "/api/sandbox", {"name": "box"})
        await kitchen.reactor.emulator.reached("/api/sandbox/box", "started")
        calls = await kitchen.reactor.emulator.calls()

    assert calls["recoverSandbox"] == 1


async def test_a_sandbox_without_an_owner_stops_when_it_is_idle_and_people_know(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with cooking(opened, monkeypatch, tmp_path, "cost-guard") as kitchen:
        await kitchen.ask("POST", "/api/sandbox", {"name": "lost", "autoStopInterval": 0})
        owned_by_ann = {"name": "owned", "labels": {"owner": "ann"}, "autoStopInterval": 0}
        await kitchen.ask("POST", "/api/sandbox", owned_by_ann)
        told = await kitchen.told()
        await kitchen.idle()
        lost, owned = [await kitchen.ask("GET", f"/api/sandbox/{name}") for name in ("lost", "owned")]

    assert told == ["sandbox lost has no label `owner`: it stops when it was idle for 15 minutes"]
    assert (lost["autoStopInterval"], owned["autoStopInterval"]) == (15, 0)


async def test_a_snapshot_that_failed_is_told_with_its_log(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with cooking(opened, monkeypatch, tmp_path, "snapshot-failed", snapshot_error=1) as kitchen:
        await kitchen.ask("POST", "/api/snapshots", {"name": "base", "imageName": "debian:13"})
        told = sorted(await kitchen.told(2), reverse=True)

    assert told[0].startswith("the log of snapshot base: ")
    assert len(told[0]) > len("the log of snapshot base: ")
    assert told[1].startswith("snapshot base is error: ")
    assert len(told[1]) > len("snapshot base is error: ")


async def test_a_snapshot_that_is_active_has_two_warm_sandboxes(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with cooking(opened, monkeypatch, tmp_path, "warm-sandboxes") as kitchen:
        made = await kitchen.ask("POST", "/api/snapshots", {"name": "build-base", "imageName": "debian:13"})
        await kitchen.called("createSandbox", 2)
        await kitchen.idle()
        sandboxes = await kitchen.reactor.made("sandboxes")

    assert sorted(each["name"] for each in sandboxes) == [f"warm-1-{made['id']}", f"warm-2-{made['id']}"]
    assert {each["snapshot"] for each in sandboxes} == {"build-base"}


async def test_another_service_hears_of_every_event_whole(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with cooking(opened, monkeypatch, tmp_path, "mirror") as kitchen:
        await kitchen.ask("POST", "/api/volumes", {"name": "data"})

        async def three() -> bool:
            return len(kitchen.heard) >= 3

        await eventually(three)
        await kitchen.idle()

    heard = sorted(kitchen.heard, key=lambda each: str(each["timestamp"]))
    assert [each.get("newState", each.get("state")) for each in heard] == ["pending_create", "creating", "ready"]
    assert heard[0]["event"] == "volume.created"
    assert {each["name"] for each in heard} == {"data"}
