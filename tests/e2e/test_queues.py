"""Queues beside the main one, with workers of their own: ours, and a stock `rq worker` that forks for each job."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis

from e2e.machine import CONFIG, Machine, volume_event
from e2e.process import Process, descendants, eventually, is_alive
from e2e.users import refused, users_of
from reactor.embedded import bound_to_parent
from reactor.store.ledger import Row

HANDLERS = """
import os
from pathlib import Path
from pydantic import BaseModel
from reactor.plugins import Job

class Work(BaseModel):
    at: Path

def burn(work: Work, job: Job) -> dict:
    (work.at / f"began-{job.attempt}").touch()
    while not (work.at / "release").exists():
        pass
    return {"pid": os.getpid()}

async def hold_the_loop(work: Work, job: Job) -> dict:
    return burn(work, job)

def note(work: Work, job: Job) -> None:
    (work.at / "noted").touch()
"""

ENTRY_POINTS = """\
[reactor.handlers]
burn = heavy_handlers:burn
hold-the-loop = heavy_handlers:hold_the_loop
note = heavy_handlers:note
"""

RULES = """\
rules:
  - name: heavy
    on: volume.state.updated
    match: {{name: {{prefix: heavy-}}}}
    do:
      - {{perform: {handler}, queue: heavy, arguments: {{at: {at}}}}}
      - {{perform: note, arguments: {{at: {at}}}}}
  - name: light
    on: volume.state.updated
    match: {{name: {{prefix: light-}}}}
    do:
      - {{perform: note, arguments: {{at: {at}}}}}
"""


@pytest.fixture
def site(machine: Machine, tmp_path: Path) -> Path:
    """An installed package that offers handlers, for every process of the machine."""
    site = tmp_path / "site"
    (site / "heavy_handlers-1.0.dist-info").mkdir(parents=True)
    (site / "heavy_handlers.py").write_text(HANDLERS)
    (site / "heavy_handlers-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy-handlers\n")
    (site / "heavy_handlers-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


@pytest.fixture
def configured(machine: Machine, site: Path, tmp_path: Path) -> Callable[[str], Path]:
    def configured(handler: str) -> Path:
        """A configuration that has this handler performed on the queue `heavy`; the place where handlers leave notes."""
        notes, directory = tmp_path / "notes", tmp_path / "config"
        notes.mkdir()
        shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
        (directory / "rules").mkdir()
        (directory / "rules" / "r.yaml").write_text(RULES.format(handler=handler, at=notes), "utf-8")
        (directory / "queues.yaml").write_text("queues:\n  heavy: {description: burns CPU}\n", "utf-8")
        machine.environment |= {"REACTOR_CONFIG": str(directory), "PYTHONPATH": str(site)}
        return notes

    return configured


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """One whose environment is the test's own."""
    return Machine(machine.directory, machine.server, dict(machine.environment), machine.processes, machine.numbers)


def our_worker(machine: Machine, url: str) -> Process:
    return machine.start("work", "--queue", "heavy", REACTOR_REDIS_URL=url)


def stock_worker(machine: Machine, url: str) -> Process:
    """As docs/operations.md says it."""
    command = [str(Path(sys.executable).parent / "rq"), "worker", "--url", url, "--serializer", "json"]
    command += ["--job-class", "reactor.stock.RowJob", "--worker-ttl", "60", "reactor.heavy"]
    base = machine.directory / f"{next(machine.numbers):03}-rq"
    output, log = base.with_suffix(".out"), base.with_suffix(".log")
    with output.open("wb") as out, log.open("wb") as err:
        popen = subprocess.Popen(
            bound_to_parent(command), env=machine.environment, stdout=out, stderr=err, start_new_session=True
        )
    machine.processes.append(process := Process(popen, output, log))
    return process


WORKERS = {"ours": (our_worker, "hold-the-loop"), "stock": (stock_worker, "burn")}


def announced(machine: Machine, web: Process, name: str) -> str:
    event_id = f"msg_{uuid4().hex}"
    body = volume_event({"id": f"vol-{event_id}", "name": name}, "ready")
    assert machine.deliver(web, body, event_id) == 204
    return event_id


def states(machine: Machine, event_id: str) -> list[str]:
    return [job.state for job in machine.jobs(event_id)]


@pytest.mark.parametrize("kind", WORKERS)
def test_what_burns_cpu_on_its_queue_delays_nothing_on_the_main_one(
    machine: Machine, configured: Callable[[str], Path], kind: str
) -> None:
    start, handler = WORKERS[kind]
    notes = configured(handler)
    with Redis.from_url(machine.server.url) as admin:
        users = users_of(machine, admin)
        web = machine.serve(REACTOR_REDIS_URL=users["dispatch"])
        main = machine.start("work", REACTOR_REDIS_URL=users["work"])
        start(machine, users["work"] if kind == "ours" else machine.server.url)

        heavy = announced(machine, web, "heavy-1")
        eventually((notes / "began-1").exists)
        light = announced(machine, web, "light-1")
        eventually(lambda: machine.is_done(light))
        assert states(machine, heavy) == ["running", "waiting"]

        (notes / "release").touch()
        eventually(lambda: states(machine, heavy) == ["done", "done"])
        assert machine.jobs(heavy)[0].result["data"]["pid"] != main.popen.pid
        assert refused(admin) == []


@pytest.mark.parametrize("kind", WORKERS)
def test_what_a_killed_worker_of_a_queue_had_in_hand_is_performed_by_the_next(
    machine: Machine, configured: Callable[[str], Path], kind: str
) -> None:
    start, _ = WORKERS[kind]
    notes = configured("burn")
    web, main = machine.serve(), machine.start("work")
    main.ready()
    victim = start(machine, machine.server.url)
    heavy = announced(machine, web, "heavy-1")
    eventually((notes / "began-1").exists)

    first = lease_of(machine, heavy)
    eventually(lambda: lease_of(machine, heavy) > first)  # it is renewed, by the child of a stock worker, too
    for pid in (victim.popen.pid, *descendants(victim.popen.pid)):
        subprocess.run(["kill", "-9", str(pid)], check=True)
    eventually(lambda: not is_alive(victim.popen.pid))
    start(machine, machine.server.url)
    eventually((notes / "began-2").exists)
    (notes / "release").touch()

    eventually(lambda: states(machine, heavy) == ["done", "done"])
    [row, _] = machine.jobs(heavy)
    assert (row.attempts, row.fence) == (2, 2)
    assert victim.wait() == -signal.SIGKILL


def lease_of(machine: Machine, event_id: str) -> int:
    row: Row = machine.jobs(event_id)[0]
    with Redis.from_url(machine.server.url) as redis:
        return int(redis.hget(f"reactor:row:{row.id}", "lease") or 0)


def test_a_queue_that_is_not_declared_has_no_worker(machine: Machine, configured: Callable[[str], Path]) -> None:
    configured("burn")

    ended = machine.run("work", "--queue", "hevy")

    assert ended.returncode == 1
    assert "found 'hevy', expected one of 'heavy', 'main'; did you mean 'heavy'?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_everything_on_this_machine_has_a_worker_for_each_queue(
    machine: Machine, configured: Callable[[str], Path], tmp_path: Path
) -> None:
    configured("burn")
    options = ("--config", machine.environment["REACTOR_CONFIG"], "--port=0", "--emulator-port=0")

    dev = machine.start("dev", "--data", str(tmp_path / "dev"), *options)
    eventually(lambda: "Ctrl-C ends everything" in dev.said or dev.popen.poll() is not None)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in descendants(dev.popen.pid)]
    ended = dev.stop()

    assert [command[-3:-1] for command in commands if b"--queue" in command] == [[b"--queue", b"heavy"]]
    assert ended == 0
