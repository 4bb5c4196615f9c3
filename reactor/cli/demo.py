"""`reactor demo`: the main job, on real processes. Owns playing the customer and the verdict; `timeline` tells it."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import httpx2
import orjson

from reactor.cli.catalog import config_option, directory_of, json_option
from reactor.cli.demo_given import Given, given_option
from reactor.cli.demo_workflow import Trial, play
from reactor.cli.demo_workflow import told as figures
from reactor.cli.emulator import faults_option, limits_option
from reactor.cli.fleet import Fleet, FleetPlan
from reactor.cli.processes import opened
from reactor.cli.timeline import Moment, moments_of, percentiles, told
from reactor.cli.workflows import complete_document, inputs_option
from reactor.emulator.client import Emulator
from reactor.emulator.faults import Faults
from reactor.emulator.limits import Limit, Throttler
from reactor.store.ledger import Row
from reactor.store.log import Entry
from reactor.store.store import Store

LOOK = 0.05
"""Seconds between two looks whether the main job is done. The demo looks at its own ledger; the reactor does not poll."""

TIMEOUT = 60.0
WORKFLOW_TIMEOUT = 600.0
"""Seconds of patience. A document may wait for a boot of minutes."""

POLLS = ("getVolume", "listVolumes")
"""Reads by which a script without a reactor would wait for a volume."""


@dataclass(frozen=True)
class Outcome:
    """What the demo saw, and what `--json` prints.

    `reason` says why it is not `ok`. Latencies are from the acceptance of the event to the call's arrival at the API;
    null where no call was made.
    """

    ok: bool
    reason: str
    seconds: float
    volumes: int
    sandboxes: int
    polls: int
    calls: dict[str, int]
    event_to_call_ms: dict[str, float | None]
    timeline: tuple[Moment, ...]


@dataclass(frozen=True)
class Provider:
    """How the emulated provider behaves: how long its states last, its faults and its rate limits."""

    time_scale: float
    faults: Faults
    limits: Mapping[Throttler, Limit]


@click.command(
    short_help="Watch a volume become ready and a sandbox follow; or try a workflow.",
    epilog="""\b
Examples:
  reactor demo --volumes 5 --json | python -m json.tool
  reactor demo --workflow volume-and-sandbox --input volumeName=data --input snapshot=base
  reactor demo --workflow stop-and-archive.yaml --input sandboxId=web --given sandbox:web=started
  reactor demo --workflow provision.arazzo.yaml --input volumeName=data --fault drop=1 --rate-limit authenticated=5/1
""",
)
@click.option(
    "--volumes", default=1, show_default=True, type=click.IntRange(1, 100), help="How many volumes to create."
)
@click.option(
    "--workflow",
    metavar="DOCUMENT",
    default="",
    shell_complete=complete_document,
    help="Run this Arazzo document instead: a file, or a name in config/workflows/.",
)
@click.option("--workflow-id", default="", help="Which workflow of the document; not needed where there is one.")
@inputs_option
@given_option
@faults_option
@limits_option
@config_option
@click.option(
    "--time-scale", default=0.2, show_default=True, help="How long the emulator's states last; 1 is Daytona's pace."
)
@click.option("--timeout", type=float, help="Seconds after which the demo has failed. [60; of a workflow 600]")
@json_option
def demo(
    volumes: int,
    workflow: str,
    workflow_id: str,
    inputs: dict[str, str],
    given: tuple[Given, ...],
    faults: Faults,
    limits: dict[Throttler, Limit],
    config: Path | None,
    time_scale: float,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Create a volume and watch the reactor create a sandbox with it as soon as it is ready, without a single poll.

    With --workflow, run any Arazzo document instead, rules left out: its steps as they happen, its outputs, and what it
    called. Its secrets are not needed, and the resources that its inputs name are there before it begins.

    Starts an embedded server, an emulated Daytona and Runloop, `reactor serve` and `reactor work`, each a real process,
    and ends them. The exit status says whether it worked.
    """
    directory, provider = directory_of(config), Provider(time_scale, faults, limits)
    if workflow:
        trial = Trial.of(workflow, workflow_id, inputs, directory, timeout or WORKFLOW_TIMEOUT, given)
        _try(trial, provider, as_json=as_json)
        return
    if workflow_id or inputs or given:
        raise click.UsageError("--workflow-id, --input and --given are for a document: name it by --workflow")
    with _started(directory, provider, quiet=as_json) as (fleet, emulator):
        outcome = asyncio.run(_play(fleet, emulator, volumes, timeout or TIMEOUT))
    click.echo(orjson.dumps(asdict(outcome)).decode() if as_json else _told(outcome))
    if not outcome.ok:
        raise click.ClickException(f"the demo did not work: {outcome.reason}")


def _try(trial: Trial, provider: Provider, *, as_json: bool) -> None:
    if trial.left_out:
        click.echo(f"{', '.join(trial.left_out)} left out: the API's own key is used", err=True)
    if trial.given and not as_json:
        click.echo(f"There before: {', '.join(map(str, trial.given))}")
    with tempfile.TemporaryDirectory(prefix="reactor-rules-") as directory:
        config = trial.without_rules(Path(directory))
        with _started(config, provider, quiet=as_json) as (fleet, emulator):
            outcome = asyncio.run(play(trial, fleet, emulator, _say_nothing if as_json else click.echo))
    click.echo(orjson.dumps(asdict(outcome)).decode() if as_json else figures(outcome))
    if not outcome.ok:
        raise click.ClickException(f"the workflow {outcome.state}: {outcome.because}")


def _say_nothing(line: str) -> None:
    """Tell no story: JSON is one object."""


@contextmanager
def _started(config: Path, provider: Provider, *, quiet: bool) -> Iterator[tuple[Fleet, Emulator]]:
    """The processes, until the context ends; the provider behaves as it is asked to."""
    with tempfile.TemporaryDirectory(prefix="reactor-demo-") as directory, ExitStack() as stack:
        if not quiet:
            click.echo("Starting the server, an emulated Daytona, web and worker …\n")
        fleet = FleetPlan(Path(directory), config, provider.time_scale).start(stack)
        emulator = stack.enter_context(Emulator(fleet.emulator_url))
        emulator.faults(**asdict(provider.faults))
        emulator.limits(provider.limits)
        yield fleet, emulator


async def _play(fleet: Fleet, emulator: Emulator, volumes: int, timeout: float) -> Outcome:
    async with opened(fleet.settings) as (store, _):
        return await _Demo(fleet, emulator, store, volumes).run(timeout)


@dataclass(frozen=True)
class _Demo:
    """Plays the customer: creates volumes, and looks at what the reactor made of it."""

    fleet: Fleet
    emulator: Emulator
    store: Store
    volumes: int

    async def run(self, timeout: float) -> Outcome:
        """Create the volumes, wait until nothing is left to do, and gather what happened."""
        deadline = time.monotonic() + timeout
        for number in range(1, self.volumes + 1):
            await self._create(f"build-{number}", deadline)
        calm = await self._calm_before(deadline)
        return self._outcome(await self.store.log.entries(), await self._rows(), timed_out=not calm)

    async def _create(self, name: str, deadline: float) -> None:
        """Have a volume made, as a customer who meets faults and limits, too. Raises ClickException at the deadline."""
        while True:
            try:
                self.emulator.create_volume(name)
            except httpx2.HTTPError as error:
                if any(volume["name"] == name for volume in self.emulator.volumes()):
                    return
                if time.monotonic() > deadline:
                    raise click.ClickException(f"the demo can't create the volume {name}: {error}") from error
                await asyncio.sleep(LOOK)
            else:
                return

    async def _calm_before(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            if await self._is_calm():
                return True
            await asyncio.sleep(LOOK)
        return False

    async def _is_calm(self) -> bool:
        """Whether all is said and done: volumes settled, events delivered and decided, jobs ended."""
        self.fleet.check()
        if any(volume["state"] not in ("ready", "error") for volume in self.emulator.volumes()):
            return False
        if self.emulator.deliveries()["underWay"]:
            return False
        plans = [await self.store.plans.get(entry.entry) for entry in await self.store.log.entries()]
        return all(plans) and all(row.ended for row in await self._rows())

    async def _rows(self) -> list[Row]:
        entries = await self.store.log.entries()
        return [row for entry in entries for row in await self.store.plans.rows_of(entry.entry)]

    def _outcome(self, entries: Sequence[Entry], rows: Sequence[Row], *, timed_out: bool) -> Outcome:
        calls, log, sandboxes = self.emulator.calls(), self.emulator.call_log(), len(self.emulator.sandboxes())
        timeline = moments_of(log, entries, rows)
        reason = _reason(rows, sandboxes, self.volumes, timed_out=timed_out)
        return Outcome(
            ok=not reason,
            reason=reason,
            seconds=timeline[-1].at,
            volumes=self.volumes,
            sandboxes=sandboxes,
            polls=sum(calls.get(operation, 0) for operation in POLLS),
            calls=calls,
            event_to_call_ms=percentiles(_latencies(log, rows)),
            timeline=timeline,
        )


def _reason(rows: Sequence[Row], sandboxes: int, volumes: int, *, timed_out: bool) -> str:
    """Why it did not work; empty when it did."""
    if not rows:
        return "no rule fired when a volume named build-1 became ready; see the rules of --config"
    for row in rows:
        if row.state != "done":
            return f"job {row.id} of rule {row.rule} is {row.state}: {row.error or 'no worker has finished it'}"
    if sandboxes != volumes:
        return f"there are {sandboxes} sandboxes for {volumes} volumes"
    return "it took longer than --timeout" if timed_out else ""


def _latencies(calls: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[float]:
    """Milliseconds from each event to the arrival of the create that followed from it."""
    creates = [call["at"] * 1000 for call in calls if call["operation"] == "createSandbox"]
    return [at - accepted for at, accepted in zip(creates, sorted(row.accepted for row in rows), strict=False)]


def _told(outcome: Outcome) -> str:
    calls = ", ".join(f"{operation} {count}" for operation, count in sorted(outcome.calls.items()))
    median, p95 = (outcome.event_to_call_ms[name] for name in ("p50", "p95"))
    lines = [
        *told(outcome.timeline),
        "",
        f"  API calls      {calls}",
        f"  polls          {outcome.polls}",
        f"  sandboxes      {outcome.sandboxes} for {outcome.volumes} volumes",
        f"  event → call   {median} ms in the median, {p95} ms at p95" if median is not None else "",
        "",
        f"It worked, in {outcome.seconds:.1f} s." if outcome.ok else "",
    ]
    return "\n".join(lines).rstrip()
