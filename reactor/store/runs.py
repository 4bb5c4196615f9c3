"""Runs of workflows: each one a hash that moves from generation to generation, and the row that moves it next.

Owns registering what a run waits for, against the state table, and waking it. Does not know what a run's state means.
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
from reactor.store.scripts import Arg, Call, Scripts
from reactor.store.watches import Wanted

WAITS = 2
"""What advance.lua answers for a row that is later or waits."""

NO_COUNTS: Mapping[str, int] = MappingProxyType({})
NAMED = "name/"
"""Before the name of a resource that a run waits for by name."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is stored. `state` is the engine's; `seen` the newest change it knows of `resource`.

    `heard` is the log entry of the last message that it received.
    `audit` says what people did to it: at (ms), who, did (retry), was (its status then), because.
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


@dataclass(frozen=True, slots=True)
class Awaited:
    """A resource that a run waits for: evidence is newer than `seen` and than `after` (seconds since the epoch).

    `resource` is its id, or the name where `may_be_name`. A name is anybody's choice: it may be another resource's id.
    `knows` is the state that the run has seen; until `deadline` (seconds since the epoch), one of all runs that wait for
    the resource looks at it every `probe` seconds (0: this one looks whatever the others do).
    """

    api: str
    kind: str
    resource: str
    seen: int
    after: float
    may_be_name: bool = False
    knows: str = ""
    probe: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Sighted:
    """A resource whose state changed, so that runs which wait for it, by id or by name, are to be woken.

    `state` is what a read showed `at` a time (seconds since the epoch); empty where the state table knows it.
    """

    api: str
    kind: str
    id: str
    name: str | None
    state: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """An event that a run waits for: its type, and the id or name of the resource it is `about` (empty: any).

    One that came since a time (ms since the epoch) counts; `heard` is the log entry of the last that the run has heard.
    """

    api: str
    kind: str
    event: str
    about: str
    since: int
    heard: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fresh event at a log entry, and the resource it is about."""

    api: str
    kind: str
    event: str
    entry: str
    id: str
    name: str | None


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
        """The text of a document that runs were started with."""
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
        ]
        if awaited:
            args += self._wait(awaited) if isinstance(awaited, Awaited) else self._listen(awaited)
        code = int(await self._scripts.run("advance", keys, args))
        if code == WAITS and row and row.watched:
            self._on_watched()
        return None if code == 0 else code == 1 and row is not None

    async def end(self, run: str, generation: int, *, status: str, because: str) -> bool:
        """End a run at a generation from outside its engine; False when it had moved on. Raises StoreUnavailable."""
        fields = {"status": status, "phase": status, "because": because, "generation": str(generation + 1)}
        return await self.advance(run, generation, fields, None) is not None

    def _wait(self, awaited: Awaited) -> list[Arg]:
        return [
            self._keys.waits(awaited.api, awaited.kind, ""),
            self._keys.resource(awaited.api, awaited.kind, ""),
            self._keys.alias(awaited.api, awaited.kind, ""),
            awaited.resource,
            awaited.seen,
            int(awaited.after * 1000),
            NAMED if awaited.may_be_name else "",
            awaited.knows,
            self._keys.probe(awaited.api, awaited.kind, awaited.resource) if awaited.probe else "",
            int(awaited.probe * 1000),
            int(awaited.deadline * 1000),
        ]

    def _listen(self, message: Message) -> list[Arg]:
        return [
            "",
            self._keys.hears(message.api, message.event, message.about),
            self._keys.told(message.api),
            message.event,
            self._keys.resource(message.api, message.kind, ""),
            self._keys.alias(message.api, message.kind, ""),
            message.about,
            message.since,
            message.heard,
        ]

    async def hear(self, told: Sequence[Told]) -> list[str]:
        """Make the rows due that wait for these events as messages; returns them. Raises StoreUnavailable."""
        woken = await self._scripts.run_many(self._hear_call(each) for each in told)
        return [row.decode() for rows in woken for row in rows]

    def _hear_call(self, told: Told) -> Call:
        about = [told.id, "", *([told.name] if told.name else [])]
        hears = [self._keys.hears(told.api, told.event, each) for each in about]
        keys = (self._keys.due, self._keys.told(told.api), self._keys.resource(told.api, told.kind, told.id))
        return "hear", keys, (self._keys.row(""), told.entry, told.event, self._sweep_after, *hears)

    async def wake(self, sighted: Sequence[Sighted]) -> list[str]:
        """Make the rows due that wait for these resources; returns them. Raises StoreUnavailable."""
        woken = await self._scripts.run_many(self._wake_call(each) for each in sighted)
        return [row.decode() for rows in woken for row in rows]

    def _wake_call(self, sighted: Sighted) -> Call:
        known_by = [sighted.id, *([NAMED + sighted.name] if sighted.name else [])]
        waits = [self._keys.waits(sighted.api, sighted.kind, each) for each in known_by]
        resource = self._keys.resource(sighted.api, sighted.kind, sighted.id)
        read = orjson.dumps({"state": sighted.state, "at": int(sighted.at * 1000)}) if sighted.state else ""
        return "wake", (self._keys.due,), (self._keys.row(""), resource, read, self._sweep_after, *waits)

    async def get(self, run: str) -> StoredRun | None:
        """Read one run."""
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
        """The runs that began last, the newest first."""
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
