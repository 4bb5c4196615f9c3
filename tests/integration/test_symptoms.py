"""The table of docs/operations.md, what happened, what to ask, what one sees: each line is made true and asked."""

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from at_work import at_work
from click.testing import CliRunner
from conftest import CONFIG, Opened
from stage import append, new_row, planned, volume
from test_explain import decided
from test_jobs import ended
from test_status import alive, process

from reactor.cli import reactor
from reactor.config import load_config
from reactor.store.brakes import Scope
from reactor.store.reconciles import Mark
from reactor.store.watches import WatchSpec

ROOT = Path(__file__).parents[2]
[TABLE] = re.findall(
    r"\| what happened \| ask \| what you see \|\n\|---\|---\|---\|\n((?:\|.*\|\n)+)",
    (ROOT / "docs" / "operations.md").read_text("utf-8"),
)
SYMPTOMS = {
    happened: (command, re.findall(r"`((?!reactor )[^`]+)`", seen))
    for happened, command, seen in re.findall(r"^\| (.+?) \| `reactor (.+?)` \| (.+) \|$", TABLE, re.M)
}


@dataclass(frozen=True)
class Scene:
    """A reactor in which something happens, and the directory of its configuration."""

    opened: Opened
    config: Path

    async def event(self, state: str = "ready", name: str = "build-7", ago: int = 0) -> None:
        """An event that is decided on by the configuration of the scene."""
        await decided(self.opened, load_config(self.config), volume(state, name=name, ago=ago))

    def rule(self, more: str) -> None:
        """Give the shipped rule more to heed."""
        path = self.config / "rules" / "volumes.yaml"
        path.write_text(path.read_text("utf-8").replace("    do:", f"    {more}\n    do:", 1), "utf-8")


async def nothing(scene: Scene) -> None:
    """No webhook comes."""


async def silent(scene: Scene) -> None:
    await scene.opened.store.reconciles.keep("daytona", Mark(), Mark(1, 1, 3, silent=True))


def refused(source: str, reason: str) -> Callable[[Scene], Awaitable[None]]:
    async def happen(scene: Scene) -> None:
        await alive(scene.opened, process("serve", deliveries={source: {reason: (2, int(time.time() * 1000))}}))

    return happen


async def undecided(scene: Scene) -> None:
    redis, keys = scene.opened.store.redis, scene.opened.store.keys
    await redis.xadd(keys.log, {"source": "daytona", "id": "msg_1", "body": b"{}"}, id="1-0")


async def aside(scene: Scene) -> None:
    await append(scene.opened, volume("ready"))
    [entry] = await scene.opened.store.log.read("reader", block=0.1)
    await scene.opened.store.log.set_aside(entry)


async def clause(scene: Scene) -> None:
    await scene.event(name="bild-7")


async def control(scene: Scene) -> None:
    scene.rule("cooldown: 1h\n    key: all")
    config = load_config(scene.config)
    await decided(scene.opened, config, volume("ready", id="vol-0", name="build-0", ago=60_000))
    await append(scene.opened, volume("ready", name="build-7"), "msg_7")
    await decided(scene.opened, config)


async def stale(scene: Scene) -> None:
    config = load_config(scene.config)
    await decided(scene.opened, config, volume("deleting", ago=10_000))
    await append(scene.opened, volume("ready", name="build-7", ago=60_000), "msg_7")
    await decided(scene.opened, config)


async def shadow(scene: Scene) -> None:
    scene.rule("enforce: shadow")
    await scene.event()


async def broken(scene: Scene) -> None:
    await alive(scene.opened, process("work", refused="rules/a.yaml:3:1: unknown key"))


async def paused(scene: Scene) -> None:
    await scene.opened.store.brakes.pause(Scope("api", "daytona"), by="kim", reason="incident 42")


async def key(scene: Scene) -> None:
    await scene.opened.store.brakes.close_gate("daytona", "getSandbox answered 401: Invalid credentials", 600)


async def unacceptable(scene: Scene) -> None:
    await scene.event()
    [row] = [
        row.id for row in await scene.opened.store.plans.rows_of((await scene.opened.store.log.entries())[0].entry)
    ]
    await ended(scene.opened, row, "dead", "createSandbox answered 422: cpu is too large")


async def dead(scene: Scene) -> None:
    await planned(scene.opened, new_row(body={}))
    await ended(scene.opened, "row1", "dead")


async def no_worker(scene: Scene) -> None:
    await scene.opened.store.revisions.leave("work-1")


async def full(scene: Scene) -> None:
    used = (await scene.opened.store.redis.info("memory"))["used_memory"]
    await scene.opened.store.redis.config_set("maxmemory", int(used * 1.1))


async def unheld(scene: Scene) -> None:
    await scene.opened.store.watches.stand([WatchSpec("runloop", "waitForDevboxStatus", "devbox", "dbx_1", {}, {})])
    await scene.opened.store.redis.zadd(scene.opened.store.keys.watches, {"w": 1})


HAPPEN: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "no webhook came": nothing,
    "no webhook comes at all": silent,
    "webhooks come with a wrong signature": refused("daytona", "no_match"),
    "webhooks are of another organization": refused("daytona", "wrong_organization"),
    "webhooks go to a wrong address": refused("(unknown)", "unknown_source"),
    "no process decides": undecided,
    "deciding on the event fails": aside,
    "one clause of the rule did not hold": clause,
    "a control held the rule back": control,
    "something newer was known": stale,
    "the rule is in shadow": shadow,
    "the last edit broke a file": broken,
    "acting is paused": paused,
    "the API refuses the key": key,
    "the API refuses the call": unacceptable,
    "a job failed for good": dead,
    "no worker runs": no_worker,
    "Redis is full": full,
    "nobody long-polls": unheld,
}

A_RUN = "a workflow waits"


@pytest.fixture
async def scene(opened: Opened, tmp_path: Path) -> Scene:
    config = shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("*.test.yaml"))
    await alive(opened)
    return Scene(opened, config)


def asked(scene: Scene, command: str, **names: str) -> str:
    """What a command says, on both its outputs."""
    words = [names.get(word, word) for word in command.split()]
    environment = {"REACTOR_REDIS_URL": scene.opened.settings.redis_url, "REACTOR_CONFIG": str(scene.config)}
    return CliRunner().invoke(reactor, words, env=environment).output


def test_every_symptom_is_tried() -> None:
    assert set(SYMPTOMS) == {*HAPPEN, A_RUN}
    assert all(phrases for _, phrases in SYMPTOMS.values())


@pytest.mark.parametrize("happened", HAPPEN)
async def test_what_happened_is_seen_as_the_table_says(scene: Scene, happened: str) -> None:
    command, phrases = SYMPTOMS[happened]
    await HAPPEN[happened](scene)

    try:
        last = [each.id for each in await scene.opened.store.log.entries()][-1:]
        said = await asyncio.to_thread(asked, scene, command, EVENT=(last or ["-"])[0])
    finally:
        await scene.opened.store.redis.config_set("maxmemory", 0)

    for phrase in phrases:
        assert phrase in said, said


async def test_what_a_workflow_waits_for_is_seen_as_the_table_says(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, phrases = SYMPTOMS[A_RUN]
    async with at_work(scene.opened, monkeypatch, drop=1, time_scale=1.0) as working:
        await working.provision()
        await working.waiting()

        said = await asyncio.to_thread(asked, scene, command, RUN="run-1")

    for phrase in phrases:
        assert phrase in said, said
