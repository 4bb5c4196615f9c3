"""`reactor runs` against a real server: a run is started, listed, shown, completed in the shell and cancelled."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from subprocess import CompletedProcess

import orjson
import pytest
from conftest import CONFIG, Opened
from stage import context_of, eventually

from reactor.apis.client import ApiClient
from reactor.cli.shown import operator
from reactor.handlers.step import step
from reactor.runs.needs import row_id
from reactor.store.ledger import Row

Cli = Callable[..., "CompletedProcess[str]"]

GIVEN = ("--input", "volumeName=data", "--input", "snapshot=base")


@pytest.fixture
def cli(opened: Opened) -> Cli:
    """Run `reactor` with these words, at the test's server and with the shipped configuration."""

    def run(*words: str, **environment: str) -> "CompletedProcess[str]":
        given = {"REACTOR_REDIS_URL": opened.settings.redis_url, "REACTOR_CONFIG": str(CONFIG), **environment}
        command = [sys.executable, "-m", "reactor", *words]
        return subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, timeout=30)

    return run


def completed(cli: Cli, words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    said = cli(_REACTOR_COMPLETE="bash_complete", COMP_WORDS=f"reactor {words}", COMP_CWORD=str(len(words.split())))
    return said.stdout.split()


async def test_a_run_is_started_once_listed_and_shown(cli: Cli) -> None:
    first, second = (cli("runs", "start", "volume-and-sandbox", *GIVEN, "--id", "order-17") for _ in range(2))
    other = cli("runs", "start", "volume-and-sandbox", *GIVEN, "--input", "volumeName=7", "--id", "order-17")
    listed, shown = cli("runs", "ls"), cli("runs", "show", "order-17")
    [as_json] = orjson.loads(cli("runs", "ls", "--json").stdout)

    heading, line = listed.stdout.splitlines()
    assert (first.stdout, second.stdout) == ("run order-17 has started\n", "run order-17 had been started before\n")
    assert "run order-17 began with another workflow or other inputs: give another id or key" in other.stderr
    assert heading.index("STATE") == line.index("running")
    assert heading.index("STEP") == line.index("createVolume")
    assert shown.stdout.splitlines()[0].split() == ["run", "order-17"]
    assert "running at createVolume" in shown.stdout
    assert (as_json["id"], as_json["status"], as_json["step"]) == ("order-17", "running", "createVolume")


async def test_a_run_that_is_waited_for_is_told_move_by_move_and_can_be_cancelled(opened: Opened, cli: Cli) -> None:
    words = ("runs", "start", "volume-and-sandbox", *GIVEN, "--id", "order-17", "--wait")
    waiting = asyncio.create_task(asyncio.to_thread(cli, *words))
    await eventually(lambda: opened.store.runs.get("order-17"))

    cancelled = await asyncio.to_thread(cli, "runs", "cancel", "order-17")
    waited = await waiting
    again = await asyncio.to_thread(cli, "runs", "cancel", "order-17")

    assert cancelled.stdout.split()[2:] == ["createVolume", "cancelled", "cancelled", "by", *operator().split()]
    assert waited.stdout.splitlines()[-1] == cancelled.stdout.rstrip()
    assert (waited.returncode, waited.stderr) == (1, f"Error: the run is over, cancelled: cancelled by {operator()}\n")
    assert (again.returncode, again.stdout) == (0, cancelled.stdout)


async def test_a_run_that_has_succeeded_can_not_be_cancelled(opened: Opened, cli: Cli) -> None:
    cli("runs", "start", "volume-and-sandbox", *GIVEN, "--id", "order-17")
    await opened.store.runs.advance(
        "order-17", 1, {"status": "succeeded", "phase": "succeeded", "generation": "2"}, None
    )

    refused = cli("runs", "cancel", "order-17")

    assert (refused.returncode, refused.stderr) == (1, "Error: run order-17 is over already, succeeded\n")


async def test_the_call_of_a_cancelled_run_is_not_made(opened: Opened, cli: Cli) -> None:
    cli("runs", "start", "volume-and-sandbox", *GIVEN, "--id", "order-17")
    cli("runs", "cancel", "order-17")
    [row] = await opened.store.ledger.claim([row_id("order-17", 1)], "worker")
    client = ApiClient(connections=1, private=())

    assert isinstance(row, Row)
    ending = await step(row, context_of(opened, client))
    await client.close()

    assert (ending.state, ending.result) == ("done", {"how": "moved on already"})


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["runs", "show", "gone"], "there is no run 'gone'; `reactor runs ls` lists them"),
        (["runs", "cancel", "gone"], "there is no run 'gone'; `reactor runs ls` lists them"),
        (["runs", "start", "volume-and-sandbx"], "did you mean 'volume-and-sandbox'?"),
        (["runs", "start", "volume-and-sandbox"], "not given: --input volumeName=… --input snapshot=…"),
        (["runs", "start", "volume-and-sandbox", "--input", "x"], "found 'x', expected NAME=VALUE"),
        (["runs", "start", "volume-and-sandbox", "--input", "snapsho=x"], "did you mean 'snapshot'?"),
    ],
)
async def test_a_slip_is_answered_with_its_remedy(cli: Cli, words: list[str], remedy: str) -> None:
    ended = cli(*words)

    assert ended.returncode != 0
    assert remedy in ended.stderr
    assert ended.stdout == ""


async def test_a_shell_completes_workflows_and_runs(cli: Cli) -> None:
    cli("runs", "start", "volume-and-sandbox", *GIVEN, "--id", "order-17")

    assert completed(cli, "runs start vol") == ["plain,volume-and-sandbox"]
    assert completed(cli, "runs start ./") == ["file,./"]
    assert completed(cli, "runs show ord") == ["plain,order-17"]
    assert completed(cli, "runs cancel x") == []


async def test_completing_without_a_server_is_silent(cli: Cli) -> None:
    silent = cli(
        _REACTOR_COMPLETE="bash_complete", COMP_WORDS="reactor runs show x", COMP_CWORD="3", REACTOR_REDIS_URL=""
    )

    assert (silent.stdout.split(), silent.stderr) == ([], "")
