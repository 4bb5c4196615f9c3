"""Lists all resources of a kind, page by page, as the provider file says."""

from collections.abc import AsyncIterator
from typing import Any

from reactor.apis.client import Api, ApiClient
from reactor.apis.provider import Listing, NextPage, look
from reactor.errors import PermanentError

MOST_PAGES = 1000
"""Pages of one listing; an API that never stops giving pages is at fault."""


async def listed(client: ApiClient, api: Api, listing: Listing) -> AsyncIterator[Any]:
    """Every item of a listing, in the API's order. Raises CallError."""
    parameters = dict(listing.parameters)
    for number in range(1, MOST_PAGES + 1):
        reply = await client.call(api, listing.operation, parameters)
        items = look(listing.items, reply.data) if listing.items else reply.data
        if not isinstance(items, list):
            raise PermanentError(f"{listing.operation} answered {reply.status} without a list", status=reply.status)
        for item in items:
            yield item
        following = _following(listing.next, reply.data, items, number) if listing.next and items else None
        if listing.next is None or following is None:
            return
        parameters[listing.next.parameter] = following
    raise PermanentError(f"{listing.operation} has more than {MOST_PAGES} pages")


def _following(page: NextPage, reply: Any, items: list[Any], number: int) -> Any:
    """The parameter's value for the next page; None after the last."""
    if page.reply:
        return look(page.reply, reply)
    if page.item:
        return look(page.item, items[-1])
    pages = look(page.pages or "", reply)
    return number + 1 if isinstance(pages, int) and number < pages else None
