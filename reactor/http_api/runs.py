"""Routes of runs: they read what is asked, and `reactor.operator` does it."""

from typing import Any
from uuid import uuid4

from reactor.errors import RequestRejected
from reactor.http_api.api import Answer, Asked
from reactor.http_api.asking import limit_of, text_of
from reactor.http_api.parts import Parts
from reactor.operator.runs import cancel_run, retry_run, run_found, run_id_of, run_value, start_run

LONGEST_KEY = 256


async def start(parts: Parts, asked: Asked) -> Answer:
    """Begin a run: 201, or 200 when the key had begun it before."""
    inputs: Any = asked.body.get("inputs", {})
    if not isinstance(inputs, dict):
        raise RequestRejected(400, "bad_field", "inputs: expected an object")
    if asked.key is not None and not 0 < len(asked.key) <= LONGEST_KEY:
        raise RequestRejected(400, "bad_key", f"Idempotency-Key: expected 1 to {LONGEST_KEY} characters")
    run, fresh = await start_run(
        parts.store,
        parts.runner(),
        parts.live.config,
        run_id=run_id_of(asked.key) if asked.key else uuid4().hex[:20],
        document=text_of(asked.body, "workflow"),
        workflow_id=text_of(asked.body, "workflowId", ""),
        inputs=inputs,
    )
    return Answer(run_value(run), 201 if fresh else 200)


async def ls(parts: Parts, asked: Asked) -> Answer:
    """The runs that began last, the newest first."""
    return Answer([run_value(run) for run in await parts.store.runs.newest(count=limit_of(asked))])


async def show(parts: Parts, asked: Asked) -> Answer:
    """One run, with its steps."""
    return Answer(run_value(await run_found(parts.store, asked.path["run"])))


async def cancel(parts: Parts, asked: Asked) -> Answer:
    """Cancel a run."""
    return Answer(run_value(await cancel_run(parts.store, asked.path["run"], f"cancelled by {asked.by}")))


async def retry(parts: Parts, asked: Asked) -> Answer:
    """Let a run that failed or was cancelled go on."""
    return Answer(run_value(await retry_run(parts.store, parts.runner(), asked.path["run"], asked.by)))
