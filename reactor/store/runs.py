"""Runs of workflows: each one a hash that moves from generation to generation, and the row that moves it next.

Owns that both exist together, with what the run waits for. Does not know what a run's state means.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.grouping import Grouped
from reactor.store.keys import Keys
from reactor.store.scripts import Arg, Scripts
from reactor.store.waits import Awaited, Message
from reactor.store.watches import Wanted

WAITS = 2
"""What advance.lua answers for a row that is later or waits."""

NO_COUNTS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is stored. `state` is the engine's; `seen` the newest change it knows of `resource`.

    `heard` is the log entry of the last message that it received.
    `audit` says what people did to it: at (ms), by, did (retry), was (its status then), because.
    """

    id: str
    workflow: str
    document: str
    state: str
    generation: int
    status: str
    because: str
    resource: str
    seen: int
    started: int
    updated: int
    audit: tuple[Mapping[str, Any], ...] = ()
    heard: str = ""


@dataclass(frozen=True, slots=True)
class NextRow:
    """The row that moves a run on: which generation it is for, whose gates it heeds, and in how many seconds it is due.

    `woken` (ms) is when the event came that this call follows; 0 for a call that follows none. `label` is the row whose
    work this one does again; empty for none. What it waits for is long-polled as `watched` says, first in `rest` seconds.
    """

    id: str
    generation: int
    api: str
    operation: str
    delay: float
    woken: int = 0
    label: str = ""
    watched: Wanted | None = None
    rest: float = 0.0


class Runs:
    """Reads and writes runs. `lifetime` is how long one is kept once it is over, in seconds.

    `on_watched` is called when a wait was registered whose resource is to be long-polled.
    """

    def __init__(
        self,
        redis: "aioredis.Redis",
        keys: Keys,
        *,
        lifetime: float,
        sweep_after: float,
        on_watched: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._got: Grouped[str, StoredRun | None] = Grouped(self._get_each)
        self._lifetime = int(lifetime * 1000)
        self._sweep_after = int(sweep_after * 1000)
        self._on_watched = on_watched

    async def keep_document(self, digest: str, text: bytes) -> None:
        """Keep a document for the runs that start with it, as long as they may be asked for."""
        async with available():
            await self._redis.set(self._keys.document(digest), text, px=self._lifetime)

    async def document(self, digest: str) -> bytes | None:
        """The text of a document that runs were started with; None when it is gone. Raises StoreUnavailable."""
        async with available():
            text: Any = await self._redis.get(self._keys.document(digest))
        return text if text is None else bytes(text)

    async def advance(
        self,
        run: str,
        expected: int | None,
        fields: Mapping[str, str],
        row: NextRow | None,
        awaited: Awaited | Message | None = None,
        counts: Mapping[str, int] = NO_COUNTS,
    ) -> bool | None:
        """Move a run on from a generation (None: begin it), with the row that moves it next, and count what happened.

        Returns True when that row is due now and wants an RQ job, False when it is later or waits, and None when the
        run had moved on already, and nothing was written. Raises StoreUnavailable.
        """
        keys = [
            self._keys.run(run),
            self._keys.row(row.id if row else ""),
            self._keys.due,
            self._keys.count,
            self._keys.runs,
        ]
        if row and row.watched:
            keys += [self._keys.watches, self._keys.watch(row.watched.spec.id)]
        args: list[Arg] = [
            "" if expected is None else expected,
            orjson.dumps(fields),
            self._lifetime,
            row.id if row else "",
            orjson.dumps(_row_fields(run, row)) if row else "",
            int(row.delay * 1000) if row else 0,
            self._sweep_after,
            run,
            orjson.dumps(dict(counts)),
            orjson.dumps(awaited.registered(self._keys)) if awaited else "",
        ]
        code = int(await self._scripts.run("advance", keys, args))
        if code == WAITS and row and row.watched:
            self._on_watched()
        return None if code == 0 else code == 1 and row is not None

    async def end(self, run: str, generation: int, *, status: str, because: str) -> bool:
        """End a run at a generation from outside its engine; False when it had moved on. Raises StoreUnavailable."""
        fields = {"status": status, "phase": status, "because": because, "generation": str(generation + 1)}
        return await self.advance(run, generation, fields, None) is not None

    async def get(self, run: str) -> StoredRun | None:
        """One run; None when there is none of this id, or no longer. Raises StoreUnavailable."""
        [found] = await self._got.ask([run])
        return found

    async def _get_each(self, runs: Sequence[str]) -> list[StoredRun | None]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for run in runs:
                pipeline.hgetall(self._keys.run(run))
            found: list[Any] = await pipeline.execute()
        return [_stored(run, fields) if fields else None for run, fields in zip(runs, found, strict=True)]

    async def newest(self, *, count: int = 100) -> list[StoredRun]:
        """The runs that began last, the newest first. Raises StoreUnavailable."""
        async with available():
            ids: Any = await self._redis.zrevrange(self._keys.runs, 0, count - 1)
        runs = await self._got.ask([run.decode() for run in ids])
        return [run for run in runs if run]


def _row_fields(run: str, row: NextRow) -> dict[str, Any]:
    watched = row.watched and {
        "id": row.watched.spec.id,
        "spec": orjson.dumps(asdict(row.watched.spec)).decode(),
        "states": orjson.dumps(row.watched.states).decode(),
        "rest": int(row.rest * 1000),
    }
    return {
        **({"watched": watched} if watched else {}),
        "entry": "0-0",
        "event": run,
        "rule": "",
        "action": "step",
        "api": row.api,
        "operation": row.operation,
        "what": orjson.dumps(
            {"run": run, "generation": row.generation, "woken": row.woken, "label": row.label}
        ).decode(),
    }


def _stored(run: str, fields: Mapping[bytes, bytes]) -> StoredRun:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return StoredRun(
        id=run,
        workflow=text["workflow"],
        document=text["document"],
        state=text["state"],
        generation=int(text["generation"]),
        status=text["status"],
        because=text["because"],
        resource=text["resource"],
        seen=int(text["seen"]),
        started=int(text["started"]),
        updated=int(text["updated"]),
        audit=tuple(orjson.loads(text.get("audit", "[]"))),
        heard=text.get("heard", ""),
    )
