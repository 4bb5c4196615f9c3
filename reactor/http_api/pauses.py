"""Routes of pauses: they read what is asked, and `reactor.operator` does it."""

from reactor.errors import RequestRejected
from reactor.http_api.api import Answer, Asked
from reactor.http_api.asking import text_of
from reactor.http_api.parts import Parts
from reactor.operator.brakes import pause, pause_value, resume, scope_of
from reactor.store.brakes import Scope

LONGEST_REASON = 500
LONGEST_PAUSE = 366 * 86400


async def ls(parts: Parts, asked: Asked) -> Answer:
    """What is paused now."""
    return Answer([pause_value(each) for each in await parts.store.brakes.pauses()])


async def begin(parts: Parts, asked: Asked) -> Answer:
    """Pause everything, one API or one rule."""
    seconds = asked.body.get("for")
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds <= LONGEST_PAUSE
    if seconds is not None and not good:
        raise RequestRejected(400, "bad_field", "for: expected seconds, more than 0 and at most a year")
    reason = text_of(asked.body, "reason", "")
    if len(reason) > LONGEST_REASON:
        raise RequestRejected(400, "bad_field", f"reason: expected at most {LONGEST_REASON} characters")
    paused = await pause(parts.store, _scope(parts, asked, new=True), by=asked.by, reason=reason, seconds=seconds)
    return Answer([pause_value(each) for each in paused])


async def end(parts: Parts, asked: Asked) -> Answer:
    """Resume what was paused."""
    _, left = await resume(parts.store, _scope(parts, asked, new=False), by=asked.by)
    return Answer([pause_value(each) for each in left])


def _scope(parts: Parts, asked: Asked, *, new: bool) -> Scope:
    """What is meant; to resume, also what is not configured any more."""
    names = {name: text_of(asked.body, name) for name in ("api", "rule") if asked.body.get(name) is not None}
    if len(names) == 2:
        raise RequestRejected(400, "bad_field", "expected `api` or `rule`, or neither to mean everything")
    return scope_of(parts.live.config if new else None, names.get("api"), names.get("rule"))
