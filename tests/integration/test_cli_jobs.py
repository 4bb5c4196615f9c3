"""`reactor jobs` against a real server: listed, shown, retried after a preview, cancelled, completed in the shell."""

import pytest
from commands import Commands
from conftest import Opened
from redis import Redis
from stage import append, claimed, new_row, now_ms, planned, volume
from test_jobs import ended, in_every_state

from reactor.store.plans import NewRow


@pytest.fixture
def cli(opened: Opened) -> Commands:
    return Commands(opened)


async def test_jobs_are_listed_with_what_went_wrong(opened: Opened, cli: Commands) -> None:
    await in_every_state(opened)

    heading, *lines = cli("jobs", "ls").stdout.splitlines()
    dead = cli.json("jobs", "ls", "--dead")

    assert heading.split()[:3] == ["JOB", "STATE", "TRIES"]
    assert {tuple(line.split()[:2]) for line in lines} == {
        (state, state) for state in ("dead", "unknown", "due", "running")
    }
    assert [(job["id"], job["state"], job["error"]) for job in dead] == [("dead", "dead", "because")]


async def test_an_empty_list_says_which_jobs_it_can_not_have(opened: Opened, cli: Commands) -> None:
    await planned(opened)
    await ended(opened, "row1", "done")

    every = cli("jobs", "ls", "--rule", "a-rule")
    dead = cli("jobs", "ls", "--dead", "--api", "daytona", "--since", "1h")
    listed = cli("jobs", "ls", "--json")

    assert (every.returncode, every.stdout) == (0, "")
    assert every.stderr == (
        "no job of rule a-rule is dead, unknown, running, due or waiting; done and cancelled ones are not listed: "
        "`reactor explain EVENT` names the jobs of an event\n"
    )
    assert dead.stderr.startswith("no job for API daytona is dead since then; done and cancelled ones are not listed")
    assert listed.stdout.strip() == "[]"


async def test_a_job_is_shown_with_its_event_and_its_remedy(opened: Opened, cli: Commands) -> None:
    appended = await append(opened, volume("ready"))
    await planned(opened, new_row(body={"name": "build-1"}), entry=appended.entry)
    await ended(opened, "row1", "unknown", "the reply was lost")

    shown = cli.json("jobs", "show", "row1")
    told = cli("jobs", "show", "row1").stdout

    assert (shown["event"], shown["entry"]) == ("msg_1", appended.entry)
    assert shown["accepted"] <= now_ms()
    assert shown["asks"] == {"body": {"name": "build-1"}}
    assert "look at daytona whether it acted" in shown["remedy"]
    assert "the reply was lost" in told
    assert "reactor jobs retry row1" in told


async def test_a_job_behind_a_gate_says_why(opened: Opened, cli: Commands) -> None:
    await planned(opened, new_row())
    await opened.store.brakes.close_gate("daytona", "the key is refused", 60.0)

    assert "the key is refused" in cli.json("jobs", "show", "row1")["remedy"]


async def test_a_job_that_a_pause_holds_says_so_and_what_lets_it_go(opened: Opened, cli: Commands) -> None:
    await planned(opened, new_row("row1"), new_row("row2", api="runloop"))
    cli("pause", "--api", "daytona")

    held, free = [cli.json("jobs", "show", job) for job in ("row1", "row2")]

    assert (held["state"], held["paused"]) == ("due", ["api:daytona"])
    assert "`reactor resume --api daytona`" in held["remedy"]
    assert (free["paused"], free["remedy"]) == ([], "a worker takes it when its time has come")
    assert "paused" not in cli("jobs", "show", "row2").stdout


async def test_what_filters_find_is_shown_and_not_touched_unless_one_says_so(opened: Opened, cli: Commands) -> None:
    await planned(opened, new_row("row1"), new_row("row2", api="runloop"))
    await ended(opened, "row1", "dead")
    await ended(opened, "row2", "dead")

    previewed = cli("jobs", "retry", "--dead", "--dry-run")
    unasked = cli("jobs", "retry", "--dead")
    before = [job["state"] for job in cli.json("jobs", "ls")]
    done = cli("jobs", "retry", "--dead", "--api", "daytona", "--yes")

    assert {line.split()[0] for line in previewed.stdout.splitlines()} == {"JOB", "row1", "row2"}
    assert (unasked.returncode, unasked.stderr.count("--yes does it")) == (1, 1)
    assert before == ["dead", "dead"]
    assert done.stdout == "row1 is due\n"
    assert {job["id"]: job["state"] for job in cli.json("jobs", "ls")} == {"row1": "due", "row2": "dead"}


async def test_who_retried_a_job_and_when_is_kept_with_it(opened: Opened, cli: Commands) -> None:
    await planned(opened)
    await ended(opened, "row1", "dead")

    cli("jobs", "retry", "row1", USER="kim")
    audit = cli("jobs", "show", "row1").stdout

    assert "kim at " in audit
    assert "retry (was dead)" in audit


async def test_jobs_that_can_not_be_mended_are_named_and_the_others_are_mended(opened: Opened, cli: Commands) -> None:
    await in_every_state(opened)

    ended = cli("jobs", "retry", "done", "dead", "due")

    assert ended.returncode == 1
    assert ended.stdout == "dead is due\n"
    assert "job done is done: that is final" in ended.stderr
    assert "job due is due: there is nothing to retry yet" in ended.stderr


async def test_the_moves_of_runs_are_left_to_runs(opened: Opened, cli: Commands) -> None:
    what = {"run": "order-17", "generation": 1}
    await planned(opened, NewRow("move", "", "step", "daytona", what), NewRow("later", "", "step", "daytona", what))
    await ended(opened, "move", "dead")

    retried, cancelled = cli("jobs", "retry", "move"), cli("jobs", "cancel", "later")
    found = cli.json("jobs", "retry", "--dead", "--dry-run")

    assert "`reactor runs retry msg_1`" in retried.stderr
    assert "`reactor runs cancel msg_1`" in cancelled.stderr
    assert found == []


async def test_a_job_is_cancelled(opened: Opened, cli: Commands) -> None:
    await in_every_state(opened)

    assert cli("jobs", "cancel", "--dead", "--unknown", "--yes").returncode == 0
    assert cli("jobs", "cancel", "due").stdout == "due is cancelled\n"
    assert [job["id"] for job in cli.json("jobs", "ls")] == ["running"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["jobs", "show", "gone"], "there is no job 'gone'; `reactor jobs ls` lists them"),
        (["jobs", "retry"], "name jobs, or give filters such as --dead"),
        (["jobs", "retry", "x", "--dead"], "one of the two"),
        (["jobs", "ls", "--since", "yesterday"], "expected a duration like 90s, 10m, 1h30m or 7d"),
    ],
)
async def test_a_slip_is_answered_with_its_remedy(cli: Commands, words: list[str], remedy: str) -> None:
    ended = cli(*words)

    assert ended.returncode != 0
    assert remedy in ended.stderr
    assert ended.stdout == ""


async def test_a_shell_completes_jobs(opened: Opened, cli: Commands) -> None:
    await planned(opened, new_row("aaa1"), new_row("bbb2"))
    await claimed(opened, "bbb2")

    assert cli.completed("jobs show aa") == ["plain,aaa1"]
    assert cli.completed("jobs retry bb") == ["plain,bbb2"]
    assert cli("jobs", "ls", REACTOR_REDIS_URL="redis://127.0.0.1:1").returncode == 1


async def test_looking_at_an_empty_server_writes_nothing(cli: Commands, redis: Redis) -> None:
    redis.flushall()

    assert cli("jobs", "ls").returncode == 0
    assert redis.keys("*") == []
