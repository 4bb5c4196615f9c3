"""Failpoints stop a real process where they are armed, and are nothing where they are not."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import reactor
from reactor.failpoints import NAMES

PASS_TWICE = """
from reactor.failpoints import failpoint
failpoint("web.after_verify")
print("once", flush=True)
failpoint("web.after_verify")
print("twice", flush=True)
"""


def started(setting: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "REACTOR_FAILPOINT": setting}
    return subprocess.Popen(
        [sys.executable, "-c", PASS_TWICE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(setting: str) -> tuple[int, str, str]:
    with started(setting) as process:
        output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("setting", "code", "output"),
    [
        ("", 0, "once\ntwice\n"),
        ("web.after_record", 0, "once\ntwice\n"),
        ("web.after_verify", -signal.SIGKILL, ""),
        ("web.after_verify:kill", -signal.SIGKILL, ""),
        ("web.after_verify@1:kill", -signal.SIGKILL, ""),
        ("web.after_verify@2", -signal.SIGKILL, "once\n"),
        ("web.after_verify@3:kill", 0, "once\ntwice\n"),
    ],
)
def test_a_process_ends_at_the_point_that_is_armed(setting: str, code: int, output: str) -> None:
    assert ended(setting)[:2] == (code, output)


def test_a_paused_process_goes_on_when_told_and_stops_only_once() -> None:
    with started("web.after_verify:pause") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=30)

    assert (process.returncode, output) == (0, "once\ntwice\n")


def test_a_process_may_be_paused_every_time() -> None:
    with started("web.after_verify@*:pause") as process:
        for _ in range(2):
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=30)

    assert (process.returncode, output) == (0, "once\ntwice\n")


def test_an_unknown_point_is_refused_with_the_names_there_are() -> None:
    code, output, errors = ended("web.after_verfy")

    assert (code, output) == (1, "")
    assert "REACTOR_FAILPOINT names 'web.after_verfy'; the points are: dispatch.after_enqueue, " in errors


def test_every_point_that_is_passed_has_a_name_and_every_name_is_passed() -> None:
    sources = [path.read_text() for path in Path(reactor.__file__ or "").parent.rglob("*.py")]

    assert {name for source in sources for name in re.findall(r'\bfailpoint\("([^"]+)"\)', source)} == NAMES
