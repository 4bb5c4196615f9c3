"""Moves runs of workflows: begins them, and stores what each happening makes of them together with what they need next.

Owns the translation between the engine, which is pure, and the store: a call becomes a row that is due, a wait a row that
waits for its resource, and looks by itself now and then. Performs no call.
"""

import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from reactor.apis.client import Api
from reactor.catalog import Catalog
from reactor.config import Config
from reactor.errors import ConfigError
from reactor.queue import JobQueue, Ticket
from reactor.store.histogram import measured
from reactor.store.ledger import Row
from reactor.store.runs import NextRow, StoredRun
from reactor.store.store import Store
from reactor.store.waits import Awaited, Message, Shown
from reactor.store.watches import Wanted
from reactor.watching import REST, SHORTEST_HOLD, to_watch, watch_of
from reactor.workflows.asking import command_of, operation_of, poll_of, step_of
from reactor.workflows.choice import id_in, state_in
from reactor.workflows.engine import advance, new_run
from reactor.workflows.figures import figures_of
from reactor.workflows.inputs import accept_inputs
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program
from reactor.workflows.resuming import resumed
from reactor.workflows.run import Call, Command, End, Happened, Replied, Run, Started, Wait

MOST_PROGRAMS = 100
"""Compiled documents that a process keeps."""

MOST_NOTES = 20
"""Of what people did to a run; older ones go."""

WATCHED = 10
"""Times the probe interval: a wait that is long-polled looks by itself so rarely, should its watch be lost."""

READ_LATE = 15.0
"""Seconds by which a read may be behind the events: a provider's cache, an event sent before its commit, other clocks."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a run knows of a resource: the newest change it has seen, and when it read it (seconds since the epoch).

    Of messages: those since a time (ms since the epoch) are for it; the last that it `heard` is at this log entry.
    """

    resource: str = ""
    seen: int = 0
    read: float = 0.0
    since: int = 0
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """What goes with a move: `rest` (seconds) before a long poll, since when it has been `woken` (ms), what it counts.

    `label` is the row whose work the next one does again.
    """

    rest: float = 0.0
    woken: int = 0
    label: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """A run as it is now, the program it steps through, and its stored form."""

    stored: StoredRun
    program: Program
    run: Run


class Runner:
    """Begins runs and moves them on."""

    def __init__(self, config: Config, store: Store, queue: JobQueue, *, probe: float) -> None:
        self._config = config
        self._store = store
        self._queue = queue
        self._probe = probe
        self._catalog = Catalog(config.apis)
        self._programs: dict[str, Program] = {}

    def with_config(self, config: Config) -> "Runner":
        """The same by another configuration."""
        return Runner(config, self._store, self._queue, probe=self._probe)

    def program(self, text: bytes, file: str = "workflow") -> Program:
        """A document put to the configured APIs. Raises ConfigError with every mistake of it."""
        digest = _digest(text)
        if digest not in self._programs:
            if len(self._programs) >= MOST_PROGRAMS:
                self._programs.clear()
            document = load_document(text, file)
            self._programs[digest] = compile_program(document, self._catalog.for_document(document))
        return self._programs[digest]

    async def start(self, run_id: str, text: bytes, workflow_id: str, given: Mapping[str, Any]) -> bool:
        """Begin a run; False when a run of this id had begun before. Raises ConfigError, StoreUnavailable.

        A secret input may be given as the name of a declared secret only, and is not needed: the API's own key is used.
        """
        program = self.program(text)
        if workflow_id not in program.document.workflows:
            raise ConfigError(
                f"found workflow {workflow_id!r}, expected one of {', '.join(program.document.workflows)}"
            )
        secrets = program.secrets[workflow_id]
        self._refuse_literals(given, secrets)
        workflow = program.document.workflows[workflow_id]
        inputs = accept_inputs(workflow, given, secrets, program.document.components)
        digest = _digest(text)
        await self._store.runs.keep_document(digest, text)
        begun = advance(program, new_run(workflow_id, inputs), Started(time.time()))
        now = int(time.time() * 1000)
        fields = {"workflow": workflow_id, "document": digest, "started": str(now)}
        return await self._store_step(run_id, None, program, begun.run, fields, Known(since=now), Move()) is not None

    def _refuse_literals(self, given: Mapping[str, Any], secrets: frozenset[str]) -> None:
        for name in secrets & given.keys():
            if not (isinstance(given[name], str) and given[name] in self._config.secrets):
                raise ConfigError(
                    f"input {name} is a secret: leave it out (the API's own key is used), or give the name of one that "
                    f"config/secrets.yaml declares: {', '.join(self._config.secrets)}"
                )

    async def stage(self, run_id: str, generation: int) -> Stage | None:
        """A run at a generation; None when it has moved on or is gone. Raises StoreUnavailable, ConfigError."""
        stored = await self._store.runs.get(run_id)
        if stored is None or stored.generation != generation or stored.status != "running":
            return None
        program = self._programs.get(stored.document)
        if program is None:
            text = await self._store.runs.document(stored.document)
            if text is None:
                raise ConfigError(f"the document of run {run_id} is gone")
            program = self.program(text)
        return Stage(stored, program, Run.from_json(stored.state))

    async def retry(self, stored: StoredRun, by: str) -> bool:
        """Continue a run that failed or was cancelled from the step where it ended; False when it has changed meanwhile.

        What that step may have made is looked for before it is made again. Raises ConfigError when its document is gone
        or does not fit the APIs any more, StoreUnavailable.
        """
        text = await self._store.runs.document(stored.document)
        if text is None:
            raise ConfigError(f"the document of run {stored.id} is gone")
        program, ended = self.program(text), Run.from_json(stored.state)
        run = resumed(program, ended, generation=stored.generation + 1, at=time.time())
        same = run.status == "running" and step_of(program, run) is step_of(program, ended) if ended.top.step else False
        label = await self._label(stored) if same else ""
        note = {"at": int(time.time() * 1000), "by": by, "did": "retry", "was": stored.status}
        audit = [*stored.audit, {**note, "because": stored.because}][-MOST_NOTES:]
        await self._store.runs.keep_document(stored.document, text)
        fields = {"audit": orjson.dumps(audit).decode()}
        known, move = Known(since=stored.started, heard=stored.heard), Move(label=label)
        return await self._store_step(stored.id, stored.generation, program, run, fields, known, move) is not None

    async def _label(self, stored: StoredRun) -> str:
        """What marks the things that the last row of a run may have made."""
        last = row_id(stored.id, stored.generation - 1)
        row = await self._store.ledger.get(last)
        return row.label if row else last

    async def give_up(self, run_id: str, generation: int, because: str) -> None:
        """Fail a run whose move is dead: nothing would ever move it again. Raises StoreUnavailable."""
        await self._store.runs.end(run_id, generation, status="failed", because=because)

    async def advance(self, stage: Stage, happened: Happened, row: Row | None = None) -> Run | None:
        """Take what happened into a run; `row` is the one that moves it, with the evidence that woke it.

        Returns the run as it is then, None when somebody else had moved it on. Raises StoreUnavailable.
        """
        saw: Mapping[str, Any] = (row and row.saw) or {}
        moved = advance(stage.program, stage.run, happened).run
        known = Known(
            stage.stored.resource,
            saw.get("seq", stage.stored.seen),
            _asked(happened),
            stage.stored.started,
            saw.get("entry", stage.stored.heard),
        )
        move = Move(
            rest=_rest(stage.run, moved, happened),
            woken=saw.get("woken", 0),
            counts={**figures_of(stage.program, stage.run, moved, happened), **_reaction(row, happened)},
        )
        stored = await self._store_step(stage.stored.id, stage.stored.generation, stage.program, moved, {}, known, move)
        if stored is None:
            return None
        await self._share(stage, happened)
        return moved

    async def watch(self, api: Api, kind: str, made: Any) -> None:
        """Have what was just made watched until it rests, if a rule asks for it and nobody else tells of it."""
        if spec := to_watch(self._config, api, kind, made):
            await self._store.watches.stand(spec)

    async def message(self, entry: str) -> Any:
        """The body of the event at a log entry. Raises ConfigError when the log has it no longer, StoreUnavailable."""
        found = await self._store.log.get(entry)
        if found is None:
            raise ConfigError(f"the event at {entry} is trimmed from the log already: keep more of it")
        return found.event().data

    async def _share(self, stage: Stage, happened: Happened) -> None:
        """Wake the others that wait for what a probe has just read, if it is another state than they know."""
        wait, poll = command_of(stage.program, stage.run), poll_of(stage.program, stage.run)
        if not (isinstance(wait, Wait) and wait.probe_in is None and poll and isinstance(happened, Replied)):
            return
        state, resource = state_in(poll.kind, happened.body), id_in(poll.kind, happened.body)
        if state and resource and wait.resource and 200 <= happened.status < 300:
            name = wait.resource if wait.may_be_name else None
            shown = Shown(wait.api, wait.kind, resource, name, state, _asked(happened))
            await self._queue.enqueue([Ticket(row) for row in await self._store.waits.share(shown)])

    async def _store_step(
        self,
        run_id: str,
        expected: int | None,
        program: Program,
        run: Run,
        fields: Mapping[str, str],
        known: Known,
        move: Move,
    ) -> bool | None:
        """Store a run with the row that moves it next, and give that row to the queue if it is due."""
        command, operation = command_of(program, run), operation_of(program, run)
        holds = operation is not None and operation.holds
        watched = self._watched(command, program, run)
        patience = self._probe * (WATCHED if watched else 1)
        awaited = (
            self._awaited(command, known, patience) if isinstance(command, Wait) and (watched or not holds) else None
        )
        resource = f"{awaited.kind}/{awaited.resource}" if awaited else known.resource
        state = {
            "state": run.to_json().decode(),
            "generation": str(run.generation),
            "status": run.status,
            "phase": "waiting" if run.waits else run.status,
            "because": run.because,
            "resource": resource,
            "heard": known.heard,
            "seen": str(awaited.seen if awaited else known.seen),
        }
        row = None
        if not isinstance(command, End):
            api, name = (operation.api, operation.id) if operation else ("", "")
            unheld = holds and isinstance(command, Wait) and not watched
            delay = move.rest if unheld else self._delay(command, patience)
            woken = move.woken if isinstance(command, Call) and not delay else 0
            row = NextRow(
                row_id(run_id, run.generation), run.generation, api, name, delay, woken, move.label, watched, move.rest
            )
        due = await self._store.runs.advance(
            run_id, expected, {**fields, **state}, row, awaited or _listened(command, known), move.counts
        )
        if due and row:
            await self._queue.enqueue([Ticket(row.id)])
        return due

    def _watched(self, command: Command, program: Program, run: Run) -> Wanted | None:
        """The long poll that a wait is registered with."""
        operation = operation_of(program, run)
        if not isinstance(command, Wait) or operation is None:
            return None
        return watch_of(self._config, command, operation, poll_of(program, run))

    def _delay(self, command: Call | Wait, patience: float) -> float:
        """Seconds until a call may go out, or until a wait that nobody wakes looks by itself."""
        now = time.time()
        if isinstance(command, Call):
            return max(0.0, command.not_before - now)
        left = max(0.0, command.deadline - now)
        if command.probe is None:
            return left
        sparse = patience * random.uniform(0.8, 1.2)  # noqa: S311  # so that a crowd spreads; no secret
        return min(left, sparse if command.probe_in is None else command.probe_in)

    def _awaited(self, wait: Wait, known: Known, patience: float) -> Awaited | None:
        """The resource of a wait in the state table; None for a wait that only its own looks can end.

        What the table had long before the run read otherwise is no evidence: an event that would say so was lost.
        """
        if not wait.resource or not wait.events or not wait.probe:
            return None
        seen = known.seen if known.resource == f"{wait.kind}/{wait.resource}" else 0
        after = max(wait.after, known.read - READ_LATE)
        return Awaited(
            wait.api,
            wait.kind,
            wait.resource,
            seen,
            after,
            wait.may_be_name,
            knows=wait.state or "",
            probe=patience if wait.probe_in is None else 0.0,
            deadline=wait.deadline,
        )


def _listened(command: Command, known: Known) -> Message | None:
    """The message that a run waits for, if it does. A correlation is the id or the name of the resource it is about."""
    if not isinstance(command, Wait) or command.probe or not command.events:
        return None
    about = "" if command.correlation is None else str(command.correlation)
    return Message(command.api, command.kind, command.events[0], about, known.since, known.heard)


def _asked(happened: Happened) -> float:
    """When the call went out whose reply this is; 0 for anything else."""
    if not isinstance(happened, Replied):
        return 0.0
    return happened.at if happened.asked is None else happened.asked


def _reaction(row: Row | None, happened: Happened) -> dict[str, int]:
    """The time from the waking of a run to its next call, as the histogram counts it; of a first attempt only."""
    woken = row.what.get("woken", 0) if row and row.attempts == 1 else 0
    if not woken or not isinstance(happened, Replied):
        return {}
    return measured("run_woken", max(0, int(_asked(happened) * 1000) - woken))


def _rest(before: Run, after: Run, happened: Happened) -> float:
    """Seconds until a long poll goes out again."""
    polled = isinstance(happened, Replied) and before.waits and after.waits and before.top.step == after.top.step
    return REST if polled and happened.at - _asked(happened) < SHORTEST_HOLD else 0.0


def row_id(run_id: str, generation: int) -> str:
    """The id of the row that moves a run on from a generation: the same whoever stores it, and safe in labels."""
    return hashlib.sha256(f"run\0{run_id}\0{generation}".encode()).hexdigest()[:20]


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
