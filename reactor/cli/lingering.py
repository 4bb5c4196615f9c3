"""Hanging up so that the last answer arrives: an answer, then silence from us, then the end once the other has spoken.

Owns the end of one connection. Whoever closes a socket with something unread in it has the kernel reset the connection, and
a sender that is still sending the body of a refused request may then see the reset in place of the refusal.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LINGER = 2.0
"""Seconds that a sender has to finish what nobody reads. Its answer is under way all that time."""

MOST = 2**20
"""Bytes of it that are let in: more than any good sender has to say, and no flood."""


class Lingering:
    """A transport that closes for writing first while a request is not read to its end, and for good when the sender has
    closed too, or after LINGER seconds or MOST bytes, or when it is closed again. All else is the transport's.
    """

    def __init__(self, transport: asyncio.Transport, is_unread: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_unread = is_unread
        self._end: asyncio.TimerHandle | None = None
        self._let_in = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def lingers(self) -> bool:
        """Whether what comes now is for nobody."""
        return self._end is not None

    def is_closing(self) -> bool:
        """Whether anything more can be answered here."""
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self.is_closing() or not self._is_unread():
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._end = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def let_in(self, data: bytes) -> None:
        """Take what comes for nobody, until it is too much."""
        self._let_in += len(data)
        if self._let_in > MOST:
            self._transport.abort()

    def gone(self) -> None:
        """The connection is lost."""
        if self._end:
            self._end.cancel()


class Patient(H11Protocol):
    """uvicorn's h11 protocol, whose refusals arrive also where the body of the request was not read."""

    transport: Lingering  # type: ignore[assignment]  # it has all of a transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have the connection linger at its end."""
        super().connection_made(Lingering(transport, self._is_unread))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Take what comes, for nobody if the answer has been given."""
        if self.transport.lingers:
            self.transport.let_in(data)
        else:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be read. A request that was under way has its answer by that, and its application is told so.

        uvicorn does not: what that application says then is an exception in the log, for any stranger to cause.
        """
        super().send_400_response(msg)
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self.transport.gone()
        super().connection_lost(exc)

    def _is_unread(self) -> bool:
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)
