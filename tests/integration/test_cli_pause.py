"""`reactor pause` and `reactor resume` against a real server and a real worker: what is paused is not done, then done."""

import asyncio

import pytest
from commands import Commands
from conftest import Opened
from emulated import emulating
from stage import ended, eventually, new_row, planned, working

from reactor.emulator import EmulatorSettings
from reactor.store.ledger import Row
from reactor.store.plans import NewRow


@pytest.fixture
def cli(opened: Opened) -> Commands:
    return Commands(opened)


async def test_a_paused_job_is_performed_soon_after_it_is_resumed(
    opened: Opened, cli: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with emulating() as emulator:
        monkeypatch.setenv("DAYTONA_API_URL", f"{emulator.http.base_url}/api".replace("//api", "/api"))
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        paused = cli("pause", "--reason", "incident 42")
        what = {"operation": "createSandbox", "if_exists": "fail", "parameters": {}, "body": {"name": "box"}}
        await planned(opened, NewRow("row1", "a-rule", "call", "daytona", what, "createSandbox"))
        async with working(opened):
            await eventually(lambda: held(opened))
            before = (await emulator.http.get("/emulator/calls")).json()["calls"]

            resumed = await asyncio.to_thread(cli, "resume")
            row = await ended(opened, "row1")

    assert paused.stdout.splitlines()[1].split()[0] == "all"
    assert "incident 42" in paused.stdout
    assert before.get("createSandbox", 0) == 0
    assert resumed.stdout == "nothing is paused\n"
    assert (row.state, row.attempts) == ("done", 1)


async def held(opened: Opened) -> bool:
    return [pause.held for pause in await opened.store.brakes.pauses()] == [1]


async def test_one_api_or_one_rule_is_paused_by_name(opened: Opened, cli: Commands) -> None:
    cli("pause", "--api", "daytona", "--for", "1h", USER="kim")
    cli("pause", "--rule", "sandbox-for-ready-volume")
    await planned(opened, new_row("row1"), new_row("row2", api="runloop"))

    one, two = await opened.store.ledger.claim(["row1", "row2"], "worker")
    told = cli("pause", "ls").stdout

    assert not isinstance(one, Row)
    assert isinstance(two, Row)
    assert "kim at" in told
    assert [line.split()[0] for line in told.splitlines()[1:]] == ["api:daytona", "rule:sandbox-for-ready-volume"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["pause", "--api", "daytoma"], "did you mean 'daytona'?"),
        (["pause", "--rule", "sandbox-for-redy-volume"], "did you mean 'sandbox-for-ready-volume'?"),
        (["pause", "--api", "a", "--rule", "b"], "one of the two"),
        (["pause", "--for", "soon"], "expected a duration like 90s, 10m, 1h30m or 7d"),
    ],
)
async def test_a_slip_is_answered_with_its_remedy_and_pauses_nothing(
    opened: Opened, cli: Commands, words: list[str], remedy: str
) -> None:
    ended = cli(*words)

    assert ended.returncode != 0
    assert remedy in ended.stderr
    assert await opened.store.brakes.pauses() == []


async def test_in_an_incident_nobody_waits_for_a_configuration(opened: Opened, cli: Commands) -> None:
    paused = cli("pause", "--api", "daytona", REACTOR_CONFIG="/nowhere")

    assert paused.returncode == 0
    assert "warning: names can't be checked" in paused.stderr
    assert len(await opened.store.brakes.pauses()) == 1


async def test_resuming_what_is_not_paused_says_so(cli: Commands) -> None:
    assert cli("resume", "--api", "daytona").stderr.splitlines()[-1] == "that was not paused"


async def test_a_shell_completes_what_may_be_paused(cli: Commands) -> None:
    assert set(cli.completed("pause --api day")) == {"plain,daytona", "plain,daytona-toolbox"}
    assert cli.completed("pause --rule sand") == ["plain,sandbox-for-ready-volume"]
