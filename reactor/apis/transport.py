"""HTTP connections: httpx2's interface over aiohttp's connections.

Owns sockets, nothing else. aiohttp because httpx2's own pool costs three times the CPU at two hundred concurrent calls,
and because its resolver is a public place to check and pin addresses. Knows no API. Sends nothing twice, save that aiohttp
repeats an idempotent request whose kept connection turns out to be closed.
"""

import aiohttp
import httpx2
from yarl import URL

from reactor.apis.addresses import Addresses, ForbiddenAddress, GuardedResolver

LARGEST_REPLY = 4 * 1024 * 1024
"""Bytes of a reply's body; what is longer is an error, not memory."""

IDLE = 4.0
"""Seconds an idle connection is kept: less than servers do (uvicorn: 5), so that a request seldom meets a closing one."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests through one pooled aiohttp session, opened at the first request."""

    def __init__(self, *, connections: int, addresses: Addresses) -> None:
        self._connections = connections
        self._addresses = addresses
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request and read its whole reply. Raises httpx2's exceptions, as its own transport does.

        Raises ForbiddenAddress before anything is sent to an address that may not be called.
        """
        self._addresses.check_host(request.url.host)
        timeouts = request.extensions.get("timeout", {})
        try:
            async with self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeouts.get("read"), connect=timeouts.get("connect")),
            ) as reply:
                body = await _read(reply)
                return httpx2.Response(reply.status, headers=list(reply.headers.items()), content=body, request=request)
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, ForbiddenAddress):
                raise error.os_error from error
            raise httpx2.ConnectError(str(error), request=request) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx2.ReadTimeout("no reply in time", request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__, request=request) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=IDLE, resolver=GuardedResolver(self._addresses)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    if reply.headers.get("Content-Encoding", "identity") != "identity":  # unpacked, it could be of any length
        raise aiohttp.ClientPayloadError("the reply is compressed, which was not asked for")
    body = bytearray()
    async for chunk in reply.content.iter_any():
        body += chunk
        if len(body) > LARGEST_REPLY:
            raise aiohttp.ClientPayloadError(f"the reply is longer than {LARGEST_REPLY} bytes")
    return bytes(body)
