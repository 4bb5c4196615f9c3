"""The faults that lose, repeat or strand jobs: stock RQ beside the reactor's worker.

    PYTHONPATH=tests python -m bench.faults

Each fault hits one job that makes one effect. Stock RQ has the settings that recover fastest (worker_ttl 20, maintenance and
monitoring every 5 s; a lost worker's key lives 60 s longer); the reactor has its defaults. All cases run at once, each with
a server of its own. docs/reliability.md quotes the table.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from crash.load import BUILD
from crash.nursery import until
from crash.observer import KEYS
from crash.stand import stand_in
from redis import Redis
from rq import Queue, Retry
from rq.job import Job

from reactor.embedded import EmbeddedServer

WATCHED = 110.0
"""Seconds after which what has not happened never will, with these settings."""

DEFAULTS = {"REACTOR_LEASE": "15", "REACTOR_SWEEP_AFTER": "5", "REACTOR_TAKEOVER": "5", "REACTOR_BACKOFF": "2"}

WORKER = """
import os, signal, sys
from redis import Redis
from rq import Queue, Worker
url, fault, queues = sys.argv[1], sys.argv[2], sys.argv[3:]
redis = Redis.from_url(url)
worker = Worker([Queue(name, connection=redis) for name in queues], worker_ttl=20, maintenance_interval=5,
                job_monitoring_interval=5)
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
succeed = worker.handle_job_success
def die_once(*args, **named):
    die() if redis.get("effects") == b"1" else succeed(*args, **named)
if fault == "popped":
    worker.execute_job = die
elif fault == "done":
    worker.handle_job_success = die_once
worker.work(logging_level="ERROR")
"""


def effect(url: str, fault: str) -> None:
    """The job: it acts once, and is hit by its fault the first time."""
    with Redis.from_url(url) as redis:
        first = redis.incr("effects") == 1
        if first and fault == "horse":
            os.kill(os.getpid(), signal.SIGKILL)
        if first and fault == "container":
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Case:
    """A fault: its name, how RQ's worker suffers it, how many queues that has, and the failpoint at which ours does."""

    name: str
    fault: str
    point: str
    queues: int = 1


CASES = (
    Case("killed between taking the job and starting it", "popped", "worker.after_pop"),
    Case("the same, worker on two queues", "popped", "worker.after_pop", queues=2),
    Case("the process that performs it is killed after its effect", "horse", "worker.after_call"),
    Case("killed after its effect, before that is saved", "done", "worker.after_call"),
    Case("the whole container is killed after its effect", "container", "worker.after_call"),
)


def stock(case: Case, *, retry: bool) -> str:
    """What becomes of the job with stock RQ."""
    with EmbeddedServer.start(Path(tempfile.mkdtemp()) / "server") as server, Redis.from_url(server.url) as redis:
        queues = [f"q{number}" for number in range(case.queues)]
        job = Queue(queues[0], connection=redis).enqueue(
            "bench.faults.effect", server.url, case.fault, retry=Retry(max=3) if retry else None
        )
        began = time.monotonic()
        victim = _worker(server.url, case.fault, queues)
        while not _is_hit(redis, job, victim, case):
            time.sleep(0.02)
        heir = _worker(server.url, "none", queues)
        hit = time.monotonic()
        try:
            while time.monotonic() - began < WATCHED:
                status = Job.fetch(job.id, connection=redis).get_status()
                if status in ("finished", "failed"):
                    break
                time.sleep(0.1)
            took = time.monotonic() - hit
            status = Job.fetch(job.id, connection=redis).get_status()
            ran = int(redis.get("effects") or 0)
            ended = f"{status.value} after {took:.0f} s" if status else "gone"
            if status and status.value not in ("finished", "failed"):
                ended = f"still {status.value} after {took:.0f} s"
            return f"{ended}, {ran} effect(s)"
        finally:
            for worker in (victim, heir):
                worker.kill()
                worker.wait()


def _worker(url: str, fault: str, queues: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, url, fault, *queues],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", "tests"])},
        stderr=subprocess.DEVNULL,
    )


def _is_hit(redis: Redis, job: Job, victim: "subprocess.Popen[bytes]", case: Case) -> bool:
    if case.fault == "horse":
        return int(redis.get("effects") or 0) > 0
    return victim.poll() is not None or (case.fault == "done" and int(redis.get("effects") or 0) > 0)


async def ours(case: Case) -> str:
    """What becomes of the job with our worker, counted at the API."""
    async with stand_in(Path(tempfile.mkdtemp()) / "stand", environment=DEFAULTS) as stand:
        await stand.fleet.start(("web-1", "dispatch-1"))
        victim = await stand.fleet.begin("work-1", armed=f"{case.point}:kill")
        await stand.load.ask_for([f"{BUILD}1"], 0.0)
        assert victim.child is not None
        await victim.child.over.wait()
        hit = time.monotonic()
        await stand.fleet.begin("work-2")

        async def done() -> bool:
            states = [await stand.redis.hget(key, "state") async for key in stand.redis.scan_iter(KEYS.row("*"))]
            return bool(states) and set(states) == {b"done"}

        finished = await until(done, WATCHED)
        took = time.monotonic() - hit
        made = (await stand.observer.told("state"))["sandboxes"]
        return f"{'done' if finished else 'not done'} after {took:.0f} s, {len(made)} effect(s)"


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        rows = [
            (
                case,
                tasks.create_task(asyncio.to_thread(stock, case, retry=False)),
                tasks.create_task(asyncio.to_thread(stock, case, retry=True)),
                tasks.create_task(ours(case)),
            )
            for case in CASES
        ]
    print("| fault | stock RQ | stock RQ, Retry(max=3) | reactor |\n|---|---|---|---|")
    for case, plain, retried, our in rows:
        print(f"| {case.name} | {plain.result()} | {retried.result()} | {our.result()} |")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    asyncio.run(main())
