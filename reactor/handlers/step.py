"""Performs the action `step`: what a run of a workflow asks for now, a call or a look at what it waits for.

Owns turning what the API answered into what happened to the run. Which step is next is the engine's.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from reactor.apis.provider import look, put
from reactor.errors import CallError, ConfigError, GateClosed, TemporaryError, UnknownOutcome
from reactor.handlers.call import again, behind_gate, operate
from reactor.handlers.context import Context
from reactor.runs.runner import Stage
from reactor.store.ledger import Ending, Row
from reactor.workflows.asking import command_of, operation_of, poll_of
from reactor.workflows.run import Call, CallFailed, End, Happened, Observed, Replied, TimedOut, Wait

LONG_POLL_OVER = 408
"""How a server that held a call says "still waiting"; other failures of it are worth a pause."""

log = structlog.get_logger("reactor.runs")


async def step(row: Row, context: Context) -> Ending:
    """Move a run on by one generation."""
    run_id, generation = row.what["run"], row.what["generation"]
    try:
        stage = await context.runs.stage(run_id, generation)
    except ConfigError as error:
        return again(row, TemporaryError(str(error)), context.settings)
    if stage is None:
        return Ending("done", result={"how": "moved on already"})
    try:
        happened = await _happening(row, stage, context)
    except GateClosed as error:
        return await behind_gate(row, error, context.brakes)
    except TemporaryError as error:
        return _again(row, stage, error, context)
    except ConfigError as error:  # an API or the document is gone: a person can bring it back
        return again(row, TemporaryError(str(error)), context.settings)
    moved = await context.runs.advance(stage, happened, row)
    if moved is None:
        return Ending("done", result={"how": "moved on already"})
    log.info(
        "run advanced", run=run_id, generation=moved.generation, status=moved.status, because=moved.because or None
    )
    return Ending("done", result={"how": type(happened).__name__.lower(), "status": moved.status})


async def give_up(row: Row, why: str, context: Context) -> None:
    """The row is dead: its run has failed."""
    await context.runs.give_up(row.what["run"], row.what["generation"], why)
    log.error("run given up", run=row.what["run"], error=why)


async def _happening(row: Row, stage: Stage, context: Context) -> Happened:
    """Do what the run asks for, and say what happened. Raises GateClosed, TemporaryError while it is worth trying."""
    match command_of(stage.program, stage.run):
        case Call() as call:
            return await _called(row, stage, call, context)
        case Wait() as wait:
            return await _looked(row, stage, wait, context)
        case End():
            raise ConfigError("the run is over")


async def _looked(row: Row, stage: Stage, wait: Wait, context: Context) -> Happened:
    """An event woke the run, or its deadline passed, or nobody did and it looks by itself.

    Raises GateClosed, and TemporaryError when a long poll was not answered.
    """
    now = time.time()
    if row.saw and "entry" in row.saw:
        return Observed(now, body=await context.runs.message(row.saw["entry"]))
    if row.saw:
        return _answered(row.saw, now) if "status" in row.saw else Observed(now, state=row.saw["state"])
    if now >= wait.deadline or wait.probe is None:
        return TimedOut(now)
    operation, asked = operation_of(stage.program, stage.run), time.time()
    holds = operation is not None and operation.holds
    try:
        return await _replied(row, stage, _also_hopeless(stage, wait.probe) if holds else wait.probe, context)
    except TemporaryError as error:
        if holds and error.status != LONG_POLL_OVER:
            raise
        return _outcome(error, asked, row.what["run"])  # so that an event can wake the run before the next look
    except GateClosed:
        raise
    except CallError as error:
        return _outcome(error, asked, row.what["run"])


def _answered(answer: Mapping[str, Any], now: float) -> Happened:
    """What a watch was answered in place of the run."""
    if not answer["status"]:
        return CallFailed(now, answer["error"])
    return Replied(now, answer["status"], answer["headers"], answer["body"], asked=answer["asked"])


def _also_hopeless(stage: Stage, call: Call) -> Call:
    """A long poll that also ends in the states after which the awaited ones can't come: the server would hold it on."""
    operation, poll = operation_of(stage.program, stage.run), poll_of(stage.program, stage.run)
    if operation is None or poll is None or not isinstance(call.body, dict):
        return call
    path = ".".join(("$", *operation.awaits))
    states = look(path, call.body)
    if not isinstance(states, list):
        return call
    return replace(call, body=put(path, call.body, [*states, *sorted(poll.kind.hopeless.difference(states))]))


async def _called(row: Row, stage: Stage, call: Call, context: Context) -> Happened:
    """Perform a call of the run. The API's refusals are for the workflow's own criteria to judge.

    A read on leaving a wait belongs to it, and ends with it: that it is not answered says nothing of the resource.
    """
    asked = time.time()
    try:
        return await _replied(row, stage, call, context)
    except GateClosed:
        raise
    except CallError as error:
        if isinstance(error, TemporaryError) and time.time() >= _deadline(stage):
            return TimedOut(time.time())
        if isinstance(error, TemporaryError) and row.attempts < context.settings.attempts:
            raise
        return _outcome(error, asked, row.what["run"])


def _deadline(stage: Stage) -> float:
    """When the wait that a run is in ends, in seconds since the epoch; never, if it is in none."""
    poll, waiting = poll_of(stage.program, stage.run), stage.run.waiting
    return waiting.since + poll.patience if poll and waiting else math.inf


async def _replied(row: Row, stage: Stage, call: Call, context: Context) -> Replied:
    """The good reply to a call. Raises CallError, ConfigError when its API is gone."""
    operation = operation_of(stage.program, stage.run)
    api = context.config.apis.get(operation.api) if operation else None
    if operation is None or api is None:
        raise ConfigError(f"step {call.step}: its API is not configured any more")
    asked = time.time()
    parameters: dict[str, Any] = {name: value for named in call.parameters.values() for name, value in named.items()}
    effect = await operate(row, context, api, operation.id, parameters, call.body)
    return Replied(time.time(), effect.reply.status, effect.reply.headers, effect.reply.data, asked=asked)


def _outcome(error: CallError, asked: float, run_id: str) -> Happened:
    """What a call that did not succeed is to the run: the API's answer, if there was one."""
    if error.status:
        return Replied(time.time(), error.status, error.headers, error.data, asked=asked)
    if isinstance(error, UnknownOutcome):
        remedy = f"look at the API whether it acted; `reactor runs retry {run_id}` makes the call again"
        return CallFailed(time.time(), f"{error}; {remedy}", unknown=True)
    return CallFailed(time.time(), str(error), passing=isinstance(error, TemporaryError))


def _again(row: Row, stage: Stage, error: TemporaryError, context: Context) -> Ending:
    """Try again; a long poll for as long as its wait lasts, in the end as rarely as probes."""
    if row.attempts >= context.settings.attempts:
        return Ending("due", error=str(error), delay=context.settings.probe, spent=False)
    ending = again(row, error, context.settings)
    return replace(ending, delay=min(ending.delay, max(0.0, _deadline(stage) - time.time())))
