"""One look at the whole reactor: what is wrong is said with what to do, and by the exit status."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from asked import listening
from commands import Commands
from conftest import CONFIG, Opened
from stage import append, logged, new_row, planned, volume
from test_jobs import ended

from reactor.config import load_config
from reactor.operator.status import Line, Seen, judged, look
from reactor.queue import JobQueue, Ticket
from reactor.reload import ACCEPT, CHECK, Told
from reactor.store.brakes import TARGETS, Scope
from reactor.store.reconciles import Mark
from reactor.store.revisions import Process

MINUTES = 600_000


def process(role: str, *, refused: str = "", remedy: str = CHECK, deliveries: Told | None = None) -> Process:
    revision = load_config(CONFIG).revision
    return Process(f"{role}-1", role, "web-1", revision, 0.0, 1, refused, remedy, deliveries or {})


async def alive(opened: Opened, *processes: Process) -> None:
    for each in processes or (process("serve"), process("work")):
        await opened.store.revisions.report(each, time.time())


async def seen(opened: Opened, later: int = 0) -> Seen:
    """What there is to see, `later` milliseconds from now."""
    found = await look(opened.store, load_config(CONFIG))
    return replace(found, now=found.now + later)


def wrong(found: Seen) -> list[Line]:
    return [line for line in judged(found) if line.level == "wrong"]


async def test_where_all_is_well_nothing_is_wrong(opened: Opened) -> None:
    await alive(opened)
    await logged(opened, volume("ready"))
    await opened.store.reconciles.hear("daytona", int(time.time() * 1000))

    found = await seen(opened)

    assert wrong(found) == []
    assert {line.about: line.level for line in judged(found)} == {
        "server": "ok",
        "processes": "ok",
        "configuration": "ok",
        "rules": "ok",
        "webhooks of daytona": "ok",
        "events": "ok",
        "jobs": "ok",
    }


async def _dead(opened: Opened) -> None:
    await planned(opened, new_row(body={}), entry=(await append(opened, volume("ready"))).entry)
    await ended(opened, "row1", "dead")


async def _late(opened: Opened) -> None:
    await planned(opened, new_row(body={}), entry=(await append(opened, volume("ready"))).entry)


async def _aside(opened: Opened) -> None:
    [entry] = await logged(opened, volume("ready"))
    await opened.store.log.set_aside(entry)


async def _undecided(opened: Opened) -> None:
    await append(opened, volume("ready"))


async def _gate(opened: Opened) -> None:
    await opened.store.brakes.close_gate("daytona", "getVolume answered 401: key refused", 600)


async def _untold(opened: Opened) -> None:
    await opened.store.brakes.close_gate(TARGETS, "secret OPS_SLACK_URL is empty", 600, operation="ops-slack")


async def _silent(opened: Opened) -> None:
    await opened.store.reconciles.keep("daytona", Mark(), Mark(1, 1, 3, silent=True))


async def _forged(opened: Opened) -> None:
    told = {"daytona": {"no_match": (14, int(time.time() * 1000))}}
    await alive(opened, process("serve", deliveries=told))


async def _foreign(opened: Opened) -> None:
    told = {"daytona": {"wrong_organization": (2, int(time.time() * 1000))}}
    await alive(opened, process("serve", deliveries=told))


async def _refusing(opened: Opened) -> None:
    await alive(opened, process("work", refused="rules/a.yaml:3:1: unknown key\nmore"))


WRONG: dict[str, tuple[Callable[[Opened], Awaitable[None]], str, str, str]] = {
    "a job is dead": (_dead, "jobs", "1 dead", "reactor jobs ls --dead"),
    "nobody enqueues what is due": (_late, "jobs", "the latest one is due since", "due poller"),
    "an event is set aside": (_aside, "events", "1 are set aside", "reactor events ls --aside"),
    "no dispatcher decides": (_undecided, "events", "nobody has decided on", "reactor dispatch"),
    "a key is refused": (_gate, "gates", "answered 401: key refused", "DAYTONA_API_KEY"),
    "a target has no URL": (
        _untold,
        "targets",
        "told anything at ops-slack, jobs wait: secret OPS_SLACK_URL is empty",
        "config/targets.yaml",
    ),
    "webhooks are silent": (_silent, "webhooks of daytona", "no webhook comes", "at the provider"),
    "deliveries are signed by another secret": (_forged, "webhooks of daytona", "14 refused (no_match)", "the secret"),
    "deliveries are of another organization": (
        _foreign,
        "webhooks of daytona",
        "2 refused (wrong_organization)",
        "config/sources.yaml",
    ),
    "a process refuses what is on disk": (_refusing, "configuration", "rules/a.yaml:3:1: unknown key", "reactor check"),
}


@pytest.mark.parametrize(("happen", "about", "says", "remedy"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_said_with_what_to_do(
    opened: Opened, happen: Callable[[Opened], Awaitable[None]], about: str, says: str, remedy: str
) -> None:
    await alive(opened)
    await happen(opened)

    found = wrong(await seen(opened, later=60_000))

    [line] = [line for line in found if line.about == about and says in line.says]
    assert remedy in line.remedy


@pytest.mark.parametrize(("living", "lost"), [("serve", "no job is performed"), ("work", "no webhook is received")])
async def test_a_process_that_is_missing_is_named(opened: Opened, living: str, lost: str) -> None:
    await alive(opened, process(living))

    [line] = wrong(await seen(opened))

    assert lost in line.says
    assert line.remedy.startswith("start `reactor ")


async def test_refusals_before_the_last_accepted_webhook_are_a_note(opened: Opened) -> None:
    now = int(time.time() * 1000)
    told = {
        "daytona": {"no_match": (1, now - MINUTES), "accepted": (9, now)},
        "(unknown)": {"unknown_source": (3, now)},
    }
    await alive(opened, process("serve", deliveries=told), process("work"))
    await opened.store.reconciles.hear("daytona", now)

    found = await seen(opened)

    assert wrong(found) == []
    notes = [line.says.partition(" since")[0] for line in judged(found) if line.level == "note"]
    assert notes == ["3 refused (unknown_source)", "1 refused (no_match)"]


async def test_a_pause_is_a_note_that_says_how_to_end_it(opened: Opened) -> None:
    await alive(opened)
    await opened.store.brakes.pause(Scope("api", "daytona"), by="kim", reason="incident 42")

    found = await seen(opened)

    assert wrong(found) == []
    [line] = [line for line in judged(found) if line.about == "paused"]
    assert "by kim (incident 42), holds 0 jobs" in line.says
    assert line.remedy == "reactor resume --api daytona"


async def test_the_command_and_the_api_say_the_same_and_the_exit_status_is_for_a_monitor(
    opened: Opened, tmp_path: Path
) -> None:
    cli = Commands(opened)
    await alive(opened)

    good = await asyncio.to_thread(cli, "status")
    await _dead(opened)
    bad = await asyncio.to_thread(cli, "status", "--json")
    async with listening(opened, tmp_path) as api:
        answered = (await api.ask("GET", "/status", "read")).json()

    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "nothing is wrong")
    assert (bad.returncode, bad.stderr) == (1, "")
    printed = orjson.loads(bad.stdout)
    assert printed["ok"] is answered["ok"] is False
    told = [[(line["about"], line["level"], line["remedy"]) for line in each["lines"]] for each in (printed, answered)]
    assert told[0] == told[1]
    assert ("jobs", "wrong", "reactor jobs ls --dead") in told[0]


async def test_a_broken_directory_keeps_nobody_from_looking(opened: Opened, tmp_path: Path) -> None:
    config = load_config(CONFIG)
    await opened.store.revisions.keep(config.revision, config.texts)
    await alive(opened)
    broken = shutil.copytree(CONFIG, tmp_path / "config")
    (broken / "rules" / "volumes.yaml").write_text("rules: [", "utf-8")

    cli = Commands(opened, {"REACTOR_CONFIG": str(broken)})
    await logged(opened, volume("ready"))

    said = await asyncio.to_thread(cli, "status")
    explained = await asyncio.to_thread(cli, "explain", "msg_0")
    compared = await asyncio.to_thread(cli, "reload")

    assert explained.returncode == 0
    assert "no dispatcher has decided on it yet" in explained.stdout
    assert f"by the revision in force, {config.revision}" in explained.stderr
    assert compared.returncode == 1
    assert f"serve       {config.revision}" in compared.stdout
    assert "volumes.yaml" in compared.stderr
    assert said.returncode == 1
    assert "WRONG  configuration" in said.stdout
    assert "volumes.yaml" in said.stdout
    assert "webhooks of daytona" in said.stdout


async def test_rules_that_are_held_back_are_said_with_what_lets_them_in_and_those_in_force_are_counted(
    opened: Opened, tmp_path: Path
) -> None:
    config = load_config(CONFIG)
    await opened.store.revisions.keep(config.revision, config.texts)
    held = "revision abc has 0 rules where def has 1"
    await alive(opened, process("serve", refused=held, remedy=ACCEPT), process("work", refused=held, remedy=ACCEPT))
    smaller = shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("rules"))

    said = await asyncio.to_thread(Commands(opened, {"REACTOR_CONFIG": str(smaller)}), "status")

    assert f"stays in force (serve on web-1, work on web-1): {held}\n" in said.stdout
    assert "→ reactor reload --accept-shrink\n" in said.stdout
    assert "reactor check" not in said.stdout
    assert "  1 act\n" in said.stdout


async def test_what_names_say_does_not_steer_the_terminal(opened: Opened) -> None:
    await opened.store.brakes.pause(Scope(), by="kim", reason="\x1b[2J\r\u202e")

    said = await asyncio.to_thread(Commands(opened), "status")

    assert r"\x1b[2J\r\u202e" in said.stdout


async def test_a_queue_that_has_jobs_and_no_worker_is_wrong(opened: Opened) -> None:
    await alive(opened)
    await opened.queue.enqueue([Ticket("row1", queue="heavy"), Ticket("row2", queue="heavy")])

    unserved = wrong(await seen(opened))
    worker = JobQueue(opened.settings.redis_url, opened.settings.instance, opened.store.redis, "heavy")
    await worker.presence(ttl=60.0).beat(busy=False, done=0, failed=0)
    served = wrong(await seen(opened))
    worker.close()

    assert unserved == [Line("jobs", "wrong", "queue heavy has 2 and no worker", "start `reactor work --queue heavy`")]
    assert served == []
