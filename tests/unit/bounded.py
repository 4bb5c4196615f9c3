"""Checks configuration directories in processes of limited time and memory: one line in, one line of JSON out.

Everything is imported once; each directory is read in a fork of its own, whose limits count from there.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from reactor.config import inspect

SECONDS = 1
"""Of CPU: the machine may be busy with something else."""

MEMORY = 200 * 1024 * 1024


def _size() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _checked(directory: str) -> dict[str, Any]:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_size() + MEMORY, _size() + MEMORY))
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = inspect(Path(directory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "problems": [str(problem) for problem in found.problems if problem.severity == "error"],
        "seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "kilobytes": used.ru_maxrss,
    }


def main() -> None:
    """Answer until the input ends."""
    inspect(Path(sys.argv[1]))  # what every process has in memory anyway
    for line in sys.stdin:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writing, json.dumps(_checked(line.strip())).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            said = answer.read().decode()
        _, status = os.waitpid(child, 0)
        ended = {"ended": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(ended | (json.loads(said) if said else {})) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
