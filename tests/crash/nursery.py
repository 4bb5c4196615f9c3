"""A process that has loaded the program and forks: a start costs 60 ms instead of a second, so that kills are cheap.

What it starts are real processes with their own memory, environment and files. Knows nothing of why one is started.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reactor.cli import main
from reactor.cli import run as loaded_for_serve_dispatch_work
from reactor.cli import runs as loaded_for_runs
from reactor.embedded import bound_to_parent
from reactor.failpoints import arm

LOADED = (loaded_for_serve_dispatch_work, loaded_for_runs)
"""What a child would import when it begins."""

PR_SET_PDEATHSIG = 1

Ended = Callable[["Child"], None]


@dataclass(eq=False)
class Child:
    """A process of the nursery. Its pidfd names it for good, also when its number is somebody else's."""

    pid: int
    log: Path
    pidfd: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    killed: bool = False

    def signal(self, number: int) -> bool:
        """Send a signal; False when the process is gone."""
        if self.over.is_set():
            return False
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return False
        self.killed = self.killed or number == signal.SIGKILL
        return True

    def watch(self, ended: Ended) -> None:
        """Call `ended` when the process is gone."""
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(self.pidfd)
            os.close(self.pidfd)
            self.over.set()
            ended(self)

        loop.add_reader(self.pidfd, gone)


class Nursery:
    """Starts processes of `reactor`; all of them end with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def open(cls) -> "Nursery":
        """Start the process that forks."""
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        process = await asyncio.create_subprocess_exec(
            *bound_to_parent([sys.executable, "-m", "crash.nursery"]),
            env={**os.environ, "PYTHONPATH": path},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: Path, log: Path, *, skew: float = 0.0
    ) -> Child | None:
        """Run `reactor arguments`, its clock `skew` seconds ahead; None when it has ended before it could be watched.

        `output` is there and empty when this returns, however late the process comes to write to it: what is read there
        is what this one has said, not the one before it.
        """
        asked = {"arguments": list(arguments), "environment": dict(environment), "skew": skew}
        asked |= {"output": str(output), "log": str(log)}
        async with self._one_at_a_time:
            await asyncio.to_thread(output.write_bytes, b"")
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            pid = int(await self._process.stdout.readline())
        try:
            return Child(pid, log, os.pidfd_open(pid))
        except ProcessLookupError:
            return None

    async def close(self) -> None:
        """End the process that forks, and with it everything it started."""
        self._process.kill()
        await self._process.wait()


def tend(starts: Callable[[], bytes] = sys.stdin.buffer.readline) -> None:
    """Fork for every line that asks for it. The children's ends are seen by whoever asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    libc = ctypes.CDLL(None)
    own = os.getpid()
    while line := starts():
        asked = json.loads(line)
        if pid := os.fork():
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
            continue
        libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != own:  # the nursery is gone, and whoever asked for this one
            os._exit(1)
        become(asked)


def become(asked: Mapping[str, object]) -> None:
    """Be the process that was asked for: its files, its environment, its clock; does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(asked["output"]), os.O_WRONLY | os.O_APPEND),
        (2, str(asked["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        os.dup2(os.open(path, flags, 0o600), descriptor)
    arm(environment.get("REACTOR_FAILPOINT", ""))
    skew = asked["skew"]
    if isinstance(skew, int | float) and skew:
        clock = time.time
        time.time = lambda: clock() + skew
    arguments = asked["arguments"]
    assert isinstance(arguments, list)
    main(arguments)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, every: float = 0.05) -> bool:
    """Ask until it holds; False when it has not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every)
    return True


if __name__ == "__main__":
    tend()
