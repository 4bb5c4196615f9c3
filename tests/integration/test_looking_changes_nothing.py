"""Looking, by every command and every route that only looks, leaves each key and each value as it was."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from asked import listening
from conftest import CONFIG, Opened
from reading import JUDGES, LOOKS
from redis import Redis
from stage import append, logged, volume
from test_jobs import dumped, in_every_state

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.http_api.table import ROUTES
from reactor.reload import Live
from reactor.runs.runner import Runner
from reactor.store.brakes import Scope

RUN_ALL = """
import sys, orjson
from reactor.cli import main
for words in orjson.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as ended:
        print(ended.code or 0, *words, file=sys.stderr)
"""


@pytest.fixture
async def named(opened: Opened) -> dict[str, str]:
    """A store that has something of everything, and the names of one of each."""
    entries = await logged(opened, volume("ready"), volume("error", id="vol-2", name="build-2"))
    config = load_config(CONFIG)
    await Dispatcher(opened.store, opened.queue, Live(config), takeover=1.0).react(entries)
    await in_every_state(opened)
    await append(opened, volume("deleting"), "msg_poison")
    *_, poison = await opened.store.log.read("reader", block=0.1, count=1000)
    await opened.store.log.set_aside(poison)
    document = config.workflows["volume-and-sandbox"]
    runner = Runner(config, opened.store, opened.queue, probe=30.0)
    await runner.start("order-17", document.text, document.chosen(""), {"volumeName": "data", "snapshot": "base"})
    await opened.store.brakes.pause(Scope("api", "daytona"), by="kim", reason="an incident", seconds=3600)
    await opened.store.ledger.claim(["due"], "worker")
    await opened.store.brakes.close_gate("runloop", "a refused key", 600)
    await opened.store.brakes.spend("daytona", 10)
    return {"run": "order-17", "job": "dead", "event": entries[0].entry, "config": str(CONFIG)}


async def test_no_command_that_looks_changes_a_key(opened: Opened, redis: Redis, named: dict[str, str]) -> None:
    lines = [line.format_map(named).split() for line in LOOKS]
    before = dumped(redis)

    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", RUN_ALL, orjson.dumps(lines).decode()],
        env={**os.environ, "REACTOR_REDIS_URL": opened.settings.redis_url, "REACTOR_CONFIG": str(CONFIG)},
        capture_output=True,
        text=True,
    )

    said = [line for line in ended.stderr.splitlines() if line[:2] in ("0 ", "1 ", "2 ")]
    assert said == [f"{int(words[0] in JUDGES)} {' '.join(words)}" for words in lines], ended.stderr
    assert dumped(redis) == before


async def test_no_route_that_looks_changes_a_key(
    opened: Opened, redis: Redis, named: dict[str, str], tmp_path: Path
) -> None:
    paths = [route.path.format_map(named) for route in ROUTES if route.method == "GET"]
    async with listening(opened, tmp_path) as api:
        before = dumped(redis)

        answers = {path: await api.ask("GET", path, "read") for path in (*paths, "/livez", "/readyz", "/metrics")}

        assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
        assert dumped(redis) == before
    assert len(before) > 20
    assert {answer.text for path, answer in answers.items() if path in paths} & {"[]", "{}"} == set()
