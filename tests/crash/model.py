"""What must be, derived from what the emulator did, and what is: the judgement of a run.

Pure: `Seen` is everything that can be known from outside once it is quiet, `judge` says what is wrong with it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from crash.load import BOX, BUILD, DATA, ORDER, RAN

Row = Mapping[str, str]
Resource = Mapping[str, Any]

ANSWERS = {None, 204, 503}
"""What a good delivery may be answered: nothing, yes, or not now."""


@dataclass(frozen=True)
class LogEntry:
    """One entry of the event log, with what was stored about it."""

    entry: str
    id: str
    origin: str
    body: Mapping[str, Any]
    verdict: Mapping[str, Any] | None
    plan: Mapping[str, Any] | None


@dataclass(frozen=True)
class Seen:
    """Everything that can be seen once it is quiet."""

    attempts: Sequence[Mapping[str, Any]]
    replayed: frozenset[str]
    asked: Sequence[str]
    log: Sequence[LogEntry]
    rows: Mapping[str, Row]
    runs: Mapping[str, Row]
    volumes: Sequence[Resource]
    sandboxes: Sequence[Resource]
    devboxes: Sequence[Resource]
    states: Mapping[str, str]
    """What the state table says, by resource id."""
    reconciled: bool
    """Whether what no webhook told must have been found by now."""
    left: Mapping[str, int]
    """What should be empty: due set, queue, RQ's running jobs, unacknowledged events."""


@dataclass(frozen=True)
class Finding:
    """Something wrong, and the ids to look for in logs."""

    what: str
    ids: tuple[str, ...] = ()


@dataclass
class Judgement:
    """What is wrong, by kind; `others` are broken invariants that lose and double nothing."""

    events: int = 0
    lost: list[Finding] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)
    extra: list[Finding] = field(default_factory=list)
    others: list[Finding] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong."""
        return [*self.lost, *self.missing, *self.extra, *self.others]


def judge(seen: Seen) -> Judgement:
    """Put what is beside what must be."""
    accepted = {attempt["id"] for attempt in seen.attempts if attempt["status"] == 204} | seen.replayed
    judgement = Judgement(events=len(accepted))
    judgement.lost += _lost(seen, accepted)
    missing, extra = _effects(seen)
    judgement.missing += [*missing, *_unbooted(seen), *_unfinished_runs(seen)]
    judgement.extra += [*extra, *_overbooted(seen), *_doubled(seen)]
    for look in (_answers, _rows, _states, _leftovers):
        judgement.others += look(seen)
    return judgement


def _lost(seen: Seen, accepted: set[str]) -> Iterator[Finding]:
    """Invariant 1: answered 2xx is in the log, and decided."""
    logged = {entry.id: entry for entry in seen.log}
    for event in sorted(accepted):
        if event not in logged:
            yield Finding(f"event {event} was answered 204 and is not in the log", (event,))
        elif logged[event].verdict is None or logged[event].plan is None:
            entry = logged[event]
            yield Finding(f"event {event} was never decided: {entry.verdict} {entry.plan}", (event, entry.entry))


def _doubled(seen: Seen) -> Iterator[Finding]:
    """Invariants 2, 5, 7: one entry per signed id, nothing that nobody sent, no row without its event or run."""
    sent = {attempt["id"] for attempt in seen.attempts} | seen.replayed
    sent |= {entry.id for entry in seen.log if entry.origin != "webhook"}  # nobody can post one: a read showed it
    for event, count in Counter(entry.id for entry in seen.log).items():
        if count > 1:
            yield Finding(f"event {event} is in the log {count} times", (event,))
        if event not in sent and not event.startswith("msg_stranger-s"):
            yield Finding(f"event {event} is in the log, and nobody sent it", (event,))
    planned = Counter(row for entry in seen.log if entry.plan for row, *_ in entry.plan["rows"])
    waited = {entry.entry for entry in seen.log if any("timer" in rule for rule in (entry.plan or {}).get("rules", ()))}
    planned.update(row_id for row_id, row in seen.rows.items() if "since" in row and row["entry"] in waited)
    for row_id, row in seen.rows.items():
        if row["action"] == "step":
            if row["event"] not in seen.runs:
                yield Finding(f"row {row_id} moves no run", (row_id, row["event"]))
        elif planned[row_id] != 1:
            yield Finding(f"row {row_id} is in {planned[row_id]} plans", (row_id, row["event"]))
    for row_id in planned.keys() - seen.rows.keys():
        yield Finding(f"row {row_id} was planned and is not there", (row_id,))


def _effects(seen: Seen) -> tuple[list[Finding], list[Finding]]:
    """Invariants 2 and 4: each ready build volume and each run has its one sandbox, and there is nothing else."""
    missing: list[Finding] = []
    extra: list[Finding] = []
    on = defaultdict(list)
    for sandbox in seen.sandboxes:
        for mount in sandbox["volumes"]:
            on[mount["volumeId"]].append(sandbox)
    ready = {entry.body["id"] for entry in seen.log if entry.body.get("newState") == "ready"}
    by_name = {volume["name"]: volume for volume in seen.volumes}
    if len(by_name) != len(seen.volumes):
        extra.append(Finding(f"{len(seen.volumes)} volumes have {len(by_name)} names"))
    wanted = set(_wanted_volumes(seen))
    for name in wanted - by_name.keys():
        missing.append(Finding(f"volume {name} was never made", (name,)))
    for name, volume in by_name.items():
        if name not in wanted:
            extra.append(Finding(f"volume {name} was asked for by nobody", (name, volume["id"])))
        must = name.startswith(DATA) or (name.startswith(BUILD) and (volume["id"] in ready or seen.reconciled))
        may = name.startswith((DATA, BUILD))
        sandboxes = on.pop(volume["id"], [])
        ids = (name, volume["id"], *(sandbox["id"] for sandbox in sandboxes))
        missing += [Finding(f"volume {name} has no sandbox", ids)] * (must and not sandboxes)
        extra += [Finding(f"volume {name} has {len(sandboxes)} sandboxes", ids)] * (len(sandboxes) - may)
    loose = [sandbox["id"] for sandboxes in on.values() for sandbox in sandboxes]
    loose += [sandbox["id"] for sandbox in seen.sandboxes if not sandbox["volumes"]]
    extra += [Finding(f"sandbox {sandbox} is on no volume", (sandbox,)) for sandbox in loose]
    return missing, extra


def _unbooted(seen: Seen) -> Iterator[Finding]:
    """Invariants 2 and 4 for what nobody sends webhooks about: each devbox that was asked for runs."""
    running = {devbox.get("name") for devbox in seen.devboxes if devbox["status"] == "running"}
    for name in seen.asked:
        if name.startswith(BOX) and name not in running:
            yield Finding(f"devbox {name} does not run", (name,))


def _overbooted(seen: Seen) -> Iterator[Finding]:
    """And each is there once. Their names need not be unique: nobody but us keeps them apart."""
    asked = set(seen.asked)
    for name, count in Counter(devbox.get("name", "") for devbox in seen.devboxes).items():
        if count > 1 or name not in asked:
            ids = [devbox["id"] for devbox in seen.devboxes if devbox.get("name", "") == name]
            yield Finding(f"there are {count} devboxes {name!r}", (name, *ids))


def _wanted_volumes(seen: Seen) -> Iterator[str]:
    """The names of all volumes: asked for by customers, by the runs that rules began, and for devboxes that run."""
    yield from (name for name in seen.asked if not name.startswith(BOX))
    yield from (f"{RAN}{name}" for name in seen.asked if name.startswith(BOX))
    ready = {entry.body["name"] for entry in seen.log if entry.body.get("newState") == "ready"}
    for name in seen.asked:
        if name.startswith(ORDER) and (name in ready or seen.reconciled):
            yield f"{DATA}of-{name}"


def _unfinished_runs(seen: Seen) -> Iterator[Finding]:
    """Every run that began has succeeded."""
    for run_id, run in seen.runs.items():
        if run["status"] != "succeeded":
            yield Finding(f"run {run_id} is {run['status']}: {run['because']}", (run_id,))
    for name in seen.asked:
        if name.startswith((DATA, BOX)) and name not in seen.runs:
            yield Finding(f"run {name} is not there", (name,))


def _answers(seen: Seen) -> Iterator[Finding]:
    """Invariant 6: never 4xx for a good delivery, never 5xx but 503."""
    for attempt in seen.attempts:
        if attempt["status"] not in ANSWERS:
            yield Finding(f"event {attempt['id']} was answered {attempt['status']}", (attempt["id"],))


def _rows(seen: Seen) -> Iterator[Finding]:
    """Invariants 3 and 8: every row has ended, and well; every claim raised the fence."""
    for row_id, row in seen.rows.items():
        if row["state"] != "done":
            yield Finding(f"row {row_id} is {row['state']}: {row.get('error', '')}", (row_id, row["event"]))
        if int(row["fence"]) < 1:
            yield Finding(f"row {row_id} is {row['state']} and was never claimed", (row_id,))


def _states(seen: Seen) -> Iterator[Finding]:
    """Invariant 9: in whatever order events came, the last state is known, if anybody said it."""
    said = {(entry.body["id"], entry.body.get("newState")) for entry in seen.log if "id" in entry.body}
    now = [(resource["id"], resource["state"]) for resource in (*seen.volumes, *seen.sandboxes)]
    now += [(devbox["id"], devbox["status"]) for devbox in seen.devboxes]
    for resource, state in now:
        known = seen.states.get(resource)
        if ((resource, state) in said or seen.reconciled) and known != state:
            yield Finding(f"{resource} is {state}, the state table says {known}", (resource,))


def _leftovers(seen: Seen) -> Iterator[Finding]:
    """Nothing waits for anybody any more."""
    for what, count in seen.left.items():
        if count:
            yield Finding(f"{count} left of {what}")


def body_of(raw: bytes) -> Mapping[str, Any]:
    """A logged body; what is no JSON object says nothing."""
    body = orjson.loads(raw)
    return body if isinstance(body, dict) else {}
