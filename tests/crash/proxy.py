"""A TCP proxy that cuts, loses replies, swallows and slows: what a network does between two processes.

Owns connections and what is wrong with them now. Knows no protocol.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]

CHUNK = 65536


@dataclass(eq=False)
class Link:
    """One connection through the proxy: its two ends, and whether its next reply is to be lost."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    loses_reply: bool = False

    def cut(self) -> None:
        """End both connections, as a reset does."""
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """Passes bytes on to whom `connect` reaches, as well as it can. `name` is for the story."""

    def __init__(self, name: str, connect: Connect) -> None:
        self.name = name
        self.links: set[Link] = set()
        self._connect = connect
        self._open = asyncio.Event()
        self._open.set()
        self._delay = 0.0
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Listen on a free port, and return it."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        assert self._server is not None
        self._server.close()
        self.heal()
        for link in list(self.links):
            link.cut()
        await self._server.wait_closed()

    def cut(self, dice: random.Random, share: float) -> None:
        """Reset a share of the connections."""
        for link in self._some(dice, share):
            link.cut()

    def lose_replies(self, dice: random.Random, share: float) -> None:
        """What a share of the connections asked for happens, but its reply never arrives."""
        for link in self._some(dice, share):
            link.loses_reply = True

    def swallow(self) -> None:
        """Pass nothing on until `heal`; connections stay open and hear nothing."""
        self._open.clear()

    def slow(self, seconds: float) -> None:
        """Pass everything on so much later."""
        self._delay = seconds

    def heal(self) -> None:
        """Be a good network again."""
        self._delay = 0.0
        self._open.set()
        for link in self.links:
            link.loses_reply = False

    def _some(self, dice: random.Random, share: float) -> list[Link]:
        return [link for link in self.links if dice.random() < share]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            upstream, server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self.links.add(link := Link(writer, server))
        pumps = [
            asyncio.create_task(self._pump(link, reader, server, reply=False)),
            asyncio.create_task(self._pump(link, upstream, writer, reply=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.links.discard(link)
            for pump in pumps:
                pump.cancel()
            link.client.close()
            link.server.close()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, link: Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, reply: bool) -> None:
        try:
            while data := await source.read(CHUNK):
                await self._open.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                if reply and link.loses_reply:
                    link.cut()
                    return
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return


def to(path: str) -> Connect:
    """Connect to a unix socket."""

    async def connect() -> Streams:
        return await asyncio.open_unix_connection(path)

    return connect


def to_first(ports: Callable[[], list[int]]) -> Connect:
    """Connect to the first of these local ports that answers, the first one another each time: a load balancer."""
    turn = 0

    async def connect() -> Streams:
        nonlocal turn
        turn += 1
        there = ports()
        for number in range(len(there)):
            try:
                return await asyncio.open_connection("127.0.0.1", there[(turn + number) % len(there)])
            except OSError:
                continue
        raise ConnectionRefusedError("nobody listens")

    return connect
