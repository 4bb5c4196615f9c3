"""`reactor runs`: start runs of workflows and look at them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import orjson

from reactor.cli.catalog import config_option, json_option, settings_of
from reactor.cli.processes import opened
from reactor.cli.workflows import inputs_option, only_workflow, read
from reactor.config import load_config
from reactor.errors import ReactorError
from reactor.runs import Runner
from reactor.store.runs import StoredRun
from reactor.store.store import Store
from reactor.telemetry import configure_logs
from reactor.workflows.run import Run

LOOK = 0.2
"""Seconds between two looks of `--wait` at the run; the run itself does not poll."""

EXAMPLES = """\b
Examples:
  reactor runs start provision.arazzo.yaml --input volumeName=data --input snapshot=base --input mountPath=/data --wait
  reactor runs ls
  reactor runs show RUN --json
"""


@click.group(short_help="Start and show runs of workflows.", epilog=EXAMPLES)
def runs() -> None:
    """Runs of workflows: Arazzo documents, run event-driven. A worker must be running (`reactor work`)."""


@runs.command(epilog=EXAMPLES)
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--workflow", help="Which workflow of the document; not needed where there is one.")
@inputs_option
@click.option("--id", "run_id", help="The run's id: starting it twice starts it once. [a new one]")
@click.option("--wait", is_flag=True, help="Show each step until the run is over; exit status 1 if it failed.")
@config_option
@json_option
def start(
    document: Path,
    workflow: str | None,
    inputs: dict[str, Any],
    run_id: str | None,
    wait: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Start a run of a workflow. Secrets are not needed: the API's own key is used."""
    asyncio.run(_start(document, workflow, inputs, run_id or uuid4().hex[:12], wait, config, as_json))


async def _start(
    document: Path,
    workflow: str | None,
    inputs: dict[str, Any],
    run_id: str,
    wait: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    text = read(document)
    async with _runner(config) as (store, runner):
        program = runner.program(text, str(document))
        fresh = await runner.start(run_id, text, workflow or only_workflow(program), inputs)
        if not as_json:
            click.echo(f"run {run_id} " + ("has started" if fresh else "had been started before"))
        stored = await _until_over(store, run_id, quiet=as_json) if wait else await _found(store, run_id)
    if as_json:
        click.echo(orjson.dumps(_public(stored)).decode())
    if wait and stored.status == "failed":
        raise click.ClickException(f"the run failed: {stored.because}")


async def _until_over(store: Store, run_id: str, *, quiet: bool) -> StoredRun:
    last = -1
    while True:
        stored = await _found(store, run_id)
        if stored.generation != last and not quiet:
            click.echo(_line(stored))
        last = stored.generation
        if stored.status != "running":
            return stored
        await asyncio.sleep(LOOK)


@runs.command()
@config_option
@json_option
def ls(config: Path | None, as_json: bool) -> None:
    """List runs, the newest first."""
    asyncio.run(_ls(config, as_json))


async def _ls(config: Path | None, as_json: bool) -> None:
    async with _runner(config) as (store, _):
        found = await store.runs.newest()
    if as_json:
        click.echo(orjson.dumps([_public(run) for run in found]).decode())
        return
    for run in found:
        click.echo(f"{run.id:<14} {_line(run)}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@config_option
@json_option
def show(run_id: str, config: Path | None, as_json: bool) -> None:
    """Show a run: where it is, the outputs of its steps, and how it ended."""
    asyncio.run(_show(run_id, config, as_json))


async def _show(run_id: str, config: Path | None, as_json: bool) -> None:
    async with _runner(config) as (store, _):
        stored = await _found(store, run_id)
    if as_json:
        click.echo(orjson.dumps(_public(stored)).decode())
        return
    click.echo(_line(stored))
    for name, value in _public(stored)["steps"].items():
        click.echo(f"  {name}: {orjson.dumps(value).decode()}")
    click.echo(f"  outputs: {orjson.dumps(_public(stored)['outputs']).decode()}")


@asynccontextmanager
async def _runner(config: Path | None) -> AsyncIterator[tuple[Store, Runner]]:
    settings = settings_of(config)
    configure_logs(settings)
    async with opened(settings) as (store, queue):
        yield store, Runner(load_config(settings.config), store, queue, probe=settings.probe)


async def _found(store: Store, run_id: str) -> StoredRun:
    stored = await store.runs.get(run_id)
    if stored is None:
        raise ReactorError(f"there is no run {run_id!r}; `reactor runs ls` lists them")
    return stored


def _line(stored: StoredRun) -> str:
    run = Run.from_json(stored.state)
    at = datetime.fromtimestamp(stored.updated / 1000, UTC).strftime("%H:%M:%S")
    state = "waiting" if stored.status == "running" and run.waits else stored.status
    return f"{at}  {stored.workflow}  {state:<9}  {run.top.step:<20}  {stored.because}"


def _public(stored: StoredRun) -> dict[str, Any]:
    """A run as people and programs see it."""
    run = Run.from_json(stored.state)
    fields = asdict(stored)
    del fields["state"]
    state = "waiting" if stored.status == "running" and run.waits else stored.status
    return {**fields, "status": state, "step": run.top.step, "steps": run.top.outputs, "outputs": run.outputs}
