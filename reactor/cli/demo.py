"""`reactor demo`: the main job, on real processes, told as a timeline."""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import orjson

from reactor.cli.fleet import Fleet, FleetPlan
from reactor.emulator.client import Emulator
from reactor.settings import load_settings
from reactor.store.ledger import Row
from reactor.store.store import Store

LOOK = 0.05
"""Seconds between two looks whether the main job is done. The demo looks at its own ledger; the reactor does not poll."""

POLLS = ("getVolume", "listVolumes")
"""Reads by which a script without a reactor would wait for a volume."""


@dataclass(frozen=True)
class Moment:
    """One line of the timeline: seconds since the beginning, what it is about, and what happened."""

    at: float
    what: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What the demo saw. Latencies are from the acceptance of the event to the call's arrival at the API."""

    ok: bool
    seconds: float
    volumes: int
    sandboxes: int
    polls: int
    calls: dict[str, int]
    event_to_call_ms: dict[str, float]
    timeline: tuple[Moment, ...]


@click.command(epilog="Example: reactor demo --volumes 5 --json | python -m json.tool")
@click.option(
    "--volumes", default=1, show_default=True, type=click.IntRange(1, 100), help="How many volumes to create."
)
@click.option("--config", type=click.Path(file_okay=False, path_type=Path), default=Path("config"), show_default=True)
@click.option(
    "--time-scale", default=0.2, show_default=True, help="How long the emulator's states last; 1 is Daytona's pace."
)
@click.option("--timeout", default=60.0, show_default=True, help="Seconds after which the demo has failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the timeline.")
def demo(volumes: int, config: Path, time_scale: float, timeout: float, as_json: bool) -> None:
    """Create a volume and watch the reactor create a sandbox with it as soon as it is ready, without a single poll.

    Starts an embedded server, an emulated Daytona, `reactor serve` and `reactor work`, each a real process, and ends
    them. The exit status says whether it worked.
    """
    with tempfile.TemporaryDirectory(prefix="reactor-demo-") as directory, ExitStack() as stack:
        if not as_json:
            click.echo("Starting the server, an emulated Daytona, web and worker …")
        fleet = FleetPlan(Path(directory), config, time_scale).start(stack)
        emulator = stack.enter_context(Emulator(fleet.emulator_url))
        outcome = asyncio.run(_play(fleet, emulator, volumes, timeout))
    click.echo(orjson.dumps(asdict(outcome)).decode() if as_json else _told(outcome))
    if not outcome.ok:
        raise SystemExit(1)


async def _play(fleet: Fleet, emulator: Emulator, volumes: int, timeout: float) -> Outcome:
    store = Store(load_settings(redis_url=fleet.environment["REACTOR_REDIS_URL"]))
    try:
        return await _Demo(fleet, emulator, store, [f"build-{number}" for number in range(1, volumes + 1)]).run(timeout)
    finally:
        await store.close()


class _Demo:
    """Plays the customer: creates volumes, and looks at what the reactor made of it."""

    def __init__(self, fleet: Fleet, emulator: Emulator, store: Store, names: list[str]) -> None:
        self._fleet = fleet
        self._emulator = emulator
        self._store = store
        self._names = names

    async def run(self, timeout: float) -> Outcome:
        """Create the volumes, wait until a job for each is done, and gather what happened."""
        began = time.time()
        for name in self._names:
            self._emulator.create_volume(name)
        rows = await self._rows_when_done(began + timeout)
        calls, sandboxes = self._emulator.calls(), self._emulator.sandboxes()
        latencies = self._latencies(rows)
        return Outcome(
            ok=len(sandboxes) == len(self._names) and bool(rows) and all(row.state == "done" for row in rows),
            seconds=round(time.time() - began, 3),
            volumes=len(self._emulator.volumes()),
            sandboxes=len(sandboxes),
            polls=sum(calls.get(operation, 0) for operation in POLLS),
            calls=calls,
            event_to_call_ms=_percentiles(latencies),
            timeline=tuple(sorted(await self._moments(rows, began), key=lambda moment: moment.at)),
        )

    async def _rows_when_done(self, deadline: float) -> list[Row]:
        """The rows of all events, once there are enough and all are ended; what there is when time is up."""
        while True:
            self._fleet.check()
            rows = [
                row
                for entry in await self._store.log.entries()
                for row in await self._store.ledger.rows_of(entry.entry)
            ]
            if (len(rows) >= len(self._names) and all(row.ended for row in rows)) or time.time() > deadline:
                return rows
            await asyncio.sleep(LOOK)

    def _latencies(self, rows: list[Row]) -> list[float]:
        """Milliseconds from each event to the arrival of the create that followed from it."""
        creates = [call for call in self._emulator.call_log() if call["operation"] == "createSandbox"]
        accepted = sorted(row.accepted for row in rows)
        return [call["at"] * 1000 - at for call, at in zip(creates, accepted, strict=False)]

    async def _moments(self, rows: list[Row], began: float) -> list[Moment]:
        moments = [
            Moment(
                _since(call["at"], began),
                "call",
                f"{call['operation']} → {call['status']}   ({call['method']} {call['path']})",
            )
            for call in self._emulator.call_log()
        ]
        for entry in await self._store.log.entries():
            data = orjson.loads(entry.body)
            subject = data.get("name") or data.get("id")
            state = data.get("newState") or data.get("state")
            moments.append(
                Moment(_since(entry.accepted / 1000, began), "event", f"{data.get('event')}   {subject} is {state}")
            )
        for row in rows:
            moments.append(
                Moment(
                    _since(row.created / 1000, began), "rule", f"{row.rule} fired: {row.api}.{row.what['operation']}"
                )
            )
            if row.ended:
                result = row.error or orjson.dumps(row.result).decode()
                moments.append(Moment(_since(row.ended / 1000, began), "job", f"{row.id} {row.state}   {result}"))
        return moments


def _since(at: float, began: float) -> float:
    return round(at - began, 3)


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [float("nan")]
    return {
        name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1)
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }


def _told(outcome: Outcome) -> str:
    lines = [f"{moment.at:8.3f} s  {moment.what:<5}  {moment.text}" for moment in outcome.timeline]
    reads = ", ".join(f"{operation} {count}" for operation, count in sorted(outcome.calls.items()))
    verdict = "It worked" if outcome.ok else "It did not work"
    return "\n".join(
        [
            "",
            *lines,
            "",
            f"API calls      {reads}",
            f"polls          {outcome.polls}",
            f"sandboxes      {outcome.sandboxes} for {outcome.volumes} volumes",
            f"event → call   {outcome.event_to_call_ms['p50']} ms in the median, {outcome.event_to_call_ms['p95']} ms at p95",
            "",
            f"{verdict}: {outcome.sandboxes} of {outcome.volumes} sandboxes, {outcome.seconds} s.",
        ]
    )
