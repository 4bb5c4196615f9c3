"""Names that creates ask for: one that does not differ from event to event is taken after the first."""

import re
from collections.abc import Mapping
from typing import Any

from reactor.apis.client import Api
from reactor.apis.provider import Create, look
from reactor.review.regexes import expressions
from reactor.rules.fault import Fault

_DISTINCT = re.compile(
    r"\b(?:event\.(?:data\.)?\w*(?:id|Id|ID|name|Name)\b|event\.(?:data\.)?timestamp\b|event\.data\b(?!\.))"
)
"""What differs from event to event, or may."""


def name_of(body: Any, create: Create) -> str | None:
    """The name that a body asks for, as it is written; None when it asks for none, and gets one of its own."""
    name = look(create.name, body if isinstance(body, Mapping) else {})
    return name if isinstance(name, str) else None


def name_fault(api: Api, operation: str, body: Any, if_exists: str) -> Fault | None:
    """A create whose name is the same for every event of the rule, where a second one fails."""
    create = api.provider.creates.get(operation)
    name = name_of(body, create) if create else None
    if create is None or name is None or if_exists != "fail":
        return None
    asked = expressions(name)
    if any(_DISTINCT.search(expression) or "event." not in expression for expression in asked):
        return None
    path = ("body", *create.name.split(".")[1:])
    message = (
        f"found the name {name!r}, the same for every event: the second {operation} fails because it is taken; put "
        "${event.id} into it, leave it out (it gets one of its own), or say `if_exists: use`"
    )
    return Fault(path, message, severity="warning")
