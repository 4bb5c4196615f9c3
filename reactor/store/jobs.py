"""Jobs as people see and mend them: rows by state, made due again, cancelled.

Looking changes no key. What a change does to a row is one script, which acts only on the row that was looked at.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import Keys
from reactor.store.ledger import Row, State, read_row
from reactor.store.scripts import Scripts

FINISHED: tuple[State, ...] = ("dead", "unknown")
"""States in which a row waits for a person; they are listed by when they ended."""

OPEN: tuple[State, ...] = ("running", "due", "waiting")
"""States in which a row has a time; they are listed by that."""

PAGE = 200


@dataclass(frozen=True, slots=True)
class Job:
    """A row, and when somebody looks at it next (milliseconds since the epoch, None once it ended)."""

    row: Row
    due: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs: of any of `states`; of a rule, of an API, of a queue; planned or ended since a time (ms). None: of any."""

    states: tuple[State, ...] = FINISHED + OPEN
    rule: str | None = None
    api: str | None = None
    since: int | None = None
    queue: str | None = None

    def has(self, row: Row) -> bool:
        """Whether a row is one of them."""
        return (
            row.state in self.states
            and self.rule in (None, row.rule)
            and self.api in (None, row.api)
            and self.queue in (None, row.queue)
            and (self.since is None or (row.ended or row.created) >= self.since)
        )


class Jobs:
    """Lists and mends jobs. `dedup_window` is in seconds."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, dedup_window: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._lifetime = int(2 * dedup_window * 1000)

    async def find(self, wanted: Wanted, *, count: int = 100) -> list[Job]:
        """The first `count` jobs that are wanted: those that ended last, then those that are due first."""
        found: list[Job] = []
        async for ids in self._ids(wanted):
            found += [job for job in await self._read(ids) if wanted.has(job.row)]
            if len(found) >= count:
                break
        return found[:count]

    async def get(self, job: str) -> Job | None:
        """One job; None when there is none of this id, or no longer."""
        found = await self._read([job])
        return found[0] if found else None

    async def _ids(self, wanted: Wanted) -> AsyncIterator[list[str]]:
        """The ids of what may be wanted, page by page."""
        for key, newest_first in self._indexes(wanted):
            start = 0
            while True:
                async with available():
                    ids: Any = await self._redis.zrange(key, start, start + PAGE - 1, desc=newest_first)
                if not ids:
                    break
                yield [each.decode() for each in ids]
                start += PAGE

    def _indexes(self, wanted: Wanted) -> list[tuple[str, bool]]:
        indexes = [(self._keys.finished(state), True) for state in FINISHED if state in wanted.states]
        return indexes + [(self._keys.due, False)] * any(state in wanted.states for state in OPEN)

    async def _read(self, ids: Sequence[str]) -> list[Job]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for job in ids:
                pipeline.hgetall(self._keys.row(job))
                pipeline.zscore(self._keys.due, job)
            replies: list[Any] = await pipeline.execute()
        rows = zip(ids, replies[::2], replies[1::2], strict=True)
        return [Job(_readable(job, fields), int(due) if due else None) for job, fields, due in rows if fields]

    async def redrive(self, row: Row, by: str) -> str:
        """Make a dead or unknown row due again, as it was seen; returns the state it has then ('' when it is gone)."""
        keys = (self._keys.row(row.id), self._keys.due, self._keys.count, self._keys.finished(row.state))
        return str((await self._scripts.run("redrive", keys, (row.id, row.state, row.fence, by))).decode())

    async def cancel(self, row: Row, by: str) -> str:
        """Cancel a row that is not done, as it was seen; returns the state it has then ('' when it is gone)."""
        keys = (self._keys.row(row.id), self._keys.due, self._keys.finished(row.state))
        args = (row.id, row.state, row.fence, by, self._lifetime)
        return str((await self._scripts.run("cancel", keys, args)).decode())


NOTHING: Mapping[bytes, bytes] = {
    name.encode(): b"0" if name in ("attempts", "fence", "created") else b""
    for name in ("state", "event", "rule", "action", "api", "attempts", "fence", "created")
}


def _readable(job: str, fields: Mapping[bytes, bytes]) -> Row:
    """A row; one that can't be read as whole as it can be shown, for it is there to be looked at."""
    try:
        return read_row(job, fields)
    except (KeyError, ValueError):
        known = {
            name: fields[name] for name in (b"state", b"rule", b"action", b"api", b"event", b"error") if name in fields
        }
        return read_row(job, {**NOTHING, b"entry": b"0-0", b"what": b"{}", **known})
