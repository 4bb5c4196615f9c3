"""A stock RQ worker with one thing that goes wrong once: python -m bench.faults.stock_worker URL OPTIONS

Its settings are those that recover fastest: worker_ttl 20 s, monitoring and maintenance every 5 s.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import rq.registry
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError
from rq import Queue, Worker
from rq.serializers import DefaultSerializer, JSONSerializer

from bench.faults.jobs import HIT

TWISTED = "twisted"
"""Key: set by the first process that suffered what is to happen once."""

HOUR = 3600

Twist = Callable[[Worker, Redis], None]


def _once(redis: Redis) -> bool:
    return bool(redis.set(TWISTED, 1, nx=True))


def _die(redis: Redis) -> None:
    redis.set(HIT, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _killed_at(method: str) -> Twist:
    """Kill the process that comes to this method first."""

    def twist(worker: Worker, redis: Redis) -> None:
        original = getattr(worker, method)

        def instead(*args: Any, **named: Any) -> Any:
            if _once(redis):
                _die(redis)
            return original(*args, **named)

        setattr(worker, method, instead)

    return twist


def _saving(lose: Callable[[Any, Any], Any]) -> Twist:
    """Let the transaction that saves a success suffer something once; redis-py then acts as with any lost connection."""

    def twist(worker: Worker, redis: Redis) -> None:
        transact: Any = Pipeline._execute_transaction
        succeed = worker.handle_job_success

        def suffer(pipeline: Any, *args: Any) -> Any:
            return lose(transact, (pipeline, *args)) if _once(redis) else transact(pipeline, *args)

        def instead(*args: Any, **named: Any) -> Any:
            patch.object(Pipeline, "_execute_transaction", suffer).start()
            return succeed(*args, **named)

        patch.object(worker, "handle_job_success", instead).start()

    return twist


def _lose_reply(transact: Any, args: Any) -> Any:
    transact(*args)
    raise ConnectionError("the reply was lost")


def _lose_connection(transact: Any, args: Any) -> Any:
    raise ConnectionError("the connection is gone")


def _pop_unanswered(worker: Worker, redis: Redis) -> None:
    """The reply that brings a job is lost."""
    send: Any = Redis._send_command_parse_response

    def instead(client: Any, connection: Any, name: str, *args: Any, **options: Any) -> Any:
        reply = send(client, connection, name, *args, **options)
        if name == "BLMOVE" and reply and _once(redis):
            redis.set(HIT, 1)
            raise ConnectionError("the reply was lost")
        return reply

    patch.object(Redis, "_send_command_parse_response", instead).start()


def _ahead(worker: Worker, redis: Redis) -> None:
    """Its clock is an hour ahead."""
    patch.object(rq.registry, "current_timestamp", lambda: int(time.time()) + HOUR).start()


TWISTS: Mapping[str, Twist] = {
    "none": lambda worker, redis: None,
    "popped": _killed_at("execute_job"),
    "prepared": _killed_at("prepare_job_execution"),
    "unsaved": _killed_at("handle_job_success"),
    "save unanswered": _saving(_lose_reply),
    "save cut": _saving(_lose_connection),
    "pop unanswered": _pop_unanswered,
    "ahead": _ahead,
}


@dataclass(frozen=True)
class Options:
    """What a worker is: `json` reads jobs as JSON, and not as pickles; `scheduler` starts RQ's scheduler beside it."""

    twist: str = "none"
    queues: int = 1
    name: str | None = None
    json: bool = False
    scheduler: bool = False


def main(url: str, options: Options) -> None:
    """Work until killed."""
    redis = Redis.from_url(url)
    serializer: Any = JSONSerializer if options.json else DefaultSerializer
    worker = Worker(
        [Queue(f"q{number}", connection=redis, serializer=serializer) for number in range(options.queues)],
        name=options.name,
        connection=redis,
        serializer=serializer,
        worker_ttl=20,
        maintenance_interval=5,
        job_monitoring_interval=5,
    )
    TWISTS[options.twist](worker, Redis.from_url(url))
    worker.work(logging_level="ERROR", with_scheduler=options.scheduler)


if __name__ == "__main__":
    main(sys.argv[1], Options(**json.loads(sys.argv[2])))
