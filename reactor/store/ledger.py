"""The ledger: one row per job, written with the plan that asked for it, and the only truth about what became of it.

Owns claims (lease and fence), notes and the end of an attempt. RQ carries rows to workers; it decides nothing. Does not know
what a job does, nor what asked for it (`store/plans`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from redis import asyncio as aioredis

from reactor.errors import StoreRefused, StoreUnavailable
from reactor.store.client import available
from reactor.store.histogram import HISTOGRAM
from reactor.store.keys import MAIN, Keys
from reactor.store.scripts import Arg, Call, Scripts

LOCK_MARGIN = 600.0
"""How many seconds longer than a lease the lock on a name lasts: a killed worker's successor must find it held, however
long nobody works; what was made without it is somebody else's.
"""

PAUSED_LOOK = 600.0
"""Seconds after which a paused row is looked at all the same; resuming lets it go at once."""

MALFORMED, FOREIGN = "malformed", "foreign"


LIVE = frozenset({b"due", b"waiting", b"running"})
"""States of a row that has not ended, as Redis returns them."""

State = Literal["due", "waiting", "running", "done", "dead", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the ledger has it. `saw` is the sighting that woke it: state, at (ms), seq.

    `audit` says what people did to it: at (ms), by, did (retry, cancel), was (its state then), error.
    `since` is the time of the timer that asked for it (ms). `next` is the row that waits for this one. `retry` is what its
    rule says of further attempts: `attempts`, and `backoff` (ms). `asked_at` is when (ISO) a call went out that must not go
    out twice, as long as nobody has recorded what it came to. Workers of its `queue` perform it.
    """

    id: str
    state: State
    entry: str
    event: str
    rule: str
    action: str
    api: str
    what: Mapping[str, Any]
    attempts: int
    fence: int
    created: int
    ended: int | None
    absent_at: str | None
    saw: Mapping[str, Any] | None
    error: str | None
    result: Any
    operation: str = ""
    audit: tuple[Mapping[str, Any], ...] = ()
    since: int | None = None
    next: str | None = None
    retry: Mapping[str, int] = field(default_factory=dict)
    asked_at: str | None = None
    queue: str = MAIN

    @property
    def label(self) -> str:
        """What marks and names what this row makes: its id, or that of the row whose work it does again."""
        return str(self.what.get("label") or self.id)

    @property
    def accepted(self) -> int:
        """When it was asked for, in milliseconds since the epoch: its event was accepted, or its timer's time had come."""
        return self.since or int(self.entry.partition("-")[0])


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a row can't be claimed: missing, finished, leased, early, paused, gated, malformed, or foreign: no row."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ends. For `due`: `delay` is in seconds, and `spent` says whether the attempt counts.

    `announced`: what it waits for has been logged once, for all that wait for it.
    """

    state: State
    error: str = ""
    result: Any = None
    delay: float = 0.0
    spent: bool = True
    announced: bool = False


class Ledger:
    """Reads and writes rows. `lease` and `dedup_window` are in seconds."""

    def __init__(
        self, redis: "aioredis.Redis", keys: Keys, *, lease: float, dedup_window: float, sweep_after: float
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._lease = int(lease * 1000)
        self._lock = int((lease + LOCK_MARGIN) * 1000)
        self._lifetime = int(2 * dedup_window * 1000)
        self._sweep_after = int(sweep_after * 1000)

    async def claim(self, rows: Sequence[str], worker: str) -> list[Row | Refused]:
        """Lease rows for `worker`; each gets a fence higher than all before it. A row that can't be read is dead at once.

        One whose key is of another type is in no other's way. Raises StoreUnavailable.
        """
        others = (self._lease, worker, self._keys.gate(""), self._keys.held(""), int(PAUSED_LOOK * 1000))
        results = await self._scripts.run_each(
            ("claim", (self._keys.row(row), self._keys.due, self._keys.pauses), (row, *others)) for row in rows
        )
        claims = [_claimed(row, result) for row, result in zip(rows, results, strict=True)]
        for row, claim in zip(rows, claims, strict=True):
            if isinstance(claim, Refused) and claim.reason == MALFORMED:
                await self._bury(row, claim.detail)
        return claims

    async def _bury(self, row: str, why: str) -> None:
        async with available():
            pipeline = self._redis.pipeline()
            pipeline.hset(self._keys.row(row), mapping={"state": "dead", "error": f"the row can't be read: {why}"})
            pipeline.pexpire(self._keys.row(row), self._lifetime)
            pipeline.zrem(self._keys.due, row)
            pipeline.zadd(self._keys.finished("dead"), {row: int(time.time() * 1000)})
            await pipeline.execute()

    async def renew(self, row: Row, **notes: str) -> bool:
        """Prolong the lease and write `notes` into the row; False when somebody else has it now: stop acting.

        Raises StoreUnavailable.
        """
        return bool(await self._scripts.run(*self._renewal(row, notes)))

    async def note_asked(self, row: Row) -> bool:
        """Write into the row that a call goes out now which must not go out twice; False when somebody else has the row.

        The end of this attempt takes the note away, or else a person does who has the job tried again.
        """
        return await self.renew(
            row, asked=str(row.fence), asked_at=datetime.now(UTC).isoformat(timespec="milliseconds")
        )

    async def renew_each(self, rows: Sequence[Row]) -> list[bool]:
        """Prolong many leases in one round trip. Raises StoreUnavailable."""
        return [bool(held) for held in await self._scripts.run_many(self._renewal(row, {}) for row in rows)]

    def _renewal(self, row: Row, notes: Mapping[str, str]) -> Call:
        flat = [part for pair in notes.items() for part in pair]
        return "renew", (self._keys.row(row.id), self._keys.due), [row.id, row.fence, self._lease, self._lock, *flat]

    async def lock(self, row: Row, name: str) -> tuple[int, str]:
        """Ask for the lock on creating `name`: (1, absent_at while it lasted), (0, its holder), (-1, lease lost)."""
        keys = (self._keys.row(row.id), self._keys.lock(name))
        code, detail = await self._scripts.run("lock", keys, (row.id, row.fence, self._lock))
        return int(code), detail.decode()

    async def finish(self, row: Row, ending: Ending) -> bool:
        """End the attempt; False when somebody else has the row now and this end counts for nothing.

        Asked again after a lost reply, it says the same. Raises StoreUnavailable.
        """
        fields = {"error": ending.error}
        if ending.result is not None:
            fields["result"] = orjson.dumps(ending.result).decode()
        args: list[Arg] = [
            row.id,
            row.fence,
            ending.state,
            int(ending.delay * 1000),
            int(ending.spent),
            self._lock,
            self._lifetime,
            row.accepted,
            ",".join(str(bound) for bound in HISTOGRAM),
            self._sweep_after,
            *(part for pair in fields.items() for part in pair),
        ]
        keys = (self._keys.row(row.id), self._keys.due, self._keys.count, self._keys.finished(ending.state))
        return bool(await self._scripts.run("finish", keys, args))

    async def get(self, row: str) -> Row | None:
        """One row; None when there is none of this id, or no longer. Raises StoreUnavailable."""
        async with available():
            fields: Any = await self._redis.hgetall(self._keys.row(row))
        return read_row(row, fields) if fields else None

    async def queue_of(self, row: str) -> str:
        """The queue of a row; the main one of a row that is gone."""
        async with available():
            queue: Any = await self._redis.hget(self._keys.row(row), "queue")
        return queue.decode() if queue else MAIN

    async def live(self, rows: Sequence[str]) -> list[bool]:
        """Whether each row is there and has not ended. Raises StoreUnavailable."""
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for row in rows:
                pipeline.hget(self._keys.row(row), "state")
            states = await pipeline.execute()
        return [state in LIVE for state in states]


def _claimed(row: str, reply: Any) -> Row | Refused:
    if isinstance(reply, StoreRefused):
        return Refused(FOREIGN, str(reply))
    if isinstance(reply, StoreUnavailable):
        raise reply
    if reply[0] != b"claimed":
        return Refused(reply[0].decode(), str(reply[1].decode() if isinstance(reply[1], bytes) else reply[1]))
    fields = reply[1:]
    try:
        return read_row(row, dict(zip(fields[::2], fields[1::2], strict=True)))
    except (KeyError, ValueError) as error:  # also what is no JSON: written by another version, or by hand
        return Refused(MALFORMED, f"{type(error).__name__} {error}")


def read_row(row: str, fields: Mapping[bytes, bytes]) -> Row:
    """A row as it is stored. Raises KeyError, ValueError for one that no reactor of this version wrote."""
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return Row(
        id=row,
        state=text["state"],  # type: ignore[arg-type]  # written by our scripts only
        entry=text["entry"],
        event=text["event"],
        rule=text["rule"],
        action=text["action"],
        api=text["api"],
        what=orjson.loads(text["what"]),
        attempts=int(text["attempts"]),
        fence=int(text["fence"]),
        created=int(text["created"]),
        ended=int(text["ended"]) if "ended" in text else None,
        absent_at=text.get("absent_at"),
        saw=orjson.loads(text["saw"]) if "saw" in text else None,
        error=text.get("error") or None,
        result=orjson.loads(text["result"]) if "result" in text else None,
        operation=text.get("operation", ""),
        audit=tuple(orjson.loads(text.get("audit", "[]"))),
        since=int(text["since"]) if "since" in text else None,
        next=text.get("next"),
        retry=orjson.loads(text.get("retry", "{}")),
        asked_at=text.get("asked_at"),
        queue=text.get("queue", MAIN),
    )
