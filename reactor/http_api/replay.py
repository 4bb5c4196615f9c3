"""The route of replays: it reads which events are meant, and `reactor.operator` does it."""

import asyncio

from reactor.errors import RequestRejected
from reactor.http_api.api import Answer, Asked
from reactor.http_api.asking import MOST, flag_of, moment_of, text_of
from reactor.http_api.parts import Parts
from reactor.operator.events import events_found
from reactor.operator.replay import Span, events_in, preview, replayed_value
from reactor.operator.replay import replay as replay_events
from reactor.store.logged import Logged


async def begin(parts: Parts, asked: Asked) -> Answer:
    """Show what would follow; with `confirm`, do it: 200 and the events as they stand in the log anew."""
    confirmed = flag_of(asked.body, "confirm")
    found = await _meant(parts, asked)
    if not confirmed:
        previews = []
        for each in found:
            previews.append(preview(parts.live.config, each))
            await asyncio.sleep(0)  # deliveries come to the same process
        return Answer(previews)
    entries = await replay_events(parts.store, found, asked.by)
    return Answer([replayed_value(each) for each in entries])


async def _meant(parts: Parts, asked: Asked) -> list[Logged]:
    """The events that are named, or those of a span; no more of them than one answer lists."""
    named, since = asked.body.get("events"), moment_of(asked.body, "since")
    if (named is None) == (since is None):
        raise RequestRejected(400, "bad_field", "expected `events`, a list of events, or `since`: one of the two")
    if since is not None:
        span = Span(since, moment_of(asked.body, "until"), text_of(asked.body, "type", "*"))
        found = await events_in(parts.store, parts.live.config, span, most=MOST)
        if len(found) > MOST:
            raise RequestRejected(
                400, "bad_field", f"since: more than {MOST} events are meant; narrow it by `until` or `type`"
            )
        return found
    if not isinstance(named, list) or not 0 < len(named) <= MOST or not all(isinstance(each, str) for each in named):
        raise RequestRejected(400, "bad_field", f"events: expected a list of 1 to {MOST} places or signed ids")
    return await events_found(parts.store, named)
