"""Stock RQ's side of a fault: a server of its own, one job in most cases, a worker that is harmed and another beside it.

Owns causing and judging; what a fault is called and which of these it takes is the table's.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import DefaultSerializer, JSONSerializer

from bench.faults import jobs
from bench.faults.stock_worker import Options
from reactor.embedded import EmbeddedServer, Fsync, bound_to_parent

PATIENCE = 120.0
"""Seconds for what must happen: side by side with all the others, a process may take half a minute to start."""

ROOT = Path(__file__).parents[2]


@dataclass
class Trial:
    """One fault at one server. `struck` is when it hit, by the monotonic clock."""

    server: EmbeddedServer
    redis: Redis
    retry: bool = False
    job: Job | None = None
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    struck: float = 0.0

    def enqueue(self, function: Callable[..., None], *args: Any, redis: Redis | None = None, **options: Any) -> Job:
        """Put a job that makes an effect into the first queue."""
        retry = Retry(max=3) if self.retry else None
        job = self.queue(redis).enqueue(function, self.server.url, *args, retry=retry, **options)
        self.job = self.job or job
        return job

    def queue(self, redis: Redis | None = None, *, as_json: bool = False) -> Queue:
        """The first queue."""
        return Queue("q0", connection=redis or self.redis, serializer=JSONSerializer if as_json else DefaultSerializer)

    def work(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a worker; see stock_worker.Options."""
        worker = subprocess.Popen(
            bound_to_parent(
                [
                    sys.executable,
                    "-m",
                    "bench.faults.stock_worker",
                    self.server.url,
                    json.dumps(asdict(Options(**options))),
                ]
            ),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.workers.append(worker)
        return worker

    def until(self, holds: Callable[[], object], seconds: float = PATIENCE, every: float = 0.05) -> bool:
        """Look until it holds; False when it has not within so many seconds."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(every)
        return True

    def status(self) -> str:
        """What RQ says of the job."""
        assert self.job
        found: Any = self.redis.hget(self.job.key, "status")
        return found.decode() if found else "gone"

    def effects(self) -> int:
        """How often jobs acted."""
        return int(self.redis.get(jobs.EFFECTS) or 0)

    def hit(self) -> None:
        """Wait until the fault has begun to hit."""
        assert self.until(lambda: self.redis.exists(jobs.HIT)), "the fault did not hit"
        self.struck = time.monotonic()


Cause = Callable[[Trial], None]
Judge = Callable[[Trial], str]


@contextmanager
def trial(*, retry: bool, fsync: Fsync) -> Iterator[Trial]:
    """A server, and an end of everything that was started at it."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        EmbeddedServer.start(Path(directory) / "server", fsync=fsync) as server,
        Redis.from_url(server.url) as redis,
    ):
        case = Trial(server, redis, retry)
        try:
            yield case
        finally:
            for worker in case.workers:
                for each in (signal.SIGCONT, signal.SIGKILL):
                    _signal_group(worker, each)
                worker.wait()


def _signal_group(worker: "subprocess.Popen[bytes]", number: int) -> None:
    """Also to the work horses, which may outlive their worker: they lead groups of their own in its session."""
    session = str(worker.pid)
    shown = subprocess.run(["ps", "-s", session, "-o", "pid="], capture_output=True, text=True, check=False).stdout
    for pid in map(int, shown.split()):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def one_job(
    function: Callable[..., None] = jobs.acts,
    *args: Any,
    harm: Cause | None = None,
    heir: bool = True,
    timeout: int = 180,
    result_ttl: int = 500,
    victim: dict[str, Any] | None = None,
    successor: dict[str, Any] | None = None,
) -> Cause:
    """A worker takes one job, is harmed, and another worker is started beside it."""

    def cause(case: Trial) -> None:
        case.enqueue(function, *args, job_timeout=timeout, result_ttl=result_ttl)
        case.work(**(victim or {}))
        case.hit()
        if harm:
            harm(case)
        if heir:
            case.work(**(successor or {}))

    return cause


def one_job_struck(twist: str, *, queues: int = 1) -> Cause:
    """The same, where the worker is struck before the job acts, by what its twist says."""
    return one_job(victim={"twist": twist, "queues": queues}, successor={"queues": queues})


def ended(watch: float, *, settle: float = 0.0) -> Judge:
    """How the job ended, after how long, and how often it acted; an end is watched for `settle` seconds."""

    def judge(case: Trial) -> str:
        done = case.until(lambda: case.status() in ("finished", "failed", "gone"), watch, every=0.1)
        took = time.monotonic() - case.struck
        first, acted = case.status(), case.effects()
        time.sleep(settle)
        later = f", then {case.status()}" if (case.status(), case.effects()) != (first, acted) else ""
        return f"{'' if done else 'still '}{first} after {took:.0f} s{later}, {effects(case.effects())}"

    return judge


def effects(number: int) -> str:
    """So many effects, in words."""
    return f"{number} effect{'' if number == 1 else 's'}"
