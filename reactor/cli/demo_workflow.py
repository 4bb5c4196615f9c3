"""`reactor demo --workflow`: one Arazzo document tried on real processes, and what became of it.

Owns checking the document and its inputs before anything starts, following the run, and the figures. Performs no step:
the worker does. Rules are left out, so that only the document acts.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from reactor.catalog import Catalog
from reactor.cli.demo_given import Given, taken_for_granted
from reactor.cli.fleet import Fleet
from reactor.cli.processes import opened
from reactor.cli.timeline import Happened, Moment, calls_of, events_of, line_of, moment_of, percentiles
from reactor.cli.workflows import chosen_workflow, document_of, inputs_of, read
from reactor.config import load_config
from reactor.emulator.client import Emulator
from reactor.errors import ReactorError
from reactor.runs.needs import row_id
from reactor.runs.runner import Runner
from reactor.store.ledger import Row
from reactor.store.log import Entry
from reactor.store.runs import StoredRun
from reactor.store.store import Store
from reactor.workflows.program import Program, load_program
from reactor.workflows.run import Run

RUN = "demo"
"""The id of the one run of a demo."""

LOOK = 0.05
"""Seconds between two looks at what is new, to tell it. The run itself does not look."""

NAME_WIDTH = 32
"""Room for the names of steps, operations and events: lines are told as they come, before the longest is known."""


@dataclass(frozen=True)
class Trial:
    """A document that is ready to be tried: it fits the configured APIs, and has all the inputs it needs.

    `left_out` names inputs that were given though they are secrets: the API's own key is used. `given` is there before.
    """

    text: bytes
    program: Program
    workflow_id: str
    inputs: Mapping[str, Any]
    left_out: tuple[str, ...]
    given: tuple[Given, ...]
    config: Path
    timeout: float

    @classmethod
    def of(
        cls,
        named: str,
        workflow_id: str,
        typed: Mapping[str, str],
        config: Path,
        timeout: float,
        there: Sequence[Given] = (),
    ) -> "Trial":
        """Check everything that can be checked without a process. Raises ReactorError with all that is wrong."""
        path = document_of(named, config)
        text = read(path)
        program = load_program(text, str(path), Catalog(load_config(config).apis).for_document)
        chosen = chosen_workflow(program, workflow_id)
        given = inputs_of(program, chosen, typed)
        program.accept(chosen, given)
        inputs = {name: value for name, value in given.items() if name not in program.secrets[chosen]}
        left_out = tuple(sorted(given.keys() - inputs.keys()))
        granted = taken_for_granted(program, chosen, inputs) | {(each.kind, each.name): each for each in there}
        return cls(text, program, chosen, inputs, left_out, tuple(sorted(granted.values())), config, timeout)

    def without_rules(self, directory: Path) -> Path:
        """A copy of the configuration in which no rule acts beside the document."""
        return Path(shutil.copytree(self.config, directory / "config", ignore=shutil.ignore_patterns("rules")))


@dataclass(frozen=True)
class Outcome:
    """What became of the document, and what `--json` prints.

    `calls` counts API calls by operationId, `polls` those of the operations that the document polls.
    `ready_to_next_ms` is from the acceptance of each event that ended a wait to the next API call; null without one.
    """

    ok: bool
    workflow: str
    given: tuple[str, ...]
    state: str
    because: str
    steps: Mapping[str, Any]
    outputs: Mapping[str, Any]
    calls: Mapping[str, int]
    polls: int
    ready_to_next_ms: Mapping[str, float | None] | None
    seconds: float
    timeline: tuple[Moment, ...]


@dataclass
class Story:
    """Everything that has happened so far, told as it comes. `began` is in seconds since the epoch."""

    began: float
    tell: Callable[[str], object]
    moments: dict[tuple[float, str, str], Moment] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)

    def hear(self, happened: Iterable[Happened]) -> None:
        """Take in what is new, and tell it."""
        for each in sorted(happened):
            if each[:3] not in self.moments:
                self.moments[each[:3]] = moment_of(self.began, each)
                self.tell(line_of(self.moments[each[:3]], NAME_WIDTH))

    def see(self, stored: StoredRun, run: Run) -> None:
        """Tell the steps that have completed since the last look, and the one that the run is at."""
        at, current = stored.updated / 1000, run.place if stored.status == "running" else ""
        within = run.place.removesuffix(run.top.step)
        done = {within + name: outputs for name, outputs in run.top.outputs.items()}
        names = [name for name in done if name not in self.completed and name != current]
        self.completed.update(names)
        self.hear((at, "step", name, f"done: {_json(done[name])}") for name in names)
        if current:
            self.hear(
                [(at, "step", current, f"waiting: {stored.because}".removesuffix(": ") if run.waits else "calling")]
            )


async def play(trial: Trial, fleet: Fleet, emulator: Emulator, tell: Callable[[str], object]) -> Outcome:
    """Run the document to its end, or to the end of patience. Raises ReactorError when a process ends by itself."""
    async with opened(fleet.settings) as (store, queue):
        runner = Runner(load_config(trial.config), store, queue, probe=fleet.settings.probe)
        return await _Player(trial, fleet, emulator, store, Story(time.time(), tell)).play(runner)


@dataclass(frozen=True)
class _Player:
    """Begins the run and follows it."""

    trial: Trial
    fleet: Fleet
    emulator: Emulator
    store: Store
    story: Story

    async def play(self, runner: Runner) -> Outcome:
        for given in self.trial.given:
            self.emulator.give(given.kind, given.name, given.state)
        await runner.start(RUN, self.trial.text, self.trial.workflow_id, self.trial.inputs)
        stored = await self._ended_before(time.monotonic() + self.trial.timeout)
        calls, entries = self.emulator.call_log(), await self.store.log.entries()
        self.story.hear([*calls_of(calls), *events_of(entries)])
        rows = [await self.store.ledger.get(row_id(RUN, number)) for number in range(stored.generation + 1)]
        return self._outcome(stored, calls, entries, [row for row in rows if row])

    async def _ended_before(self, deadline: float) -> StoredRun:
        """The run when it is over or patience is; tells on the way."""
        while True:
            self.fleet.check()
            stored = await self.store.runs.get(RUN)
            if stored is None:
                raise ReactorError("the run is gone from the store")
            answered = [call for call in self.emulator.call_log() if call["status"] is not None]
            self.story.hear([*calls_of(answered), *events_of(await self.store.log.entries())])
            self.story.see(stored, Run.from_json(stored.state))
            if stored.status != "running" or time.monotonic() > deadline:
                return stored
            await asyncio.sleep(LOOK)

    def _outcome(
        self, stored: StoredRun, calls: Sequence[Mapping[str, Any]], entries: Sequence[Entry], rows: Sequence[Row]
    ) -> Outcome:
        run = Run.from_json(stored.state)
        over = stored.status != "running"
        counts = Counter(_plain(call["operation"]) for call in calls)
        polled = {self.trial.program.operations[at].id for at in self.trial.program.polls}
        measured = reactions(rows, entries, [call["at"] * 1000 for call in calls], _resting(self.trial.program))
        return Outcome(
            ok=stored.status == "succeeded",
            workflow=stored.workflow,
            given=tuple(map(str, self.trial.given)),
            state="waiting" if run.waits and not over else stored.status,
            because=stored.because if over else f"it took longer than --timeout; {stored.because}".removesuffix("; "),
            steps=run.top.outputs,
            outputs=run.outputs,
            calls=dict(sorted(counts.items())),
            polls=sum(counts[operation] for operation in polled),
            ready_to_next_ms=percentiles(measured) if measured else None,
            seconds=round((stored.updated / 1000 if over else time.time()) - self.story.began, 3),
            timeline=tuple(sorted(self.story.moments.values())),
        )


def _plain(operation: str) -> str:
    """An operationId without the API's name, which the emulator's log puts before some."""
    return operation.rpartition(".")[2]


def _resting(program: Program) -> frozenset[str]:
    """The states that end no wait of a document."""
    outcomes = [(state, outcome) for poll in program.polls.values() for state, outcome, _ in poll.outcomes]
    ending = {state for state, outcome in outcomes if outcome != "stays"}
    return frozenset(state for state, _ in outcomes) - ending


def reactions(
    rows: Sequence[Row], entries: Sequence[Entry], calls: Sequence[float], resting: frozenset[str]
) -> list[float]:
    """Milliseconds from each event that ended a wait to the next call. Of several before one call, the last ended it."""
    ended: dict[float, int] = {}
    for row in rows:
        woken = _woken(entries, row, resting)
        following = [at for at in calls if woken is not None and at >= woken]
        if woken is not None and following:
            ended[min(following)] = max(woken, ended.get(min(following), 0))
    return [at - accepted for at, accepted in ended.items()]


def _woken(entries: Iterable[Entry], row: Row, resting: frozenset[str]) -> int | None:
    """When the event was accepted that ended a row's wait: the message it received, or the last that told its state.

    None if its own look ended it, or a state in which the document waits on.
    """
    saw = row.saw or {}
    if "entry" in saw:
        return next((entry.accepted for entry in entries if entry.entry == saw["entry"]), None)
    if not saw.get("state") or saw["state"] in resting:
        return None
    told = [entry.accepted for entry in entries if _woke(entry, row, saw["state"])]
    return told[-1] if told else None


def _woke(entry: Entry, row: Row, state: str) -> bool:
    """Whether an event came while a row waited, and told the state that woke it."""
    data = orjson.loads(entry.body)
    return row.created <= entry.accepted <= (row.ended or entry.accepted) and state in (
        data.get("newState"),
        data.get("state"),
    )


def told(outcome: Outcome) -> str:
    """The figures to print below the story."""
    calls = ", ".join(f"{operation} {count}" for operation, count in outcome.calls.items())
    ready = outcome.ready_to_next_ms
    lines = [
        "",
        *(f"  output         {name}: {_json(value)}" for name, value in outcome.outputs.items()),
        f"  API calls      {calls}",
        f"  polls          {outcome.polls}",
        *([f"  event → call   {ready['p50']} ms in the median, {ready['p95']} ms at p95"] if ready else []),
        f"  state          {outcome.state}" + f": {outcome.because}" * bool(outcome.because),
        "",
        f"{outcome.workflow} {outcome.state}, in {outcome.seconds:.1f} s.",
    ]
    return "\n".join(lines)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
