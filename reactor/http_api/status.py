"""The route of the status: `reactor.operator` looks and judges."""

from reactor.http_api.api import Answer, Asked
from reactor.http_api.parts import Parts
from reactor.operator.status import judged, look, status_value


async def show(parts: Parts, asked: Asked) -> Answer:
    """Everything once, as this process is configured."""
    return Answer(status_value(judged(await look(parts.store, parts.live.config))))
