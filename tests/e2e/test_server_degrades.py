"""The server fails in every way while processes work: they refuse or pause, live on, and recover by themselves."""

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from conftest import binaries
from ports import ReservedPort
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError
from redis.retry import Retry

from e2e.machine import Machine, machine_in, volume_event
from e2e.process import Process, eventually
from reactor.embedded import EmbeddedServer, bound_to_parent, find_server
from reactor.store.keys import shared_keys

SLOWLY = 30_000
"""Microseconds that a loading server takes for each key: with the ballast, longer than anybody waits for it."""


@dataclass(frozen=True)
class Fleet:
    """A machine, its processes, and how to ask whether they can act."""

    machine: Machine
    web: Process
    others: tuple[Process, ...]

    def probe(self) -> int:
        return httpx2.get(f"{self.web.operations_url}/readyz").status_code

    def deliver(self, volume: dict[str, Any], event_id: str = "") -> int:
        return self.machine.deliver(self.web, volume_event(volume, "ready"), event_id or f"msg_{uuid4().hex}")

    def refuses(self) -> bool:
        """Whether a delivery is refused such that it comes again; it is never an error of ours."""
        status = self.deliver({"id": "v", "name": "nobody's"})
        assert status in {204, 503}
        return status == 503

    def all_live(self) -> bool:
        return all(process.popen.poll() is None for process in (self.web, *self.others))


@pytest.fixture(scope="module", params=binaries())
def shared_machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with each server that is found."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REACTOR_VALKEY_BIN", str(binaries()[request.param]))
        with machine_in(tmp_path_factory.mktemp("machine")) as machine:
            yield machine


@pytest.fixture(scope="module")
def fleet(shared_machine: Machine) -> Fleet:
    others = (shared_machine.start("dispatch"), shared_machine.start("work"))
    fleet = Fleet(shared_machine, shared_machine.serve("--no-dispatch"), others)
    for process in (fleet.web, *others):
        process.ready()
    return fleet


def admin(machine: Machine) -> Redis:
    return Redis.from_url(machine.server.url, retry=Retry(NoBackoff(), 0))


@contextmanager
def full_disk(machine: Machine) -> Iterator[None]:
    """The server's files may not grow; what it can't write is said at the next second."""
    pid, kind = machine.server.pid, resource.RLIMIT_FSIZE
    soft, hard = resource.prlimit(pid, kind)
    with admin(machine) as redis:
        redis.config_set("appendfsync", "everysec")
        try:
            resource.prlimit(pid, kind, (1, hard))
            yield
        finally:
            resource.prlimit(pid, kind, (soft, hard))
            redis.config_set("appendfsync", "always")


@contextmanager
def loading(machine: Machine) -> Iterator[None]:
    """The server has started again and reads a file, for as long as the context lasts."""
    with admin(machine) as redis, redis.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set(f"ballast:{number}", "x" * 4000, ex=60)
        pipeline.execute()
        redis.bgrewriteaof()
        eventually(lambda: not persistence(redis)["aof_rewrite_in_progress"])
    directory = machine.server.directory
    command = [
        str(find_server()),
        "--port",
        "0",
        "--unixsocket",
        str(directory / "server.sock"),
        "--dir",
        str(directory),
    ]
    slow = ["--appendonly", "yes", "--key-load-delay", str(SLOWLY), "--loading-process-events-interval-bytes", "1024"]
    machine.server.stop()
    with (
        subprocess.Popen(bound_to_parent([*command, *slow]), stdout=subprocess.DEVNULL) as server,
        admin(machine) as redis,
    ):
        try:
            eventually(lambda: says_loading(redis))
            yield
            redis.config_set("key-load-delay", 0)
            eventually(lambda: not says_loading(redis))
        finally:
            server.terminate()
            server.wait()
            machine.server.restart(timeout=30)


def persistence(redis: Redis) -> dict[str, Any]:
    info: Any = redis.info("persistence")
    return dict(info)


def says_loading(redis: Redis) -> bool:
    try:
        redis.get("reactor:schema")
    except BusyLoadingError:
        return True
    except ConnectionError:
        return False
    return False


@contextmanager
def demoted(machine: Machine) -> Iterator[None]:
    """The server is a replica of another that can't be reached; then it is promoted."""
    with admin(machine) as redis:
        redis.replicaof("127.0.0.1", "1")
        try:
            yield
        finally:
            redis.replicaof("NO", "ONE")


Degraded = Callable[[Machine], AbstractContextManager[None]]
WAYS: dict[str, Degraded] = {"151 a full disk": full_disk, "143 loading": loading, "demoted to a replica": demoted}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_processes_refuse_while_the_server_can_not_and_recover_by_themselves(fleet: Fleet, way: Degraded) -> None:
    machine = fleet.machine
    volume = machine.ready_volume()

    with way(machine):
        eventually(fleet.refuses)
        assert fleet.probe() == 503

    eventually(lambda: fleet.deliver(volume, f"msg_{volume['id']}") == 204)
    eventually(lambda: fleet.probe() == 200)
    eventually(lambda: machine.sandboxes_of(volume))
    assert len(machine.sandboxes_of(volume)) == 1
    assert fleet.all_live()


def test_a_backup_of_before_is_taken_up_and_nothing_is_made_twice(fleet: Fleet, tmp_path: Path) -> None:
    machine = fleet.machine
    kept, lost = machine.ready_volume(), machine.ready_volume()
    assert fleet.deliver(kept, "msg_kept") == 204
    eventually(lambda: machine.is_done("msg_kept"))
    files, backup = machine.server.directory / "appendonlydir", tmp_path / "backup"
    machine.server.stop()
    shutil.copytree(files, backup)
    machine.server.restart()
    eventually(lambda: fleet.deliver(lost, "msg_lost") == 204)
    eventually(lambda: machine.is_done("msg_lost"))

    machine.server.stop()
    shutil.rmtree(files)
    shutil.copytree(backup, files)
    machine.server.restart()
    assert "msg_lost" not in {entry.id for entry in machine.entries()}
    eventually(lambda: fleet.deliver(kept, "msg_kept") == 204)
    eventually(lambda: fleet.deliver(lost, "msg_lost") == 204)

    eventually(lambda: machine.is_done("msg_lost"))
    assert [len(machine.sandboxes_of(volume)) for volume in (kept, lost)] == [1, 1]
    assert machine.is_done("msg_kept")
    assert fleet.all_live()


RQ_KEYS = ("rq:queues", "rq:workers", "rq:queue:reactor", "rq:wip:reactor", "rq:failed:reactor", "rq:workers:reactor")

LOUD = 40
"""Lines in a second that a process may log, whatever is wrong."""


def lines_of(process: Process) -> list[str]:
    """What a process has logged so far."""
    return process.log.read_text("utf-8").splitlines()


def test_keys_that_somebody_else_wrote_end_nobody_and_are_named(fleet: Fleet) -> None:
    keys = [*(key for key, kind in shared_keys("reactor").items() if kind != "string"), *RQ_KEYS]
    processes = (fleet.web, *fleet.others)
    before = [len(lines_of(process)) for process in processes]

    def said(number: int, words: str) -> int:
        """How often a process has said something since the keys are not ours."""
        return sum(words in line for line in lines_of(processes[number])[before[number] :])

    began = time.monotonic()
    with admin(fleet.machine) as redis:
        for key in keys:
            redis.delete(key)
            redis.set(key, "somebody's")

        eventually(lambda: fleet.deliver({"id": "v", "name": "nobody's"}) == 503)
        eventually(lambda: said(1, "dispatch paused") > 2 and said(2, "worker paused") > 2)
        eventually(lambda: said(1, "key reactor:due holds a string"))
        took = time.monotonic() - began
        now = [len(lines_of(process)) for process in processes]
        redis.flushall()

    assert fleet.all_live()
    assert max(after - then for then, after in zip(before, now, strict=True)) < LOUD * took
    eventually(lambda: fleet.probe() == 200)
    volume = fleet.machine.ready_volume()
    event = fleet.machine.announce(fleet.web, volume)
    eventually(lambda: fleet.machine.is_done(event))
    assert fleet.all_live()


def test_a_promoted_replica_at_the_same_address_is_gone_on_with(fleet: Fleet, tmp_path: Path) -> None:
    """How an address moves (a name, a virtual IP) is the operator's; here it is the path of the socket."""
    machine = fleet.machine
    before, after = machine.ready_volume(), machine.ready_volume()
    with (
        ReservedPort() as port,
        EmbeddedServer.start(tmp_path / "replica") as replica,
        Redis.from_url(replica.url) as second,
    ):
        with admin(machine) as first:
            first.config_set("port", port.number)
            first.config_set("repl-diskless-sync-delay", 0)
            second.replicaof("127.0.0.1", str(port.number))
            eventually(lambda: replication(second).get("master_link_status") == "up")
            assert fleet.deliver(before, "msg_before") == 204
            eventually(lambda: machine.is_done("msg_before"))
            first.execute_command("WAIT", 1, 5000)
        machine.server.stop()
        eventually(fleet.refuses)

        second.replicaof("NO", "ONE")
        address = machine.server.directory / "server.sock"
        address.unlink(missing_ok=True)
        address.hardlink_to(replica.directory / "server.sock")

        eventually(lambda: fleet.deliver(before, "msg_before") == 204)
        eventually(lambda: fleet.deliver(after, "msg_after") == 204)
        eventually(lambda: machine.is_done("msg_after"))
        assert machine.is_done("msg_before")
        assert [len(machine.sandboxes_of(volume)) for volume in (before, after)] == [1, 1]
        assert fleet.all_live()


def replication(redis: Redis) -> dict[str, Any]:
    info: Any = redis.info("replication")
    return dict(info)
