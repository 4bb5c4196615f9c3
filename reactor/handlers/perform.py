"""Performs the action `perform`: a handler of an installed package. At least once.

Owns calling foreign code so that it can harm its own job only: a function that is not `async` runs in a thread, and whatever
it raises ends the attempt. What a handler does is its own.
"""

import asyncio
import inspect

import orjson
import structlog
from pydantic import ValidationError

from reactor.errors import PermanentError, TemporaryError
from reactor.handlers.call import again
from reactor.handlers.context import Context
from reactor.plugins import Job, Plugged
from reactor.store.ledger import Ending, Row

PATIENCE = 600.0
"""Seconds that a handler may take; after that its job is tried again, though nobody can stop a thread."""

LARGEST_RESULT = 65_536
"""Bytes of a result, as JSON, that the ledger keeps."""

log = structlog.get_logger("reactor.perform")


async def perform(row: Row, context: Context) -> Ending:
    """Have the handler that a row names perform it. PermanentError ends the job; any other error is tried again."""
    handler = context.config.handlers.get(row.what["handler"])
    if handler is None:
        return Ending("dead", error=f"handler {row.what['handler']!r} is not installed any more")
    try:
        arguments = handler.arguments.model_validate(row.what["arguments"])
    except ValidationError as error:
        return Ending("dead", error=f"the arguments are not what {handler.name} asks for: {error}")
    try:
        answer = await _called(handler, arguments, Job(row.id, row.attempts, row.rule, row.event))
        return _done(answer)
    except TemporaryError as error:
        return again(row, error, context.settings)
    except PermanentError as error:
        return Ending("dead", error=str(error))
    except Exception as error:  # foreign code may raise anything; most of what it raises passes by itself
        log.exception("handler faulty", job=row.id, handler=handler.name, rule=row.rule, event_id=row.event)
        return again(row, TemporaryError(f"{type(error).__name__}: {error}"), context.settings)


async def _called(handler: Plugged, arguments: object, job: Job) -> object:
    limit = asyncio.timeout(PATIENCE)
    try:
        async with limit:
            if inspect.iscoroutinefunction(handler.function):
                return await handler.function(arguments, job)
            return await asyncio.to_thread(handler.function, arguments, job)
    except TimeoutError:
        if not limit.expired():  # its own
            raise
        raise TemporaryError(f"{handler.name} did not end within {PATIENCE:g} s") from None


def _done(answer: object) -> Ending:
    """The end of a job that went well, with what the handler returned. That it can't be kept is no reason to repeat it."""
    try:
        size = len(orjson.dumps(answer))
    except TypeError as error:
        return Ending("done", result={"how": f"performed; its answer is not kept: {error}"})
    if size > LARGEST_RESULT:
        return Ending("done", result={"how": f"performed; its answer has {size} bytes and is not kept"})
    return Ending("done", result={"how": "performed", "data": answer})
