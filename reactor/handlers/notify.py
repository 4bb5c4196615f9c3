"""Performs the action `notify`: tells people, at a target that the configuration declares. At least once.

Owns the notification library, which opens connections of its own: what it may reach is what `targets.yaml` names, never
what an event says. Telling twice is better than not at all, so a telling that may have failed is repeated; one that
can't be tried, because its target's URL is not there, waits for it and spends no attempt.
"""

import asyncio

import structlog
from apprise import Apprise, AppriseResult

from reactor.apis.policy import REFUSED_KEY_PAUSE
from reactor.errors import ConfigError, TemporaryError
from reactor.handlers.call import again
from reactor.handlers.context import Context
from reactor.store.brakes import TARGETS
from reactor.store.ledger import Ending, Row

log = structlog.get_logger("reactor.notify")

PATIENCE = 60.0
"""Seconds that one telling may take; services answer within a few."""


async def notify(row: Row, context: Context) -> Ending:
    """Tell what a row says to its target."""
    target = context.config.targets.get(row.what["target"])
    if target is None:
        return Ending(
            "dead", error=f"target {row.what['target']!r} is not configured any more; `config/targets.yaml` had it"
        )
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(_tell, target.read(), row.what["title"], row.what["text"])
    except ConfigError as error:  # as with a refused key: what is missing can be set, without a new job
        if await context.brakes.close_gate(TARGETS, str(error), REFUSED_KEY_PAUSE, operation=row.what["target"]):
            log.error("target can't be told", target=row.what["target"], seconds=REFUSED_KEY_PAUSE, error=str(error))
        return Ending("due", error=str(error), delay=REFUSED_KEY_PAUSE, spent=False, announced=True)
    except TimeoutError:
        return again(row, TemporaryError(f"no answer within {PATIENCE:g} s"), context.settings)
    except TemporaryError as error:
        return again(row, error, context.settings)
    return Ending("done", result={"how": "told", "target": row.what["target"]})


def _tell(url: str, title: str, text: str) -> None:
    """Send one notification, in a thread: the library is synchronous. Raises ConfigError, TemporaryError."""
    apprise = Apprise()
    if not apprise.add(url):
        raise ConfigError("the target's URL is not one that Apprise knows (https://appriseit.com/services/)")
    result = apprise.notify(title=title, body=text)
    if not result:
        raise TemporaryError(f"not delivered: {_reason(result)}")


def _reason(result: AppriseResult) -> str:
    """Why a telling failed, in the library's own words, which show no secret."""
    said = (line.message for line in result.logs())
    return " ".join(said)[:500] or "no reason given"
