"""What an RQ job of ours says: "go and do row X, attempt N". Owns writing it, and reading it as if a stranger wrote it."""

import zlib
from dataclasses import dataclass
from typing import Any

import orjson
from rq import Queue

from reactor.store.keys import MAIN

PERFORM = "reactor.stock.perform"
"""The one function that may stand in a job. A name, so that enqueueing imports no handler."""

LARGEST_JOB = 4096
"""Bytes of a job's data once unpacked; ours has fewer than a hundred."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an RQ job carries: the row to perform, and the number of this enqueue, which makes the job's id new.

    `queue` is where it goes; the job itself does not say it.
    """

    row: str
    number: int = 0
    queue: str = MAIN

    @property
    def job_id(self) -> str:
        """RQ's id of the job; RQ allows letters, digits, `_` and `-`."""
        return f"{self.row}-{self.number}"


@dataclass(frozen=True, slots=True)
class Popped:
    """A job taken from the queue; `ticket` is None when it is not one of ours and must not run."""

    job_id: str
    ticket: Ticket | None


def rq_job(ticket: Ticket) -> Any:
    """What RQ is given for a ticket."""
    return Queue.prepare_data(
        PERFORM,
        args=(ticket.row, ticket.number),
        job_id=ticket.job_id,
        description=f"row {ticket.row}",
        timeout=-1,
        result_ttl=0,
    )


def read_ticket(data: bytes) -> Ticket | None:
    """Read a job's data, bounded and as JSON only; None for anything but a call of PERFORM with a row and a number."""
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data, LARGEST_JOB)
        function, instance, args, kwargs = orjson.loads(plain)
        row, number = args
    except (zlib.error, orjson.JSONDecodeError, ValueError, TypeError):
        return None
    if function != PERFORM or instance is not None or kwargs or not isinstance(row, str) or not isinstance(number, int):
        return None
    return Ticket(row, number)
