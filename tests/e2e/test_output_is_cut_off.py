"""Whoever reads our output may stop reading, and standard input may be closed: no stack trace."""

import subprocess
import sys

from e2e.machine import Machine


def test_142_a_reader_that_goes_away_ends_the_command_quietly(machine: Machine) -> None:
    command = f"'{sys.executable}' -m reactor apis ls daytona | true"

    ended = subprocess.run(["bash", "-c", command], env=machine.environment, capture_output=True, text=True, timeout=60)

    assert "Traceback" not in ended.stderr
    assert "Error" not in ended.stderr


def test_142_a_command_needs_no_standard_input(machine: Machine) -> None:
    command = f"exec '{sys.executable}' -m reactor jobs ls --json <&-"

    ended = subprocess.run(["bash", "-c", command], env=machine.environment, capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stderr) == (0, "")
