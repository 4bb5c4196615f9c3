"""The command line as tests use it: at the test's server, with the shipped configuration, in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

import orjson
from conftest import CONFIG, Opened


@dataclass(frozen=True)
class Commands:
    """Runs `reactor` with the words it is called with."""

    opened: Opened
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, **environment: str) -> "CompletedProcess[str]":
        given = {"REACTOR_REDIS_URL": self.opened.settings.redis_url, "REACTOR_CONFIG": str(CONFIG)}
        return subprocess.run(
            [sys.executable, "-m", "reactor", *words],
            env={**os.environ, **given, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def json(self, *words: str) -> Any:
        """The JSON value that a command prints."""
        ended = self(*words, "--json")
        assert ended.returncode == 0, ended.stderr
        return orjson.loads(ended.stdout)

    def completed(self, words: str) -> list[str]:
        """What a shell offers for the last of these words."""
        said = self(
            _REACTOR_COMPLETE="bash_complete", COMP_WORDS=f"reactor {words}", COMP_CWORD=str(len(words.split()))
        )
        return said.stdout.split()
