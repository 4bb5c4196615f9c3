"""Runs of workflows: what is shown of one, how one is begun by a key, how it is cancelled and retried."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog

from reactor.config import Config
from reactor.errors import NotFound, NotPossible
from reactor.operator.found import found
from reactor.runs.runner import Runner
from reactor.store.runs import StoredRun
from reactor.store.store import Store
from reactor.workflows.run import Run
from reactor.yaml12 import expected_one_of

log = structlog.get_logger("reactor.runs")


async def run_found(store: Store, run_id: str) -> StoredRun:
    """A run by its id. Raises NotFound, StoreUnavailable."""
    return await found(store.runs.get(run_id), f"there is no run {run_id!r}; `reactor runs ls` lists them")


async def start_run(
    store: Store,
    runner: Runner,
    config: Config,
    *,
    run_id: str,
    document: str,
    workflow_id: str,
    inputs: Mapping[str, Any],
) -> tuple[StoredRun, bool]:
    """Begin a run of a configured document, once for an id; returns it, and whether it began now.

    Raises NotFound for a document that is not configured, ConfigError for inputs that it does not take, NotPossible when a
    run of this id began with something else, StoreUnavailable.
    """
    file = config.workflows.get(document)
    if file is None:
        raise NotFound(f"workflow: {expected_one_of(document, config.workflows)}, as config/workflows/ has them")
    chosen = file.chosen(workflow_id)
    fresh = await runner.start(run_id, file.text, chosen, inputs)
    stored = await run_found(store, run_id)
    if not fresh:
        refuse_another(stored, chosen, inputs)
    return stored, fresh


def refuse_another(stored: StoredRun, workflow_id: str, inputs: Mapping[str, Any]) -> None:
    """Raise NotPossible unless a run began with these inputs, as far as it keeps them: it has defaults besides, no secret."""
    kept = Run.from_json(stored.state).frames[0].inputs
    if stored.workflow != workflow_id or any(kept[name] != inputs[name] for name in inputs if name in kept):
        raise NotPossible(f"run {stored.id} began with another workflow or other inputs: give another id or key")


def run_id_of(key: str) -> str:
    """The id of the run that a key of the caller's choice names."""
    return hashlib.sha256(f"key\0{key}".encode()).hexdigest()[:20]


async def cancel_run(store: Store, run_id: str, why: str) -> StoredRun:
    """Move a run on to its end; whoever has a row of an older generation finds that it has moved on already.

    Raises NotFound, NotPossible when it is over otherwise, StoreUnavailable.
    """
    while (stored := await run_found(store, run_id)).status == "running":
        await store.runs.end(run_id, stored.generation, status="cancelled", because=why)
    if stored.status != "cancelled":
        raise NotPossible(f"run {run_id} is over already, {stored.status}")
    return stored


async def retry_run(store: Store, runner: Runner, run_id: str, by: str) -> StoredRun:
    """Continue a run that failed or was cancelled from the step where it ended, with fresh attempts.

    Raises NotFound, NotPossible for any other run, ConfigError when its document is gone, StoreUnavailable.
    """
    stored = await run_found(store, run_id)
    if stored.status == "succeeded":
        raise NotPossible(f"run {run_id} has succeeded: that is final")
    if stored.status == "running":
        raise NotPossible(f"run {run_id} is {run_status(stored)}: there is nothing to retry yet")
    if not await runner.retry(stored, by):
        raise NotPossible(f"run {run_id} has changed meanwhile; look again: `reactor runs show {run_id}`")
    log.info("run retried", run=run_id, by=by, was=stored.status, because=stored.because)
    return await run_found(store, run_id)


def run_status(stored: StoredRun) -> str:
    """The status, told apart by whether it waits or calls."""
    waits = stored.status == "running" and Run.from_json(stored.state).waits
    return "waiting" if waits else stored.status


def run_value(stored: StoredRun) -> dict[str, Any]:
    """A run as programs see it; times are in milliseconds since the epoch."""
    run = Run.from_json(stored.state)
    fields = asdict(stored)
    del fields["state"]
    return {
        **fields,
        "status": run_status(stored),
        "step": run.top.step,
        "steps": run.top.outputs,
        "outputs": run.outputs,
    }
