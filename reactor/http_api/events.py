"""Routes of events: they read what is asked, and `reactor.operator` does it."""

from reactor.errors import RequestRejected
from reactor.http_api.api import Answer, Asked
from reactor.http_api.asking import limit_of
from reactor.http_api.parts import Parts
from reactor.operator.events import Sought, event_detail, event_found, event_value, listed, retry_event
from reactor.operator.explain import explain as explain_event
from reactor.operator.explain import explanation_value


async def ls(parts: Parts, asked: Asked) -> Answer:
    """The newest events, or those set aside."""
    aside = asked.query.get("aside", "false")
    if aside not in ("true", "false"):
        raise RequestRejected(400, "bad_parameter", f"aside: found {aside[:20]!r}, expected true or false")
    sought = Sought(asked.query.get("type", ""), asked.query.get("resource", ""))
    found = await listed(parts.store, sought, aside=aside == "true", count=limit_of(asked))
    return Answer([event_value(each) for each in found])


async def show(parts: Parts, asked: Asked) -> Answer:
    """One event, with its payload."""
    return Answer(event_detail(await event_found(parts.store, asked.path["event"])))


async def explain(parts: Parts, asked: Asked) -> Answer:
    """Why an event led to what it did, or to nothing."""
    logged = await event_found(parts.store, asked.path["event"])
    told = await explain_event(parts.store, parts.live.config, logged, asked.query.get("rule", ""))
    return Answer(explanation_value(told))


async def retry(parts: Parts, asked: Asked) -> Answer:
    """Decide again on an event that was set aside."""
    logged = await event_found(parts.store, asked.path["event"])
    return Answer(event_value(await retry_event(parts.store, logged, asked.by)))
