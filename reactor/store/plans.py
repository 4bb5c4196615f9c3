"""Plans: what follows from one event, for ever: the rules that fired, what became of each, their rows and their timers.

Owns the shape of a plan and of a timer, between what decides (pure) and what stores (plan.lua, ripen.lua), and reading them.
Decides nothing. Times that rules are measured by are the events'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import orjson
from redis import asyncio as aioredis

from reactor.store.client import available
from reactor.store.keys import MAIN, Keys
from reactor.store.ledger import Row, read_row
from reactor.store.scripts import Arg, Call, Scripts


@dataclass(frozen=True, slots=True)
class NewRow:
    """A job as a plan asks for it. `what` is the rendered action: nothing in it is looked up again.

    It waits while the gate of its API, or of this operation of it, is closed, and while the row that it `follows` is not
    done; `next` is the one that follows it. `retry` is what its rule says of further attempts. It is performed by a worker of
    its `queue`.
    """

    id: str
    rule: str
    action: str
    api: str
    what: Mapping[str, Any]
    operation: str = ""
    follows: str = ""
    next: str = ""
    retry: Mapping[str, int] | None = None
    queue: str = MAIN


@dataclass(frozen=True, slots=True)
class Bound:
    """So many within a time (ms); `asked` is how the rule says it."""

    control: str
    number: int
    within: int
    asked: str


@dataclass(frozen=True, slots=True)
class NewTimer:
    """What a rule waits for before it acts: `delay` after its event, at the latest `at_most` after the first of a burst (ms).

    `for`: the resource (API, kind, id) has not been in another state since it `entered` this one.
    """

    control: Literal["for", "unless", "debounce"]
    id: str
    delay: int
    asked: str
    at_most: int = 0
    resource: tuple[str, str, str] | None = None
    entered: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """One rule that fired on an event.

    `outcome` is planned, if its controls let it, or final: withheld or faulty. `findings` are those that need no memory.
    `flow` is the rule and its key in one word: what its controls count by. A `shadow` counts for itself and has no rows.
    """

    rule: str
    outcome: Literal["planned", "withheld", "faulty"]
    rows: tuple[NewRow, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    flow: str = ""
    shadow: bool = False
    count: Bound | None = None
    timer: NewTimer | None = None
    limits: tuple[Bound, ...] = ()
    max_age: int = 10**12
    max_age_asked: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from one event, for ever: the revision that decided, what becomes of the rules that fired, and why.

    `time` is the event's (ms), of the future only as far as now. `called_off` are the flows that wait for no such event as
    this one, each with how long it is remembered (ms).
    """

    entry: str
    event: str
    revision: str
    decided: tuple[Decided, ...]
    faults: tuple[str, ...] = ()
    time: int = 0
    called_off: tuple[tuple[str, int], ...] = ()

    @property
    def rows(self) -> tuple[NewRow, ...]:
        """The rows of all rules, as far as their controls let them."""
        return tuple(row for decided in self.decided for row in decided.rows)


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The plan that stands for an event, as `Plans.get` gives it, and whether it was stored just now."""

    first: bool
    plan: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Timer:
    """A rule that waits, or what became of it: `at` is its time (ms), `entry` the event it stands for, the last of a burst.

    `outcome` (planned, withheld, shadow) and `findings` are empty until it is ripe. `rows` are those it made.
    """

    id: str
    rule: str
    entry: str
    at: int
    outcome: str
    findings: tuple[Mapping[str, Any], ...]
    rows: tuple[str, ...]


class Plans:
    """Stores and reads plans. `dedup_window` is in seconds, and `sweep_after`: when somebody looks for a row in the queue."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, dedup_window: float, sweep_after: float) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)
        self._lifetime = int(2 * dedup_window * 1000)
        self._sweep_after = int(sweep_after * 1000)

    async def keep(self, plans: Sequence[Plan]) -> list[StoredPlan]:
        """Store plans with their rows and timers; of an event that was planned before, the first plan stands.

        Raises StoreUnavailable.
        """
        replies = await self._scripts.run_many(map(self._call, plans))
        return [StoredPlan(bool(first), orjson.loads(plan)) for first, plan in replies]

    def _call(self, plan: Plan) -> Call:
        keys = self._keys
        args: list[Arg] = [
            plan.entry,
            plan.time or int(plan.entry.partition("-")[0]),
            self._sweep_after,
            keys.row(""),
            keys.timer(""),
            keys.flow(""),
            keys.times("", "").removesuffix(":"),
            self._lifetime,
            orjson.dumps(plan.revision),
            orjson.dumps(plan.faults),
            orjson.dumps(plan.called_off),
            *(_decision(decided, plan, keys) for decided in plan.decided),
        ]
        return "plan", (keys.event(plan.entry), keys.due, keys.count), args

    async def get(self, entry: str) -> Mapping[str, Any] | None:
        """The stored plan of the event at a log entry; None when there is none, or no longer. Raises StoreUnavailable.

        `revision`; `rows`, each with its id, rule and action; `faults`, one sentence each; `rules`, one for each that
        fired: its name, its outcome, the findings of its controls (clause, asked, saw, held), and the timer it waits
        for, if it does (`timer` has the findings of when that ripened).
        """
        async with available():
            plan = await self._redis.hget(self._keys.event(entry), "plan")
        return orjson.loads(plan) if plan else None

    async def timer(self, timer: str) -> Timer | None:
        """A timer that a plan names: what it waits for, or what became of it. Raises StoreUnavailable."""
        async with available():
            fields: Any = await self._redis.hgetall(self._keys.timer(timer))
        return _timer(timer, fields) if fields else None

    async def rows_of(self, entry: str) -> list[Row]:
        """The rows that followed from the event at a log entry, at once or when a timer ripened. Raises StoreUnavailable."""
        plan = await self.get(entry)
        ids = await self._row_ids(plan, entry) if plan else []
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for row in ids:
                pipeline.hgetall(self._keys.row(row))
            found: list[Any] = await pipeline.execute()
        return [read_row(row, fields) for row, fields in zip(ids, found, strict=True) if fields]

    async def _row_ids(self, plan: Mapping[str, Any], entry: str) -> list[str]:
        """The ids of the rows of a plan and of the timers that stand for its event."""
        timers = [await self.timer(rule["timer"]) for rule in plan["rules"] if "timer" in rule]
        later = [row for timer in timers if timer and timer.entry == entry for row in timer.rows]
        return [*(row for row, _, _ in plan["rows"]), *later]


def _decision(decided: Decided, plan: Plan, keys: Keys) -> bytes:
    """A decision for Lua, which takes a null for something."""
    said = {field.name: getattr(decided, field.name) for field in fields(Decided)}
    said["findings"] = [orjson.dumps(finding, default=str).decode() for finding in decided.findings]
    said["rows"] = [[row.id, row.action, orjson.dumps(_fields(row, plan)).decode()] for row in decided.rows]
    if decided.timer:
        resource = keys.resource(*decided.timer.resource) if decided.timer.resource else ""
        said["timer"] = asdict(decided.timer) | {"resource": resource}
    return orjson.dumps({name: value for name, value in said.items() if value is not None})


def _fields(row: NewRow, plan: Plan) -> dict[str, str]:
    written = {
        "entry": plan.entry,
        "event": plan.event,
        "revision": plan.revision,
        "rule": row.rule,
        "action": row.action,
        "api": row.api,
        "operation": row.operation,
        "what": orjson.dumps(row.what).decode(),
    }
    optional = {
        "follows": row.follows,
        "next": row.next,
        "retry": orjson.dumps(row.retry).decode() if row.retry else "",
        "queue": row.queue if row.queue != MAIN else "",
    }
    return written | {name: value for name, value in optional.items() if value}


def _timer(timer: str, stored: Mapping[bytes, bytes]) -> Timer:
    """Read a timer as it is stored."""
    outcome = stored.get(b"outcome", b"").decode()
    rows = orjson.loads(stored[b"decision"])["rows"] if outcome == "planned" else []
    return Timer(
        timer,
        stored[b"rule"].decode(),
        stored[b"entry"].decode(),
        int(stored[b"at"]),
        outcome,
        tuple(orjson.loads(stored.get(b"findings", b"[]"))),
        tuple(row for row, _, _ in rows),
    )
