"""One look at the whole reactor: what is wrong now, what is worth knowing, and the command that says more. Changes no key.

Owns what counts as wrong. What is shown of one thing belongs to the module of that thing.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from reactor.apis.client import Api
from reactor.config import Config
from reactor.operator.brakes import resuming
from reactor.queue import Standing, standings
from reactor.reload import kept_config
from reactor.store.brakes import TARGETS
from reactor.store.figures import Figures, read_figures
from reactor.store.logged import Logged
from reactor.store.revisions import Process
from reactor.store.store import Store
from reactor.webhook import Reason

Level = Literal["ok", "note", "wrong"]

LATE = 30_000
"""Milliseconds: what is taken up within seconds as long as somebody takes it, and is older than this, is not taken up."""

RECENT = 3_600_000
"""Milliseconds: refused deliveries are told of for so long."""

HEARD_EVERY = 30_000
"""Milliseconds by which it may be noted late that a webhook was accepted."""

UNHEARD = "look at the endpoint at the provider: is it there, enabled, its URL right?"

SENT_WRONGLY: Mapping[str, str] = {
    **{reason.name.lower(): reason.value for reason in Reason},
    "wrong_organization": "the payload is of another organization than the source's (config/sources.yaml)",
    "unknown_source": "config/sources.yaml has no source of this name: what is the endpoint's URL at the provider?",
    "unknown_path": "the path is not /webhooks/SOURCE: what is the endpoint's URL at the provider?",
    "unavailable": "Redis could not store them; the provider delivers them again",
}
"""What is said of refused deliveries, by their reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one part; `remedy` is what to type or do next, empty where there is nothing to do."""

    about: str
    level: Level
    says: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that is judged, read at one time. `now` is in milliseconds since the epoch, as all times are."""

    now: int
    figures: Figures
    newest: Logged | None
    heard: Mapping[str, int | None]
    gates: Mapping[str, str]
    untold: Mapping[str, str]
    """Targets at which nobody can be told anything, and why."""
    config: Config | None
    queues: Sequence[Standing]
    refused: Sequence[str] = field(default=())
    """What is wrong with the directory of who looks, if that is not what is in force."""

    def since(self, at: float) -> str:
        """How long ago something was, for people."""
        seconds = max(0, int((self.now - at) / 1000))
        for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
            if seconds >= 2 * length:
                return f"{seconds // length} {unit}"
        return f"{seconds} s"


async def in_force(store: Store, here: Config | None = None) -> Config | None:
    """The configuration that processes run; None where none lives. `here` is what a directory has, if it is the same one.

    Raises StoreUnavailable, ConfigError when this reactor does not accept it.
    """
    living = await store.revisions.processes()
    if living and here and living[0].revision == here.revision:
        return here
    return await kept_config(store, living[0].revision) if living else None


async def look(store: Store, config: Config | None, refused: Sequence[str] = ()) -> Seen:
    """Read what is judged. `config` names sources, APIs and rules, where it is known. Raises StoreUnavailable."""
    apis, sources = (config.apis.values(), config.source_entries) if config else ((), ())
    newest = await store.logged.newest(count=1)
    return Seen(
        int(time.time() * 1000),
        await read_figures(store),
        newest[0] if newest else None,
        {source: await store.reconciles.heard(source) for source in sources},
        {gate: why for api in apis for gate, why in (await _closed(store, api)).items()},
        await _untold(store, config.targets if config else ()),
        config,
        await standings(store.redis, store.keys.instance),
        refused,
    )


async def _closed(store: Store, api: Api) -> dict[str, str]:
    return await store.brakes.closed_gates(api.name, *api.openapi.operations)


async def _untold(store: Store, targets: Iterable[str]) -> dict[str, str]:
    closed = await store.brakes.closed_gates(TARGETS, *targets)
    return {gate.removeprefix(f"{TARGETS}."): why for gate, why in closed.items()}


def judged(seen: Seen) -> list[Line]:
    """What is said of each part, in the order in which an event meets them. Pure."""
    return [line for part in PARTS for line in part(seen)]


def _server(seen: Seen) -> Iterator[Line]:
    memory = seen.figures.memory
    if memory.warnings:
        yield from (Line("server", "wrong", warning) for warning in memory.warnings)
    else:
        used = f"uses {memory.ratio:.0%} of its memory" if memory.ratio else "has no limit of memory"
        yield Line("server", "ok", f"answers, and {used}")


def _processes(seen: Seen) -> Iterator[Line]:
    living = seen.figures.processes
    for role, what in (("serve", "no webhook is received"), ("work", "no job is performed")):
        if not any(process.role == role for process in living):
            yield Line("processes", "wrong", f"no `reactor {role}` lives: {what}", f"start `reactor {role}`")
    roles = sorted({process.role for process in living})
    if roles:
        counted = (f"{sum(process.role == role for process in living)} {role}" for role in roles)
        yield Line("processes", "ok", ", ".join(counted))


def _configuration(seen: Seen) -> Iterator[Line]:
    living = seen.figures.processes
    refusing = [process for process in living if process.refused]
    told = {process.name: (process.refused.partition("\n")[0], process.remedy) for process in refusing}
    for why, remedy in dict.fromkeys(told.values()):
        who = [f"{process.role} on {process.host}" for process in refusing if told[process.name] == (why, remedy)]
        says = f"what is on disk is refused, the last good revision stays in force ({', '.join(who)}): {why}"
        yield Line("configuration", "wrong", says, remedy)
    for problem in seen.refused if not refusing else ():
        yield Line("configuration", "wrong", f"the directory here can't be used: {problem}", "reactor check")
    revisions = sorted({process.revision for process in living})
    if len(revisions) > 1:
        yield Line(
            "configuration", "note", f"processes run different revisions: {', '.join(revisions)}", "reactor reload"
        )
    elif revisions:
        yield Line("configuration", "ok", f"revision {revisions[0]}")


def _rules(seen: Seen) -> Iterator[Line]:
    rules = seen.config.rules.rules if seen.config else ()
    yield Line("rules", "ok", f"{sum(rule.controls.enforce == 'on' for rule in rules)} act")
    for enforce, what in (("shadow", "decide and do nothing"), ("off", "are not asked")):
        names = [rule.name for rule in rules if rule.controls.enforce == enforce]
        if names:
            yield Line(
                "rules", "note", f"{len(names)} {what} (enforce: {enforce}): {', '.join(names)}", "reactor rules ls"
            )


def _deliveries(seen: Seen) -> Iterator[Line]:
    for source, heard in seen.heard.items():
        accepted = f"the last one was accepted {seen.since(heard)} ago" if heard else "none was ever accepted"
        yield Line(f"webhooks of {source}", "ok" if heard else "note", accepted, "" if heard else UNHEARD)
    for api, mark in seen.figures.reconciled.items():
        if mark.silent:
            yield Line(f"webhooks of {api}", "wrong", "its resources change and no webhook comes", UNHEARD)
    yield from _refusals(seen)


def _refusals(seen: Seen) -> Iterator[Line]:
    """Deliveries that processes refused lately; wrong as long as none of the source was accepted after."""
    refused: dict[tuple[str, str], tuple[int, int]] = {}
    for source, outcome, (count, last) in _outcomes(seen.figures.processes):
        if outcome not in ("accepted", "duplicate") and seen.now - last < RECENT:
            before = refused.get((source, outcome), (0, 0))
            refused[source, outcome] = before[0] + count, max(before[1], last)
    for (source, outcome), (count, last) in sorted(refused.items()):
        says = f"{count} refused ({outcome}) since the processes began, the last one {seen.since(last)} ago"
        ours = source in seen.heard and last > (seen.heard[source] or 0) + HEARD_EVERY
        remedy = SENT_WRONGLY.get(outcome, "docs/operations.md, Refused deliveries, lists the reasons")
        yield Line(f"webhooks of {source}", "wrong" if ours else "note", says, remedy)


def _outcomes(processes: Sequence[Process]) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """What became of the deliveries of all processes: source, outcome, how many and when the last one came."""
    for process in processes:
        for source, outcomes in process.deliveries.items():
            yield from ((source, outcome, told) for outcome, told in outcomes.items())


def _events(seen: Seen) -> Iterator[Line]:
    figures = seen.figures
    if figures.oldest_event is not None and seen.now - figures.oldest_event > LATE:
        says = f"the oldest one that nobody has decided on came {seen.since(figures.oldest_event)} ago"
        yield Line("events", "wrong", says, "start `reactor serve` or `reactor dispatch`, and read its log")
    if figures.aside:
        yield Line(
            "events",
            "wrong",
            f"{figures.aside} are set aside: nobody could decide on them",
            "reactor events ls --aside",
        )
    if seen.newest is None:
        yield Line("events", "ok", "the log is empty")
    else:
        entry = seen.newest.entry
        yield Line("events", "ok", f"the last one came {seen.since(entry.accepted)} ago, from {entry.source}")


def _jobs(seen: Seen) -> Iterator[Line]:
    figures = seen.figures
    if figures.oldest_due is not None and seen.now - figures.oldest_due > LATE:
        says = f"the latest one is due since {seen.since(figures.oldest_due)}"
        yield Line(
            "jobs", "wrong", says, "is a due poller alive (`reactor serve` or `reactor dispatch`), and `reactor work`?"
        )
    for state, count, why in (
        ("dead", figures.dead, "failed for good"),
        ("unknown", figures.unknown, "may have acted, nobody knows"),
    ):
        if count:
            yield Line("jobs", "wrong", f"{count} {state}: {why}, and wait for a person", f"reactor jobs ls --{state}")
    for queue in seen.queues:
        if queue.warning:
            yield Line(
                "jobs", "wrong", f"queue {queue.queue} has {queue.jobs} and no worker", f"start `{queue.command}`"
            )
    yield Line("jobs", "ok", f"{figures.due_length} are to be done or wait")


def _brakes(seen: Seen) -> Iterator[Line]:
    for gate, reason in seen.gates.items():
        level: Level = "note" if "." in gate else "wrong"
        says = f"no call is made to {gate} now, jobs wait: {reason}"
        yield Line("gates", level, says, _key_of(seen, gate) if level == "wrong" else "")
    for target, reason in seen.untold.items():
        says = f"nobody can be told anything at {target}, jobs wait: {reason}"
        yield Line(
            "targets", "wrong", says, "mend its URL (config/targets.yaml names the secret): jobs go on by themselves"
        )
    for pause in seen.figures.pauses:
        why = f" ({pause.reason})" if pause.reason else ""
        says = f"{pause.scope} since {seen.since(pause.at)} by {pause.by}{why}, holds {pause.held} jobs"
        yield Line("paused", "note", says, resuming(pause.scope))


def _key_of(seen: Seen, api: str) -> str:
    """What to do where an API refuses its key, or that can't be had."""
    secret = seen.config.apis[api].key if seen.config else None
    if secret is None:
        return "reactor jobs ls --due"
    return (
        f"is the secret {secret.name} right (config/secrets.yaml says where it is read)? Then jobs go on by themselves"
    )


def _runs(seen: Seen) -> Iterator[Line]:
    running, waiting = (seen.figures.count(f"runs_{status}") for status in ("running", "waiting"))
    if running or waiting:
        yield Line("runs", "ok", f"{running} call now, {waiting} wait for an event", "reactor runs ls")
    figures = seen.figures
    if figures.watches:
        unheld = figures.oldest_watch is not None and seen.now - figures.oldest_watch > LATE
        says = (
            f"{figures.watches} resources are long-polled"
            if not unheld
            else "resources are to be long-polled and are not"
        )
        yield Line("long polls", "wrong" if unheld else "ok", says, "is `reactor work` alive?" if unheld else "")


PARTS: Sequence[Callable[[Seen], Iterator[Line]]] = (
    _server,
    _processes,
    _configuration,
    _rules,
    _deliveries,
    _events,
    _jobs,
    _brakes,
    _runs,
)


def status_value(lines: Sequence[Line]) -> dict[str, Any]:
    """A status as programs see it: whether nothing is wrong, and what is said."""
    return {"ok": all(line.level != "wrong" for line in lines), "lines": [asdict(line) for line in lines]}
