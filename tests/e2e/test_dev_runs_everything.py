"""`reactor dev`: everything on this machine until it is told to end, and nothing of it afterwards."""

import os
import shlex
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from e2e.machine import Machine
from e2e.process import Process, descendants, eventually, is_alive
from reactor.embedded import DIES_WITH_PARENT
from reactor.emulator.client import Emulator

ENDS = [(signal.SIGINT, 0), (signal.SIGTERM, 0), *([(signal.SIGKILL, -signal.SIGKILL)] if DIES_WITH_PARENT else [])]
"""Every signal that ends it and its children, with its exit status."""


@pytest.fixture
def dev(machine: Machine) -> Process:
    """`reactor dev` when it has said what to try."""
    process = machine.start(
        "dev", "--data", f"{machine.directory}/dev", "--port=0", "--emulator-port=0", "--time-scale=.02"
    )
    eventually(lambda: "Ctrl-C ends everything" in process.said or process.popen.poll() is not None)
    return process


def test_the_first_of_three_things_to_try_works_as_printed(dev: Process) -> None:
    tries = [line.strip() for line in dev.said.splitlines() if line.startswith("     ")]

    answer = curl(tries[0])

    assert [line.split()[0] for line in tries] == ["curl", "curl", "rq"]
    assert answer.status_code == 200
    with Emulator(tries[1].split()[1].removesuffix("/emulator/calls")) as emulator:
        eventually(lambda: [sandbox["name"] for sandbox in emulator.sandboxes()] == ["sandbox-for-build-1"])


def test_commands_in_another_terminal_work_after_what_is_printed(dev: Process, tmp_path: Path) -> None:
    [line] = [line.strip() for line in dev.said.splitlines() if line.startswith("  . ")]
    environment = {name: os.environ[name] for name in ("PATH",)}
    command = f"{shlex.quote(sys.executable)} -m reactor"

    events, jobs, rules, listed, status = [
        subprocess.run(
            ["/bin/sh", "-c", f"{line} && {command} {words}"],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        for words in ("events ls", "jobs ls", "rules ls", "apis call daytona.listVolumes", "status")
    ]

    assert [each.returncode for each in (events, jobs, rules, listed, status)] == [0, 0, 0, 0, 0], status.stdout
    assert "no job is dead" in jobs.stderr
    assert listed.stdout.startswith("200")


@pytest.mark.parametrize(("number", "expected"), ENDS)
def test_no_child_is_left_however_it_ends(dev: Process, number: int, expected: int) -> None:
    children = descendants(dev.popen.pid)

    dev.signal(number)
    status = dev.wait()

    assert status == expected
    assert len(children) == 4
    eventually(lambda: not [pid for pid in children if is_alive(pid)])
    assert "Traceback" not in dev.log.read_text("utf-8")


def curl(command: str) -> httpx2.Response:
    """Make the request that a curl command makes."""
    _, *words = shlex.split(command)
    options = list(pairwise(words))
    [url] = [word for word in words if word.startswith("http")]
    headers = [value.split(": ") for option, value in options if option == "-H"]
    given = dict(options)
    return httpx2.request(given["-X"], url, headers={name: value for name, value in headers}, content=given["-d"])
