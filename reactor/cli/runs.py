"""`reactor runs`: start runs of workflows, look at them, cancel and retry them. Shows; moves no run on."""

import asyncio
from pathlib import Path
from uuid import uuid4

import click

from reactor.cli.catalog import config_option, json_option, settings_of
from reactor.cli.looking import completing, looked
from reactor.cli.processes import opened
from reactor.cli.shown import MOST, clock, json_of, limit_option, operator, print_json, print_lines, print_table
from reactor.cli.workflows import chosen_workflow, complete_document, document_of, inputs_of, inputs_option, read
from reactor.config import load_config
from reactor.operator.runs import cancel_run, refuse_another, retry_run, run_found, run_status, run_value
from reactor.runs.runner import Runner
from reactor.store.runs import StoredRun
from reactor.store.store import Store
from reactor.telemetry import configure_logs
from reactor.workflows.run import Run

LOOK = 0.2
"""Seconds between two looks of `--wait` at the run; the run itself does not poll."""

EXAMPLES = """\b
Examples:
  reactor runs start volume-and-sandbox --input volumeName=data --input snapshot=base --wait
  reactor runs start provision.arazzo.yaml --input volumeName=data --id order-17
  reactor runs ls
  reactor runs show RUN --json
  reactor runs cancel RUN
  reactor runs retry RUN
"""


async def _ids(store: Store) -> list[str]:
    return [run.id for run in await store.runs.newest(count=MOST)]


run_argument = click.argument("run_id", metavar="RUN", shell_complete=completing(_ids))


@click.group(short_help="Start, show, cancel and retry runs of workflows.", epilog=EXAMPLES)
def runs() -> None:
    """Runs of workflows: Arazzo documents, run event-driven. A worker must be running (`reactor work`)."""


@runs.command(epilog=EXAMPLES)
@click.argument("document", metavar="WORKFLOW", shell_complete=complete_document)
@click.option("--workflow-id", default="", help="Which workflow of the document; not needed where there is one.")
@inputs_option
@click.option("--id", "run_id", help="The run's id: starting it twice starts it once. [a new one]")
@click.option("--wait", is_flag=True, help="Show each move until the run is over; exit status 1 unless it succeeded.")
@config_option
@json_option
def start(
    document: str,
    workflow_id: str,
    inputs: dict[str, str],
    run_id: str | None,
    wait: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Start a run of WORKFLOW, a document or a name in config/workflows/.

    Secrets are not needed: the API's own key is used.
    """
    run_id = run_id or uuid4().hex[:12]
    try:
        stored = asyncio.run(_start(document, workflow_id, inputs, run_id, config, wait=wait, quiet=as_json))
    except KeyboardInterrupt:
        click.echo(f"\nthe run goes on, if it had started: reactor runs show {run_id}", err=True)
        raise
    if as_json:
        print_json(run_value(stored))
    if wait and stored.status != "succeeded":
        raise click.ClickException(f"the run is over, {stored.status}: {stored.because}")


async def _start(
    named: str,
    workflow_id: str,
    inputs: dict[str, str],
    run_id: str,
    config: Path | None,
    *,
    wait: bool,
    quiet: bool,
) -> StoredRun:
    settings = settings_of(config)
    configure_logs(settings)
    document = document_of(named, settings.config)
    text = read(document)
    async with opened(settings) as (store, queue):
        runner = Runner(load_config(settings.config), store, queue, probe=settings.probe)
        program = runner.program(text, str(document))
        chosen = chosen_workflow(program, workflow_id)
        given = inputs_of(program, chosen, inputs)
        fresh = await runner.start(run_id, text, chosen, given)
        if not fresh:
            refuse_another(await run_found(store, run_id), chosen, given)
        if not quiet:
            click.echo(f"run {run_id} " + ("has started" if fresh else "had been started before"))
        return await _until_over(store, run_id, quiet=quiet) if wait else await run_found(store, run_id)


async def _until_over(store: Store, run_id: str, *, quiet: bool) -> StoredRun:
    last = -1
    while True:
        stored = await run_found(store, run_id)
        if stored.generation != last and not quiet:
            click.echo(_move(stored))
        last = stored.generation
        if stored.status != "running":
            return stored
        await asyncio.sleep(LOOK)


@runs.command(epilog=EXAMPLES)
@limit_option
@config_option
@json_option
def ls(limit: int, config: Path | None, as_json: bool) -> None:
    """List runs, the newest first."""
    found = looked(config, lambda store: store.runs.newest(count=limit))
    if as_json:
        print_json([run_value(run) for run in found])
        return
    rows = [(run.id, clock(run.started), run.workflow, run_status(run), _step(run), run.because) for run in found]
    if not rows:
        click.echo("no run is kept; `reactor runs start` starts one", err=True)
        return
    print_table(("RUN", "STARTED", "WORKFLOW", "STATE", "STEP", "BECAUSE"), rows)


@runs.command(epilog=EXAMPLES)
@run_argument
@config_option
@json_option
def show(run_id: str, config: Path | None, as_json: bool) -> None:
    """Show a run: where it is, the outputs of its steps, and how it ended."""
    stored = looked(config, lambda store: run_found(store, run_id))
    if as_json:
        print_json(run_value(stored))
        return
    run = Run.from_json(stored.state)
    print_lines(
        [
            ("run", stored.id),
            ("workflow", stored.workflow),
            ("started", clock(stored.started)),
            ("moved", clock(stored.updated)),
            ("state", f"{run_status(stored)} at {run.place}" + f": {stored.because}" * bool(stored.because)),
            *((f"step {name}", json_of(value)) for name, value in run.top.outputs.items()),
            *((f"output {name}", json_of(value)) for name, value in run.outputs.items()),
            *(("audit", f"{clock(did['at'])} {did['by']}: {did['did']} (was {did['was']})") for did in stored.audit),
        ]
    )


@runs.command(epilog=EXAMPLES)
@run_argument
@config_option
@json_option
def cancel(run_id: str, config: Path | None, as_json: bool) -> None:
    """Cancel a run: no further step is taken. What a call that is under way does stands, but counts for nothing."""
    _print(looked(config, lambda store: cancel_run(store, run_id, f"cancelled by {operator()}")), as_json=as_json)


@runs.command(epilog=EXAMPLES)
@run_argument
@config_option
@json_option
def retry(run_id: str, config: Path | None, as_json: bool) -> None:
    """Continue a run that failed or was cancelled from the step where it ended, with fresh attempts.

    What its other steps made stands; what the last one may have made is looked for first.
    """
    _print(asyncio.run(_retry(run_id, config)), as_json=as_json)


async def _retry(run_id: str, config: Path | None) -> StoredRun:
    settings = settings_of(config)
    configure_logs(settings)
    async with opened(settings) as (store, queue):
        runner = Runner(load_config(settings.config), store, queue, probe=settings.probe)
        return await retry_run(store, runner, run_id, operator())


def _print(stored: StoredRun, *, as_json: bool) -> None:
    if as_json:
        print_json(run_value(stored))
    else:
        click.echo(_move(stored))


def _move(stored: StoredRun) -> str:
    """One line of the live view: when, where, how and why."""
    return f"{clock(stored.updated)}  {_step(stored):<20}  {run_status(stored):<9}  {stored.because}".rstrip()


def _step(stored: StoredRun) -> str:
    return Run.from_json(stored.state).place
