"""Begins runs of workflows and moves them on.

Owns storing what each happening makes of a run together with what it needs next. Which step is next is the engine's, what
that needs is `needs`'. Performs no call.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from reactor.apis.client import Api
from reactor.catalog import Catalog
from reactor.config import Config
from reactor.errors import ConfigError
from reactor.failpoints import failpoint
from reactor.queue import JobQueue, Ticket
from reactor.runs.needs import Known, Moved, asked_at, needs_of, reaction, rest_of, row_id
from reactor.runs.watching import to_watch
from reactor.store.ledger import Row
from reactor.store.runs import StoredRun
from reactor.store.store import Store
from reactor.store.waits import Shown
from reactor.workflows.asking import command_of, poll_of, step_of
from reactor.workflows.choice import id_in, state_in
from reactor.workflows.engine import advance, new_run
from reactor.workflows.figures import figures_of
from reactor.workflows.program import Program, load_program
from reactor.workflows.resuming import resumed
from reactor.workflows.run import Happened, Replied, Run, Started, Wait

MOST_PROGRAMS = 100
"""Compiled documents that a process keeps."""

MOST_NOTES = 20
"""Of what people did to a run; older ones go."""

NOTHING: Mapping[str, str] = MappingProxyType({})


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
            self._programs[digest] = load_program(text, file, self._catalog.for_document)
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
        self._refuse_literals(given, program.secrets[workflow_id])
        inputs = program.accept(workflow_id, given)
        digest = _digest(text)
        await self._store.runs.keep_document(digest, text)
        begun = advance(program, new_run(workflow_id, inputs), Started(time.time()))
        fields = {"workflow": workflow_id, "document": digest, "started": str(int(time.time() * 1000))}
        return await self._keep(Moved(run_id, program, begun.run, Known()), None, fields)

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
            program = self.program(await self._text(stored))
        return Stage(stored, program, Run.from_json(stored.state))

    async def retry(self, stored: StoredRun, by: str) -> bool:
        """Continue a run that failed or was cancelled from the step where it ended; False when it has changed meanwhile.

        What that step may have made is looked for before it is made again. Raises ConfigError when its document is gone
        or does not fit the APIs any more, StoreUnavailable.
        """
        text = await self._text(stored)
        program, ended = self.program(text), Run.from_json(stored.state)
        run = resumed(program, ended, generation=stored.generation + 1, at=time.time())
        same = run.status == "running" and step_of(program, run) is step_of(program, ended) if ended.top.step else False
        label = await self._label(stored) if same else ""
        note = {"at": int(time.time() * 1000), "by": by, "did": "retry", "was": stored.status}
        audit = [*stored.audit, {**note, "because": stored.because}][-MOST_NOTES:]
        await self._store.runs.keep_document(stored.document, text)
        fields = {"audit": orjson.dumps(audit).decode()}
        known = Known(heard=stored.heard)
        return await self._keep(Moved(stored.id, program, run, known, label=label), stored.generation, fields)

    async def _text(self, stored: StoredRun) -> bytes:
        """The document of a run. Raises ConfigError when it is gone, StoreUnavailable."""
        text = await self._store.runs.document(stored.document)
        if text is None:
            raise ConfigError(f"the document of run {stored.id} is gone")
        return text

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
        stored, program, before = stage.stored, stage.program, stage.run
        saw: Mapping[str, Any] = (row and row.saw) or {}
        after = advance(program, before, happened).run
        known = Known(
            stored.resource,
            saw.get("seq", stored.seen),
            asked_at(happened),
            saw.get("entry", stored.heard),
        )
        moved = Moved(
            stored.id,
            program,
            after,
            known,
            rest=rest_of(before, after, happened),
            woken=saw.get("woken", 0),
            counts={**figures_of(program, before, after, happened), **reaction(row, happened)},
        )
        if not await self._keep(moved, stored.generation):
            return None
        await self._share(stage, happened)
        return after

    async def watch(self, api: Api, kind: str, made: Any) -> None:
        """Have what was just made watched until it rests, if a rule asks for it and nobody else tells of it."""
        if spec := to_watch(self._config, api, kind, made):
            await self._store.watches.stand([spec])

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
            shown = Shown(wait.api, wait.kind, resource, name, state, asked_at(happened))
            await self._queue.enqueue([Ticket(row) for row in await self._store.waits.share(shown)])

    async def _keep(self, moved: Moved, expected: int | None, fields: Mapping[str, str] = NOTHING) -> bool:
        """Store a run with the row that moves it next, and give that row to the queue if it is due.

        False when the run is not at the generation that was `expected` (None: not there).
        """
        needs = needs_of(moved, self._config, probe=self._probe, now=time.time())
        due = await self._store.runs.advance(
            moved.id, expected, {**fields, **needs.fields}, needs.row, needs.awaited, moved.counts
        )
        if due is None:
            return False
        failpoint("run.after_advance")
        if due and needs.row:
            await self._queue.enqueue([Ticket(needs.row.id)])
        return True


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
