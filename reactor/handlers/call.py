"""Performs the action `call`: one operation of one API, with one effect.

Owns turning what the API answered into the end of an attempt. How to find or create is `apis.create`'s.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import structlog

from reactor.apis.client import Api
from reactor.apis.create import Creation
from reactor.apis.policy import Reply, repeatable
from reactor.apis.provider import look, put
from reactor.errors import GateClosed, PermanentError, TemporaryError, UnknownOutcome
from reactor.failpoints import failpoint
from reactor.handlers.context import Context, LeaseLost
from reactor.rules.late import KEEP
from reactor.settings import Settings
from reactor.store.brakes import Brakes
from reactor.store.ledger import Ending, Ledger, Row

LOCKED_PAUSE = 0.5
"""Seconds before asking again for the lock on a name that another row holds."""

LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer that a row keeps for a later action."""

SOON = (0.2, 1.0, 3.0, 10.0)
"""Seconds to the next attempts where the API is only not ready yet: its events can come before its state is committed."""

MOST_DOUBLINGS = 64
"""Of the pause between attempts: far beyond any limit set on it, and within what a float can hold."""

log = structlog.get_logger("reactor.call")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call came to: `how` (called, created, adopted, used) and the API's answer."""

    how: str
    reply: Reply


async def call(row: Row, context: Context) -> Ending:
    """Perform the call a row asks for."""
    api = context.config.apis.get(row.api)
    if api is None:
        return Ending(
            "dead", error=f"API {row.api!r} is not configured any more; `config/apis/` had it when this was planned"
        )
    operation, parameters, body = (row.what[part] for part in ("operation", "parameters", "body"))
    try:
        effect = await operate(row, context, api, operation, parameters, body, if_exists=row.what["if_exists"])
    except TemporaryError as error:
        return again(row, error, context.settings)
    except GateClosed as error:
        return await behind_gate(row, error, context.brakes)
    except UnknownOutcome as error:
        return Ending("unknown", error=str(error))
    except PermanentError as error:
        return Ending("dead", error=str(error))
    return Ending("done", result=_result(api, operation, effect) | _answer(row, effect))


async def operate(
    row: Row,
    context: Context,
    api: Api,
    operation: str,
    parameters: Mapping[str, Any],
    body: Any,
    *,
    if_exists: str = "fail",
) -> Effect:
    """Perform one operation for a row, with one effect however often the row is performed. Raises CallError."""
    create = api.provider.creates.get(operation)
    if create is None:
        if not repeatable(api.openapi.operation(operation), api.provider):
            await _once(row, operation, context.ledger)
        reply = await context.client.call(api, operation, parameters, body)
        failpoint("worker.after_call")
        return Effect("called", reply)
    body = body if isinstance(body, dict) else {}
    if not look(create.name, body):
        body = put(create.name, body, f"{context.settings.instance}-{row.label}")
    creation = Creation(context.client, api, operation, parameters, body, if_exists)
    created = await creation.run(RowClaim(row, context, api))
    await context.runs.watch(api, create.resource, created.resource)
    return Effect(created.how, created.reply)


async def _once(row: Row, operation: str, ledger: Ledger) -> None:
    """Have the row say, before a call that must not be made twice, that it goes out. Raises LeaseLost.

    Raises UnknownOutcome when the row says so of an attempt that ended without saying what came of it: its worker was
    killed, or paused for longer than its lease. Whatever end an attempt does record takes its note away.
    """
    if row.asked_at:
        raise UnknownOutcome(
            f"{operation} went out at {row.asked_at}, and its worker ended before it wrote down what the API answered"
        )
    if not await ledger.note_asked(row):
        raise LeaseLost("the lease was lost before the call")
    failpoint("once.after_note")


def _result(api: Api, operation: str, effect: Effect) -> dict[str, Any]:
    """What the ledger keeps of an effect: how it came to be, and of a resource its id and name."""
    create = api.provider.creates.get(operation)
    if create is None:
        return {"how": effect.how, "status": effect.reply.status}
    kind = api.provider.resources[create.resource]
    made = effect.reply.data
    return {"how": effect.how, create.resource: {"id": look(kind.id, made), "name": look(kind.name, made)}}


def _answer(row: Row, effect: Effect) -> dict[str, Any]:
    """The whole answer, where a later action of the rule wants it."""
    if KEEP not in row.what:
        return {}
    size = len(orjson.dumps(effect.reply.data))
    return {"data": effect.reply.data} if size <= LARGEST_ANSWER else {"left_out": f"an answer of {size} bytes"}


async def behind_gate(row: Row, error: GateClosed, brakes: Brakes) -> Ending:
    """Close the gate for all workers, and wait behind it; the attempt does not count. Of a crowd, the first one says so."""
    if await brakes.close_gate(row.api, str(error), error.delay, operation=error.operation):
        log.error("gate closed", api=row.api, operation=error.operation or None, seconds=error.delay, error=str(error))
    return Ending("due", error=str(error), delay=error.delay, spent=False, announced=True)


def attempts_of(row: Row, settings: Settings) -> int:
    """How many attempts a row has: its rule may say."""
    return row.retry.get("attempts", settings.attempts)


def again(row: Row, error: TemporaryError, settings: Settings) -> Ending:
    """Try again when the API says so, soon for what passes by itself, else after a doubling pause; dead at the last.

    The pause is between half and all of its length, so that a crowd spreads.
    """
    if row.attempts >= attempts_of(row, settings):
        return Ending("dead", error=f"after {row.attempts} attempts: {error}")
    doublings = min(row.attempts - 1, MOST_DOUBLINGS)
    first = row.retry["backoff"] / 1000 if "backoff" in row.retry else settings.backoff
    longest = min(first * 2**doublings, max(first, settings.backoff_limit))
    if error.passing and row.attempts <= len(SOON):
        longest = min(longest, SOON[row.attempts - 1])
    delay = error.delay if error.delay is not None else longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
    return Ending("due", error=str(error), delay=delay)


@dataclass(frozen=True)
class RowClaim:
    """A claimed row as find-or-create knows it (`apis.create.Claim`)."""

    row: Row
    context: Context
    api: Api

    @property
    def label(self) -> tuple[str, str]:
        """Marks what this row makes, for this instance."""
        return f"reactor/{self.context.settings.instance}", self.row.label

    async def lock(self, name: str) -> datetime | None:
        """Take the lock on a name. Raises TemporaryError while another row has it, LeaseLost."""
        code, detail = await self.context.ledger.lock(self.row, name)
        if code < 0:
            raise LeaseLost("the lease was lost before the call")
        if code == 0:
            raise TemporaryError(f"job {detail} is creating {name} now", LOCKED_PAUSE)
        return datetime.fromisoformat(detail) if detail else None

    async def note_absent(self, at: datetime) -> None:
        """Write into the row that nothing of this name was there. Raises LeaseLost, also after a pause as long as a lease."""
        asked = time.monotonic()
        held = await self.context.ledger.renew(self.row, absent_at=at.isoformat())
        if not held or time.monotonic() - asked >= self.context.settings.lease:
            raise LeaseLost("the lease was lost before the call")

    async def spend(self) -> None:
        """Take one create from the API's budget. Raises GateClosed until the next minute when nothing is left of it."""
        own = self.api.provider.budgets.creates_per_minute
        budget = self.context.settings.creates_per_minute if own is None else own
        wait = await self.context.brakes.spend(self.api.name, budget) if budget else 0.0
        if wait:
            raise GateClosed(
                f"the budget of {self.api.name} is spent, {budget} creates a minute; the next go in {wait:.0f} s",
                wait,
                operation=self.row.operation,
            )
