"""The processes of a whole reactor on one machine, for `reactor demo` and `reactor dev`: real ones, as in production.

Owns starting, watching and ending them. A child never outlives this process (on Linux), however that ends.
"""

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reactor.embedded import EmbeddedServer, bound_to_parent
from reactor.emulator import EmulatorSettings
from reactor.emulator.client import Emulator
from reactor.errors import ReactorError

GRACE = 15.0
"""Seconds a child has to end after SIGTERM."""

LOG_TAIL = 20


@dataclass
class Fleet:
    """The embedded server, the emulator, `reactor serve` and `reactor work`, wired to each other."""

    server: EmbeddedServer
    emulator_url: str
    web_url: str
    environment: Mapping[str, str]
    processes: Mapping[str, "subprocess.Popen[str]"]

    log: Path

    def check(self) -> None:
        """Raise ReactorError, with the end of the log, if one of them ended by itself."""
        if not self.server.running:
            raise ReactorError(f"the embedded server ended by itself; its log is {self.server.log}")
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise _ended(name, process, self.log)


@dataclass
class FleetPlan:
    """What to start. `directory` keeps the data and, unless `log` is given, the children's logs."""

    directory: Path
    config: Path
    time_scale: float = 1.0
    web_port: int = 0
    emulator_port: int = 0
    log: IO[str] | None = None
    secret: str = field(default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())

    def start(self, stack: ExitStack) -> Fleet:
        """Start everything, to be ended by `stack` in the reverse order. Raises ReactorError."""
        server = stack.enter_context(EmbeddedServer.start(self.directory / "valkey"))
        log = self.log or stack.enter_context((self.directory / "reactor.log").open("a"))
        environment = self._environment(server.url)
        processes: dict[str, subprocess.Popen[str]] = {}

        def start(name: str, *arguments: str) -> str:
            process = processes[name] = _spawn(arguments, environment, log)
            stack.callback(_end, process)
            return _first_line(name, process, self.directory / "reactor.log")

        emulator_url = start("emulator", "emulator", *self._emulator_options()).rpartition(" ")[2]
        environment["DAYTONA_API_URL"] = f"{emulator_url}/api"
        web_url = start("serve", "serve", "--port", str(self.web_port)).rpartition(" ")[2]
        start("work", "work")
        with Emulator(emulator_url) as emulator:
            emulator.deliver_to(f"{web_url}/webhooks/daytona", self.secret)
        return Fleet(server, emulator_url, web_url, environment, processes, self.directory / "reactor.log")

    def _environment(self, redis_url: str) -> dict[str, str]:
        return {
            **os.environ,
            "REACTOR_REDIS_URL": redis_url,
            "REACTOR_CONFIG": str(self.config),
            "DAYTONA_API_KEY": EmulatorSettings().api_key,
            "DAYTONA_ORGANIZATION_ID": EmulatorSettings().organization_id,
            "DAYTONA_WEBHOOK_SECRET": self.secret,
        }

    def _emulator_options(self) -> Sequence[str]:
        return ("--port", str(self.emulator_port), "--time-scale", str(self.time_scale))


def _spawn(arguments: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  # our own program
        bound_to_parent([sys.executable, "-m", "reactor", *arguments]),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C is for us: we end the children in order
    )


def _first_line(name: str, process: "subprocess.Popen[str]", log: Path) -> str:
    """A process that is ready says so in one line; one that ends instead has said why in its log."""
    if process.stdout is None:
        raise ReactorError(f"{name} has no output")
    line = process.stdout.readline().strip()
    if not line:
        process.wait(GRACE)
        raise _ended(name, process, log)
    return line


def _ended(name: str, process: "subprocess.Popen[str]", log: Path) -> ReactorError:
    said = log.read_text("utf-8").splitlines()[-LOG_TAIL:] if log.exists() else ["(its log is above)"]
    return ReactorError("\n".join([f"{name} ended (exit status {process.returncode}):", *said]))


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
