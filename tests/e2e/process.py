"""One `reactor` process of a test: what it says, and every way to end it. Also looking at processes from outside."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

PATIENCE = 20.0
"""Seconds to wait for what should come at once, on a machine that is busy with something else."""

LAST_LINES = 60

T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Look again and again until there is something to see, and return it."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {seconds:g} s"
        time.sleep(0.02)
    return seen


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does; "" if it is gone."""
    shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True)
    return shown.stdout.strip()[:1]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended, but was not asked for its status yet, does not."""
    return state_of(pid) not in {"", "Z"}


def descendants(pid: int) -> set[int]:
    """The children of a process, and theirs."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    unseen = [pid]
    while unseen:
        below = children.get(unseen.pop(), [])
        unseen += below
        found.update(below)
    return found


@dataclass(frozen=True)
class Process:
    """A command that runs, with its output and its log in files."""

    popen: "subprocess.Popen[bytes]"
    output: Path
    log: Path

    @property
    def said(self) -> str:
        """Everything it has printed."""
        return self.output.read_text("utf-8")

    @property
    def url(self) -> str:
        """The address at the end of its first line, "… listens on URL"; waits for it."""
        return self.ready().rpartition(" ")[2]

    @property
    def operations_url(self) -> str:
        """The address at the end of its second line, "probes, figures and the API on URL"; waits for it."""
        return self._line(2).rpartition(" ")[2]

    def ready(self) -> str:
        """Wait for its first line, and return it."""
        return self._line(1)

    def _line(self, number: int) -> str:
        def line() -> str:
            lines = self.said.splitlines(keepends=True)
            whole = len(lines) >= number and lines[number - 1].endswith("\n")
            assert whole or self.popen.poll() is None, f"it ended early: {self.log.read_text('utf-8')}"
            return lines[number - 1].rstrip() if whole else ""

        return eventually(line)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Its exit status; if a signal ended it, minus that signal's number."""
        return self.popen.wait(PATIENCE)

    def stop(self) -> int:
        """End it in order; returns its exit status."""
        self.popen.terminate()
        return self.wait()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def wait_until_paused(self) -> None:
        """Wait for the SIGSTOP that it sends itself at a failpoint."""

        def is_paused() -> bool:
            assert self.popen.poll() is None, "it ended instead"
            return state_of(self.popen.pid) == "T"

        eventually(is_paused)

    def last_words(self) -> tuple[str, str]:
        """A title and the end of its log, for the report of a failed test."""
        lines = self.log.read_text("utf-8").splitlines()[-LAST_LINES:]
        return f"{self.log.name} (exit status {self.popen.poll()})", "\n".join(lines)
