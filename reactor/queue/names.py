"""What RQ calls the queues of an instance, and what it keeps for each of them in Redis."""

from reactor.store.keys import MAIN

REGISTRIES = ("workers", "queue", "wip", "failed", "finished", "deferred", "scheduled", "canceled")
"""What RQ keeps for each queue."""


def queue_keys(instance: str) -> tuple[str, ...]:
    """Patterns of the keys that RQ keeps for an instance's queues, their jobs and our workers. All jobs share a prefix."""
    return (
        "rq:queues",
        "rq:workers",
        f"rq:queue:{instance}:*",
        f"rq:queue:{instance}.*",
        *(f"rq:{registry}:{instance}" for registry in REGISTRIES),
        *(f"rq:{registry}:{instance}.*" for registry in REGISTRIES if registry != "queue"),
        "rq:worker:reactor-*",
        "rq:job:*",
    )


def rq_name(instance: str, queue: str) -> str:
    """What RQ calls a queue: the main one as the instance; no instance has a dot in its name."""
    return instance if queue == MAIN else f"{instance}.{queue}"


def rq_key(registry: str, instance: str, queue: str) -> str:
    """RQ's key of one thing that it keeps for a queue."""
    return f"rq:{registry}:{rq_name(instance, queue)}"
