"""What is done to stock RQ, and how what came of it is counted, where one job that ended is not all of it."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ConnectionError, RedisError
from redis.retry import Retry as NoRetry
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from bench.faults import jobs
from bench.faults.stock import PATIENCE, Cause, Judge, Trial, effects, one_job

READERS = 8

ENOUGH = 200
"""Jobs or events that are acknowledged before the server is killed under further ones."""

RQ = str(Path(sys.executable).parent / "rq")
BOMB = 200 * 1024 * 1024
"""Characters of an argument that is 200 KiB where it is stored."""


def after(seconds: float, harm: Cause) -> Cause:
    """Harm a while after the job has acted."""

    def later(case: Trial) -> None:
        time.sleep(seconds)
        harm(case)

    return later


def down(seconds: float) -> Cause:
    """The server can't be reached for so long: its address is gone, and every connection is cut."""

    def harm(case: Trial) -> None:
        address = case.server.directory / "server.sock"
        hidden = address.rename(address.with_name("hidden"))
        with Redis(unix_socket_path=str(hidden)) as admin:
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        case.redis.close()
        time.sleep(seconds)
        hidden.rename(address)

    return harm


def frozen(seconds: float) -> Cause:
    """The server stands still for so long."""

    def harm(case: Trial) -> None:
        os.kill(case.server.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(case.server.pid, signal.SIGCONT)

    return harm


def paused(seconds: float) -> Cause:
    """The worker and its horse stand still; another worker is there meanwhile."""

    def harm(case: Trial) -> None:
        session = str(case.workers[0].pid)
        shown = subprocess.run(["ps", "-s", session, "-o", "pid="], capture_output=True, text=True, check=True).stdout
        for pid in map(int, shown.split()):
            os.kill(pid, signal.SIGSTOP)
        case.work()
        time.sleep(seconds)
        for pid in map(int, shown.split()):
            os.kill(pid, signal.SIGCONT)

    return harm


def setting(name: str, value: str, back: str, seconds: float) -> Cause:
    """The server has another setting for so long."""

    def harm(case: Trial) -> None:
        case.redis.config_set(name, value)
        time.sleep(seconds)
        case.redis.config_set(name, back)

    return harm


def a_replica(seconds: float) -> Cause:
    """The server takes no writes for so long, as after a failover that went wrong."""

    def harm(case: Trial) -> None:
        case.redis.replicaof("127.0.0.1", "1")
        time.sleep(seconds)
        case.redis.replicaof("NO", "ONE")

    return harm


def scripts_flushed(case: Trial) -> None:
    """The server forgets its scripts."""
    case.redis.script_flush()


def all_flushed(case: Trial) -> None:
    """The server forgets everything but what the jobs count."""
    for key in case.redis.scan_iter("rq:*"):
        case.redis.delete(key)


def told_to_end(*, times: int = 1, group: bool = False) -> Cause:
    """The worker, or all of its processes, get SIGTERM."""

    def harm(case: Trial) -> None:
        for _ in range(times):
            pids = [case.workers[0].pid]
            if group:
                shown = subprocess.run(
                    ["ps", "-s", str(pids[0]), "-o", "pid="], capture_output=True, text=True, check=True
                )
                pids = [int(pid) for pid in shown.stdout.split()]
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
            time.sleep(1.5)

    return harm


class _Unanswered(Pipeline):
    """The transaction that puts a job into its queue: its reply is lost, the first time."""

    answers = False

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: Any) -> Any:
        reply = super()._execute_transaction(connection, commands, raise_on_error)
        if not self.answers and any(command[0][0] == "RPUSH" for command in commands):
            self.answers = True
            raise ConnectionError("the reply was lost")
        return reply


class _Client(Redis):
    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        return _Unanswered(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def enqueue_unanswered(case: Trial) -> None:
    """The reply of the enqueue is lost; the client, as redis-py makes it, asks again by itself."""
    client: Any = _Client(unix_socket_path=str(case.server.directory / "server.sock"))
    case.enqueue(jobs.acts, redis=client)
    client.close()
    case.work()
    case.hit()


def given_again(case: Trial) -> None:
    """A job of the same id is enqueued again, uniquely, once the first has ended and its result is forgotten."""
    for _ in range(2):
        case.enqueue(jobs.acts, job_id="the-same", unique=True, result_ttl=1)
        if len(case.workers) == 0:
            case.work()
        case.hit()
        case.until(lambda: not case.redis.exists(Job.key_for("the-same")), 20)


def server_killed(case: Trial) -> None:
    """Jobs are enqueued one after the other until the server is killed; it starts again on what it had written."""
    told: list[str] = []
    client = Redis.from_url(case.server.url, retry=NoRetry(NoBackoff(), 0))
    killer = threading.Timer(0.1, os.kill, (case.server.pid, signal.SIGKILL))
    with suppress(RedisError):
        while True:
            told.append(case.enqueue(jobs.acts, redis=client).id)
            if len(told) == ENOUGH:
                killer.start()
    killer.join()
    case.server.restart(timeout=30)
    case.redis.set("told", len(told))
    case.redis.set("lost", sum(not case.redis.exists(Job.key_for(job)) for job in told))


def counted(case: Trial) -> str:
    """How often jobs acted."""
    return effects(case.effects())


def without_file(cause: Cause) -> Cause:
    """The server keeps no append-only file, as by default."""

    def harm(case: Trial) -> None:
        case.redis.config_set("appendonly", "no")
        for path in case.server.directory.glob("appendonlydir/*"):
            path.unlink()
        cause(case)

    return harm


def lost(case: Trial) -> str:
    """How many acknowledged jobs are gone."""
    return f"{int(case.redis.get('lost') or 0)} of {int(case.redis.get('told') or 0):,} acknowledged jobs lost"


def abandoned(case: Trial) -> None:
    """A container is killed in the middle of a job, and nobody looks until RQ takes the job for abandoned."""
    one_job(jobs.takes_all_along, heir=False)(case)
    registry = StartedJobRegistry("q0", connection=case.redis)
    assert case.until(lambda: _overdue(case, registry), 2 * PATIENCE), "the job was not abandoned"


def _overdue(case: Trial, registry: StartedJobRegistry) -> bool:
    return bool(case.redis.zcount(registry.key, 0, time.time() - 2))  # RQ counts in whole seconds


class _AtOnce(StartedJobRegistry):
    """The registry as one of several readers has it, who have all seen what is overdue before one of them goes on."""

    def __init__(self, redis: Redis, together: threading.Barrier) -> None:
        super().__init__("q0", connection=redis)
        self._together = together

    def get_expired_job_ids(self, timestamp: float | None = None) -> list[str]:
        """What is overdue."""
        found: list[str] = super().get_expired_job_ids(timestamp)
        self._together.wait()
        return found


def read_by_many(case: Trial) -> None:
    """Eight programs look at an abandoned job at once; then a worker is there."""
    abandoned(case)
    together = threading.Barrier(READERS, timeout=PATIENCE)

    def look(_: int) -> None:
        with Redis.from_url(case.server.url) as redis:
            _AtOnce(redis, together).count  # noqa: B018  # reading it is what is tried

    with ThreadPoolExecutor(READERS) as readers:
        list(readers.map(look, range(READERS)))
    case.redis.set("queued", case.queue().count)
    case.work()


def queued_and_run(case: Trial) -> str:
    """How often it stood in the queue, and acted."""

    def over() -> bool:
        return not case.queue().count and not case.redis.exists(f"rq:queue:{case.queue().name}:intermediate")

    assert case.until(over, PATIENCE), "the queue was not emptied"
    case.until(lambda: case.effects() > int(case.redis.get("queued") or 0), 5.0)
    return f"queued {int(case.redis.get('queued') or 0)} times, {effects(case.effects())}"


def looked_at(case: Trial) -> None:
    """`rq info` looks at an abandoned job."""
    abandoned(case)
    before = contents(case.redis)
    subprocess.run([RQ, "info", "-u", case.server.url], capture_output=True, check=False, timeout=60)
    now = contents(case.redis)
    changed = {key.decode() for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    kinds = {key.replace(case.job.id, "…") if case.job else key for key in changed}
    case.redis.set("changed", ", ".join(sorted(kinds)))


def contents(redis: Redis) -> dict[bytes, Any]:
    """Every key with what it holds."""
    return {key: redis.dump(key) for key in redis.scan_iter(count=1000)}


def changed(case: Trial) -> str:
    """Which keys are not as before."""
    found: Any = case.redis.get("changed")
    return f"changed by looking: {(found or b'nothing').decode()}"


def scheduler_killed(case: Trial) -> None:
    """A job is due in 5 s; the scheduler beside the worker is killed before."""
    case.job = case.queue().enqueue_in(timedelta(seconds=5), jobs.acts, case.server.url)
    worker = case.work(scheduler=True)
    case.until(lambda: case.redis.exists("rq:scheduler-lock:q0"))
    shown = subprocess.run(["ps", "--ppid", str(worker.pid), "-o", "pid="], capture_output=True, text=True, check=False)
    [scheduler] = map(int, shown.stdout.split())
    os.kill(scheduler, signal.SIGKILL)
    case.struck = time.monotonic()


def broken_entry(case: Trial) -> None:
    """Among what is scheduled is a job that has nothing in it; another one is due in 2 s."""
    case.redis.hset(Job.key_for("broken"), "created_at", "2026-01-01T00:00:00Z")
    case.redis.zadd("rq:scheduled:q0", {"broken": 1})
    case.job = case.queue().enqueue_in(timedelta(seconds=2), jobs.acts, case.server.url)
    case.work(scheduler=True)
    case.struck = time.monotonic()


def broken_job(case: Trial) -> None:
    """Before a job stands one whose hash can't be read; the worker is started again when it ends, up to three times."""
    case.redis.hset(Job.key_for("broken"), mapping={"created_at": "yesterday", "data": b"x", "status": "queued"})
    case.redis.rpush("rq:queue:q0", "broken")
    case.enqueue(jobs.acts)
    case.struck = time.monotonic()
    for _ in range(3):
        worker = case.work()
        case.until(lambda worker=worker: worker.poll() is not None or case.effects(), 10)  # type: ignore[misc]
        if case.effects():
            break


def deaths(judge: Judge) -> Judge:
    """How it ended, and how many workers ended by themselves."""

    def judged(case: Trial) -> str:
        said = judge(case)
        return f"{said}, {sum(worker.poll() is not None for worker in case.workers)} workers ended by themselves"

    return judged


def same_name(case: Trial) -> None:
    """An idle worker is killed, and started again under its name as soon as it ends."""
    first = case.work(name="the-worker")
    case.until(lambda: case.redis.exists("rq:worker:the-worker"))
    first.kill()
    first.wait()
    case.enqueue(jobs.acts)
    case.struck = time.monotonic()
    while not case.effects() and time.monotonic() - case.struck < 100:
        worker = case.work(name="the-worker")
        case.until(lambda worker=worker: worker.poll() is not None or case.effects(), 100)  # type: ignore[misc]


def foreign(data: bytes, *, as_json: bool) -> Cause:
    """Somebody else put a job into the queue."""

    def cause(case: Trial) -> None:
        mark = case.server.directory / "ran"
        case.redis.hset(
            Job.key_for("foreign"),
            mapping={
                "created_at": "2026-01-01T00:00:00Z",
                "data": zlib.compress(data.replace(b"MARK", str(mark).encode())),
                "status": "queued",
                "origin": "q0",
                "timeout": 10,
            },
        )
        case.redis.rpush("rq:queue:q0", "foreign")
        case.job = Job("foreign", connection=case.redis)
        case.work(json=as_json)
        case.struck = time.monotonic()
        case.until(lambda: mark.exists() or case.status() in ("finished", "failed", "gone"), PATIENCE)
        case.redis.set("ran", int(mark.exists()))

    return cause


COMMAND = b'["os.system", null, ["touch MARK"], {}]'


class _Touches:
    def __reduce__(self) -> Any:
        return os.system, ("touch MARK",)


def pickled() -> bytes:
    """A pickle that runs a command when it is read; its length field is not part of protocol 0."""
    return pickle.dumps(_Touches(), protocol=0)


def ran(case: Trial) -> str:
    """Whether it did."""
    return "the command ran" if int(case.redis.get("ran") or 0) else "it did not run"


def bomb(url: str) -> bytes:
    """A job whose argument is 200 MiB."""
    return b'["bench.faults.jobs.is_given", null, ["' + url.encode() + b'", "' + b"x" * BOMB + b'"], {}]'


def huge(case: Trial) -> None:
    """A job whose argument is 200 MiB once it is unpacked."""
    data = zlib.compress(bomb(case.server.url))
    job = Job.create("bench.faults.jobs.acts", connection=case.redis, serializer=JSONSerializer, origin="q0")
    job.save()
    case.redis.hset(job.key, mapping={"data": data, "status": "queued"})
    case.redis.rpush("rq:queue:q0", job.id)
    case.job = job
    case.work(json=True)
    case.struck = time.monotonic()


def memory(case: Trial) -> str:
    """What it took to be given the argument."""
    assert case.until(lambda: case.status() in ("finished", "failed"), PATIENCE), "nobody performed it"
    return f"{case.status()}; the process that performs it took {int(case.redis.get(jobs.PEAK) or 0) // 1024} MiB"


def dependent(case: Trial) -> None:
    """A job depends on one that fails."""
    first = case.queue().enqueue(jobs.fails, case.server.url)
    case.job = case.queue().enqueue(jobs.acts, case.server.url, depends_on=first)
    case.work()
    case.hit()
    case.until(lambda: FailedJobRegistry("q0", connection=case.redis).get_job_count(cleanup=False))
