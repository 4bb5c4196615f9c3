"""Reads a document from a URL, for an operator who imports it: bounded in size and time.

Owns the one HTTP request that is no call of an operation. Sends no key, keeps no cookie, and connects to no address that
calls may not go to either. What the bytes mean is `reading`'s.
"""

import asyncio
from collections.abc import Iterable

import aiohttp
from yarl import URL

from reactor.apis.addresses import Addresses, ForbiddenAddress, GuardedResolver
from reactor.apis.reading import MAX_BYTES
from reactor.errors import ReactorError

TIMEOUT = 30.0
"""Seconds in which the whole document must have arrived."""

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_INSTEAD = "download it, and import the file"


async def fetch(url: str, *, private: Iterable[str] = (), timeout: float = TIMEOUT) -> bytes:
    """The bytes at an http(s) URL; redirects lead to https only. `private` names networks besides the public internet.

    Raises ReactorError for any other answer than 200, more than MAX_BYTES, or `timeout` seconds without the end.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _read(url, Addresses(private))
    except TimeoutError as error:
        raise ReactorError(f"{url}: found no end after {timeout:g} s; {_INSTEAD}") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise ReactorError(f"{url} can't be reached: {_reason(error)}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ReactorError(f"{url} can't be read: {str(error) or type(error).__name__}") from error


async def _read(address: str, addresses: Addresses) -> bytes:
    url = _checked(URL(address))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=GuardedResolver(addresses)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "sandbox-reactor", "Accept-Encoding": "identity"},
    ) as session:
        for _ in range(1 + MAX_REDIRECTS):
            addresses.check_host(url.host or "")
            async with session.get(url, allow_redirects=False) as reply:
                if reply.status not in _REDIRECTS:
                    return await _content(reply)
                url = _target(url, reply.headers.get("Location", ""))
    raise ReactorError(f"{address}: found more than {MAX_REDIRECTS} redirects; {_INSTEAD}")


def _checked(url: URL) -> URL:
    if url.scheme not in ("http", "https") or not url.host:
        raise ReactorError(f"found {url.scheme or 'no'} URL, expected one that begins with http:// or https://")
    if url.user or url.password:
        raise ReactorError(f"found credentials in the URL of {url.host}, expected none: {_INSTEAD}")
    return url


def _target(url: URL, location: str) -> URL:
    """Where a redirect leads: to https, so that nobody on the way changes the document."""
    target = url.join(URL(location))
    if target.scheme != "https":
        raise ReactorError(
            f"{url}: found a redirect to {target}, expected one to https; import that URL if you trust it"
        )
    return _checked(target)


async def _content(reply: aiohttp.ClientResponse) -> bytes:
    if reply.status != 200:
        why = f" (does it need a login? Then {_INSTEAD})" if reply.status in (401, 403, 404) else ""
        raise ReactorError(f"{reply.url} answered {reply.status}, expected 200 and a document{why}")
    if reply.headers.get("Content-Encoding", "identity") != "identity":  # unpacked, it could be of any length
        raise ReactorError(f"{reply.url}: found a compressed document, which was not asked for; {_INSTEAD}")
    content = bytearray()
    async for chunk in reply.content.iter_any():
        content += chunk
        if len(content) > MAX_BYTES:
            raise ReactorError(f"{reply.url}: found a longer document, expected at most {MAX_BYTES} bytes")
    return bytes(content)


def _reason(error: aiohttp.ClientConnectorDNSError) -> str:
    return str(error.os_error if isinstance(error.os_error, ForbiddenAddress) else error)
