"""Performs the action `call`: one operation of one API, with one effect.

Owns turning what the API answered into the end of an attempt. How to find or create is `apis.create`'s.
"""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from reactor.apis.client import Api
from reactor.apis.create import Creation
from reactor.apis.provider import look, put
from reactor.errors import GateClosed, PermanentError, TemporaryError, UnknownOutcome
from reactor.failpoints import failpoint
from reactor.handlers.context import Context, LeaseLost
from reactor.settings import Settings
from reactor.store.ledger import Ending, Ledger, Row

LOCKED_PAUSE = 0.5
"""Seconds before asking again for the lock on a name that another row holds."""

MOST_DOUBLINGS = 64
"""Of the pause between attempts: far beyond any limit set on it, and within what a float can hold."""

log = structlog.get_logger("reactor.call")


async def call(row: Row, context: Context) -> Ending:
    """Perform the call a row asks for."""
    api = context.config.apis.get(row.api)
    if api is None:
        return Ending(
            "dead", error=f"API {row.api!r} is not configured any more; `config/apis/` had it when this was planned"
        )
    try:
        return Ending("done", result=await _perform(row, api, context))
    except GateClosed as error:
        await context.ledger.close_gate(row.api, str(error), error.delay, operation=error.operation)
        log.error("gate closed", api=row.api, operation=error.operation or None, seconds=error.delay, error=str(error))
        return Ending("due", error=str(error), delay=error.delay, spent=False)
    except TemporaryError as error:
        return again(row, error, context.settings)
    except UnknownOutcome as error:
        return Ending("unknown", error=str(error))
    except PermanentError as error:
        return Ending("dead", error=str(error))


async def _perform(row: Row, api: Api, context: Context) -> Any:
    operation, parameters, body = (row.what[part] for part in ("operation", "parameters", "body"))
    if operation not in api.provider.creates:
        reply = await context.client.call(api, operation, parameters, body)
        failpoint("worker.after_call")
        return {"how": "called", "status": reply.status}
    create = api.provider.creates[operation]
    body = body if isinstance(body, dict) else {}
    if not look(create.name, body):
        body = put(create.name, body, f"{context.settings.instance}-{row.id}")
    creation = Creation(context.client, api, operation, parameters, body, row.what["if_exists"])
    created = await creation.run(RowClaim(row, context.ledger, context.settings.instance))
    kind = api.provider.resources[create.resource]
    return {
        "how": created.how,
        create.resource: {"id": look(kind.id, created.resource), "name": look(kind.name, created.resource)},
    }


def again(row: Row, error: TemporaryError, settings: Settings) -> Ending:
    """Try again when the API says so, else after a doubling pause; dead when the attempts are used up.

    The pause is between half and all of its length, so that a crowd spreads.
    """
    if row.attempts >= settings.attempts:
        return Ending("dead", error=f"after {row.attempts} attempts: {error}")
    doublings = min(row.attempts - 1, MOST_DOUBLINGS)
    longest = min(settings.backoff * 2**doublings, settings.backoff_limit)
    delay = error.delay if error.delay is not None else longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
    return Ending("due", error=str(error), delay=delay)


@dataclass(frozen=True)
class RowClaim:
    """A claimed row as find-or-create knows it (`apis.create.Claim`)."""

    row: Row
    ledger: Ledger
    instance: str

    @property
    def label(self) -> tuple[str, str]:
        """Marks what this row makes, for this instance."""
        return f"reactor/{self.instance}", self.row.id

    async def lock(self, name: str) -> datetime | None:
        """Take the lock on a name. Raises TemporaryError while another row has it, LeaseLost."""
        code, detail = await self.ledger.lock(self.row, name)
        if code < 0:
            raise LeaseLost("the lease was lost before the call")
        if code == 0:
            raise TemporaryError(f"job {detail} is creating {name} now", LOCKED_PAUSE)
        return datetime.fromisoformat(detail) if detail else None

    async def note_absent(self, at: datetime) -> None:
        """Write into the row that nothing of this name was there. Raises LeaseLost."""
        if not await self.ledger.renew(self.row, absent_at=at.isoformat()):
            raise LeaseLost("the lease was lost before the call")
