"""The RQ queues of an instance: the only room that enqueues, takes and removes RQ jobs, and shows a worker to RQ's tools.

An RQ job says "go and do row X, attempt N" and nothing else: RQ's retries, callbacks, dependencies, scheduler and meta are
not used, so that losing, repeating or stranding a job costs time and never an effect. What RQ keeps in Redis is touched
here only; a contract test holds it against RQ's own readers. Does not know what a row asks for.
"""

from reactor.queue.jobs import JobQueue
from reactor.queue.names import queue_keys
from reactor.queue.standing import Standing, standings
from reactor.queue.ticket import LARGEST_JOB, PERFORM, Popped, Ticket, read_ticket

__all__ = [
    "LARGEST_JOB",
    "PERFORM",
    "JobQueue",
    "Popped",
    "Standing",
    "Ticket",
    "queue_keys",
    "read_ticket",
    "standings",
]
