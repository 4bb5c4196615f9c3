"""The store's scripts in any order, by anybody, as often as they like, beside a model in Python.

Owns the model. Time is told, not waited for: stored times are far away until a rule lets one come. Invariants 1, 2, 3, 5,
8, 9, 10 and 18 are asserted by the rules and after each of them.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis import Redis

from reactor.embedded import EmbeddedServer
from reactor.events import Event, Sighting
from reactor.settings import Settings
from reactor.store.ledger import Ending, Refused, Row
from reactor.store.plans import Decided, NewRow, Plan
from reactor.store.resources import Observation
from reactor.store.runs import NextRow
from reactor.store.store import Store
from reactor.store.waits import Awaited, News

FAR = 100_000.0
"""Seconds: a lease or a pause that never ends by itself."""

PAST = 1
QUEUE = "rq:queue:reactor"
FULL = 20
"""Entries of a queue that is not short."""
KIND = "volume"
API = "daytona"
BEGAN = 1_700_000_000_000

EVENTS, ROWS, RUNS, RESOURCES = (range(count) for count in (4, 2, 2, 2))
STATES = {"creating": (0, 0), "pending": (0, 0), "ready": (0, 1), "deleted": (1, 1)}
"""Each state, whether it is terminal and whether it is settled."""

FINAL = ("done", "dead", "unknown")

HISTORY = settings(
    max_examples=6,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""A few histories, the same each time."""


@dataclass
class RowModel:
    """What a row must be."""

    state: str = "due"
    queued: bool = True
    fence: int = 0
    come: bool = False
    """Whether its time has come, or its lease is over."""
    seen: int = 0
    waits_for: str = ""


@dataclass
class Model:
    """What everything must be."""

    entries: dict[int, str] = field(default_factory=dict)
    verdicts: dict[int, Any] = field(default_factory=dict)
    said: dict[int, tuple[str, tuple[int, int, int, str]]] = field(default_factory=dict)
    planned: dict[int, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[str, RowModel] = field(default_factory=dict)
    held: list[Row] = field(default_factory=list)
    """What workers believe to hold."""
    locks: dict[str, str] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    seqs: dict[str, int] = field(default_factory=dict)


class StoreMachine(RuleBasedStateMachine):
    """One history of the store."""

    server: EmbeddedServer

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(self.server.url, decode_responses=True)
        self.redis.flushall()
        chosen = Settings(redis_url=self.server.url, lease=FAR, sweep_after=FAR, dedup_window=10**9)
        self.store = Store(chosen)
        self.keys, self.model = self.store.keys, Model()
        self.runner.run(self.store.log.join())
        self.deliver(0, 1)
        self._plan(0, set(ROWS))  # so that there are rows, whichever rules a history has

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.close())
            self.runner.close()
            self.redis.close()

    # events

    @rule(number=st.sampled_from(EVENTS), copies=st.integers(1, 4))
    def deliver(self, number: int, copies: int) -> None:
        """Copies at once: one entry, and all are told which."""
        event, body = Event.from_payload(id=f"msg_{number}", source=API, organization="o", body=b"{}"), b"{}"

        async def all_copies() -> list[Any]:
            return await asyncio.gather(*(self.store.log.append(event, body) for _ in range(copies)))

        appended = self.runner.run(all_copies())
        [entry] = {each.entry for each in appended}
        new = sum(not each.duplicate for each in appended)
        assert new == (number not in self.model.entries)
        assert self.model.entries.setdefault(number, entry) == entry

    @precondition(lambda self: self.model.entries)
    @rule(
        data=st.data(), resource=st.sampled_from(RESOURCES), state=st.sampled_from(sorted(STATES)), at=st.integers(0, 1)
    )
    def observe(self, data: st.DataObject, resource: int, state: str, at: int) -> None:
        """A verdict stands for ever; the state is the newest that was ever said, in whatever order it was."""
        number = data.draw(st.sampled_from(sorted(self.model.entries)))
        terminal, settled = STATES[state]
        self.model.said.setdefault(number, (f"vol-{resource}", (terminal, BEGAN + at, settled, state)))
        volume, order = self.model.said[number]
        sighting = Sighting(KIND, volume, f"name-{volume}", order[3], order[1], True, order[0], order[2])
        observation = Observation(self.model.entries[number], API, f"meaning-{number}", sighting)
        [verdict] = self.runner.run(self.store.resources.observe([observation]))
        assert self.model.verdicts.setdefault(number, verdict) == verdict

    @precondition(lambda self: self.model.entries)
    @rule(data=st.data(), rows=st.sets(st.sampled_from(ROWS), max_size=3))
    def plan(self, data: st.DataObject, rows: set[int]) -> None:
        """The first plan stands, with its rows."""
        self._plan(data.draw(st.sampled_from(sorted(self.model.entries))), rows)

    def _plan(self, number: int, rows: set[int]) -> None:
        ids = tuple(f"row-{number}-{row}" for row in sorted(rows))
        wanted = tuple(NewRow(row, "a-rule", "call", API, {}) for row in ids)
        plan = Plan(self.model.entries[number], f"msg_{number}", "revision", (Decided("a-rule", "planned", wanted),))
        [stored] = self.runner.run(self.store.plans.keep([plan]))
        assert stored.first == (number not in self.model.planned)
        if stored.first:
            self.model.planned[number] = ids
            self.model.rows.update({row: RowModel() for row in ids})
            self._enqueue(*ids)

    # rows

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """One live lease, and a higher fence each time; a job that was popped claims its row, or anybody does."""
        popped = self.redis.lpop(QUEUE) if data.draw(st.booleans()) else None
        if popped:
            self.model.queue.remove(str(popped))
        row_id = str(popped or data.draw(st.sampled_from(sorted(self.model.rows))))
        row = self.model.rows[row_id]
        [claim] = self.runner.run(self.store.ledger.claim([row_id], "worker"))
        if refused := self._refusal(row):
            assert isinstance(claim, Refused)
            assert claim.reason == refused
            return
        assert isinstance(claim, Row)
        assert claim.fence == row.fence + 1
        row.state, row.queued, row.fence, row.come = "running", False, claim.fence, False
        self.model.held.append(claim)

    def _refusal(self, row: RowModel) -> str:
        if row.state not in ("due", "running"):
            return "finished"
        if row.state == "running" and not row.come:
            return "leased"
        return "early" if row.state == "due" and not row.queued and not row.come else ""

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), state=st.sampled_from(("due", *FINAL)))
    def finish(self, data: st.DataObject, state: Any) -> None:
        """Whoever has the highest fence, once; asked again, the answer is the same."""
        held = data.draw(st.sampled_from(self.model.held))
        row = self.model.rows[held.id]
        finished = self.runner.run(self.store.ledger.finish(held, Ending(state, delay=FAR)))
        if held.fence != row.fence or row.state != "running":
            assert finished == (held.fence == row.fence and row.state == state)
            return
        assert finished
        row.state, row.queued, row.come = state, False, False
        if state in FINAL:
            self.model.locks = {name: holder for name, holder in self.model.locks.items() if holder != held.id}

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Only who has the fence of a running row."""
        held = data.draw(st.sampled_from(self.model.held))
        row = self.model.rows[held.id]
        renewed = self.runner.run(self.store.ledger.renew(held))
        assert renewed == (held.fence == row.fence and row.state == "running")
        row.come = row.come and not renewed

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def lock(self, data: st.DataObject) -> None:
        """One row at a time creates what has a name."""
        live = [held for held in self.model.held if self.model.rows[held.id].state == "running"]
        held = data.draw(st.sampled_from(live or self.model.held))
        name = "name-0"
        row, holder = self.model.rows[held.id], self.model.locks.get(name)
        code, told = self.runner.run(self.store.ledger.lock(held, name))
        if held.fence != row.fence or row.state != "running":
            assert code == -1
        elif holder not in (None, held.id):
            assert (code, told) == (0, holder)
        else:
            assert code == 1
            self.model.locks[name] = held.id
            for other in live:
                if other.id != held.id and other.fence == self.model.rows[other.id].fence:
                    assert self.runner.run(self.store.ledger.lock(other, name)) == (0, held.id)

    @precondition(lambda self: any(row.state == "running" for row in self.model.rows.values()))
    @rule(data=st.data(), state=st.sampled_from(("due", *FINAL)))
    def overtake(self, data: st.DataObject, state: Any) -> None:
        """A worker sleeps past its lease, another takes the row, and the first one wakes up: it has no say any more."""
        running = {row_id: row for row_id, row in self.model.rows.items() if row.state == "running"}
        row_id = data.draw(st.sampled_from(sorted(running)))
        row = running[row_id]
        sleeper = next(held for held in self.model.held if held.id == row_id and held.fence == row.fence)
        self._let_time_come(row_id)
        [claim] = self.runner.run(self.store.ledger.claim([row_id], "another"))
        assert isinstance(claim, Row)
        assert claim.fence == row.fence + 1
        row.fence, row.queued, row.come = claim.fence, False, False
        self.model.held.append(claim)
        assert not self.runner.run(self.store.ledger.renew(sleeper))
        assert not self.runner.run(self.store.ledger.finish(sleeper, Ending(state, delay=FAR)))
        assert self.runner.run(self.store.ledger.lock(sleeper, "name-0"))[0] == -1

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def time_comes(self, data: st.DataObject) -> None:
        """A pause, a wait or a lease is over."""
        self._let_time_come(data.draw(st.sampled_from(sorted(self.model.rows))))

    def _let_time_come(self, row_id: str) -> None:
        row = self.model.rows[row_id]
        if row.state in FINAL:
            return
        self.redis.zadd(self.keys.due, {row_id: PAST})
        if row.state == "running":
            self.redis.hset(self.keys.row(row_id), "lease", PAST)
        row.come = True

    @rule()
    def sweep(self) -> None:
        """Each row whose time has come, once; what may stand in a long queue gets no second place in it."""
        due = {row_id: row for row_id, row in self.model.rows.items() if row.come}
        queued, live = len(self.model.queue), self.redis.zcard(self.keys.due)
        swept = [each.row for each in self.runner.run(self.store.due.sweep(QUEUE))]
        assert len(swept) == len(set(swept))
        assert set(swept) <= due.keys()
        unqueued = {row_id for row_id, row in due.items() if not row.queued}
        assert unqueued <= set(swept)
        assert len(set(swept) - unqueued) <= max(0, min(FULL, 2 * live) - queued)
        for row_id, row in due.items():
            if row_id in swept:
                row.queued, row.state = True, "due" if row.state == "waiting" else row.state
            row.come = row.state == "running"  # its lease stays over; only the next look is later
        self._enqueue(*swept)
        assert self.runner.run(self.store.due.sweep(QUEUE)) == []

    @rule()
    def server_forgets_scripts(self) -> None:
        """A restart empties the script cache."""
        self.redis.script_flush()

    # runs

    @rule(
        run=st.sampled_from(RUNS),
        back=st.integers(0, 1),
        wait=st.sampled_from((None, *RESOURCES)),
        seen=st.integers(0, 3),
    )
    def advance(self, run: int, back: int, wait: int | None, seen: int) -> None:
        """One move for each generation; a wait for what is known already is over at once."""
        run_id = f"run-{run}"
        generation = self.model.runs.get(run_id)
        expected = None if generation is None or generation < back else generation - back
        following = 0 if expected is None else expected + 1
        row = NextRow(f"{run_id}-{following}", following, API, "", 0.0 if wait is None else FAR)
        fields = {"generation": str(following), "state": "{}", "status": "running", "phase": "waiting", "because": ""}
        fields |= {"resource": "", "seen": "0", "workflow": "w", "document": "d", "started": "0"}
        volume = f"vol-{wait}"
        awaited = None if wait is None else Awaited(API, KIND, volume, seen, 0.0)
        due = self.runner.run(self.store.runs.advance(run_id, expected, fields, row, awaited))
        if expected != generation:
            assert due is None
            return
        self.model.runs[run_id] = following
        at_once = wait is None or self.model.seqs.get(volume, 0) > seen
        assert due == at_once
        self.model.rows[row.id] = (
            RowModel() if at_once else RowModel("waiting", queued=False, seen=seen, waits_for=volume)
        )
        if due:
            self._enqueue(row.id)

    @rule(resource=st.sampled_from(RESOURCES))
    def wake(self, resource: int) -> None:
        """Whoever waits for something older than what is known, once."""
        volume = f"vol-{resource}"
        news = News(API, KIND, volume, f"name-{volume}", "volume.state.updated", "1-1")
        woken = self.runner.run(self.store.waits.wake([news]))
        waiting = {row_id: row for row_id, row in self.model.rows.items() if row.state == "waiting"}
        seq = self.model.seqs.get(volume, 0)
        assert sorted(woken) == sorted(
            row_id for row_id, row in waiting.items() if row.waits_for == volume and row.seen < seq
        )
        for row_id in woken:
            row = self.model.rows[row_id]
            row.state, row.queued, row.come = "due", True, False
        self._enqueue(*woken)

    def _enqueue(self, *rows: str) -> None:
        if rows:
            self.redis.rpush(QUEUE, *rows)
            self.model.queue += rows

    # what holds at any time

    @invariant()
    def every_event_is_in_the_log_once(self) -> None:
        if hasattr(self, "model"):
            logged: Any = self.redis.xrange(self.keys.log)
            entries = [entry for entry, _ in logged]
            assert sorted(entries) == sorted(self.model.entries.values())

    @invariant()
    def rows_are_what_they_must_be(self) -> None:
        """Also: what has not ended has a time, what has ended has none, and there is no row that nobody planned."""
        if not hasattr(self, "model"):
            return
        due = set(self.redis.zrange(self.keys.due, 0, -1))
        for row_id, row in self.model.rows.items():
            fields = self.redis.hmget(self.keys.row(row_id), "state", "fence", "queued")
            assert fields == [row.state, str(row.fence), str(int(row.queued))], row_id
            assert (row_id in due) == (row.state not in FINAL), row_id
        rows = {key.removeprefix(self.keys.row("")) for key in self.redis.scan_iter(self.keys.row("*"))}
        assert rows == self.model.rows.keys()

    @invariant()
    def states_are_the_newest_that_were_said(self) -> None:
        if not hasattr(self, "model"):
            return
        for volume in (f"vol-{number}" for number in RESOURCES):
            said = [order for number, (of, order) in self.model.said.items() if of == volume]
            state, seq = self.redis.hmget(self.keys.resource(API, KIND, volume), "state", "seq")
            assert state == (max(said)[3] if said else None)
            assert int(seq or 0) >= self.model.seqs.get(volume, 0)
            self.model.seqs[volume] = int(seq or 0)
