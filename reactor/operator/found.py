"""Things by the names that people give: there, or refused with what lists them."""

from collections.abc import Awaitable
from typing import TypeVar

from reactor.errors import NotFound

Thing = TypeVar("Thing")


async def found(getting: Awaitable[Thing | None], missing: str) -> Thing:
    """The thing, if it is there. Raises NotFound that says `missing`, StoreUnavailable."""
    thing = await getting
    if thing is None:
        raise NotFound(missing)
    return thing
