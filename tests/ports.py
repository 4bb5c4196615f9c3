"""A port that stays ours between two processes that listen on it, and before the first.

Owns no process. A free port that is only looked up may be anybody's a moment later: the kernel gives it to the next who
connects somewhere. Bound, though not listened on, it is given to nobody but those who ask for it by number.
"""

import socket


class ReservedPort:
    """A port of 127.0.0.1 that only who is told may listen on, one after the other, for as long as this lives."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Let anybody have it."""
        self._socket.close()

    def __enter__(self) -> "ReservedPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
