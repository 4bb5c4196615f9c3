"""The processes of a whole reactor on one machine, for `reactor demo` and `reactor dev`: real ones, as in production.

Owns starting, watching and ending them. A child never outlives this process (on Linux), however that ends.
"""

import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reactor.config import load_config
from reactor.embedded import EmbeddedServer, bound_to_parent
from reactor.emulator import EmulatorSettings
from reactor.emulator.client import Emulator
from reactor.errors import ReactorError
from reactor.settings import Settings, load_settings

PROBE = 30.0
"""Seconds between looks at what no event tells, where states last as long as they do; shorter ones are looked at sooner."""

GRACE = 15.0
"""Seconds the children have to end after SIGTERM."""

LOG_TAIL = 20

Child = subprocess.Popen[str]


@dataclass(frozen=True)
class Fleet:
    """The embedded server, the emulator, `reactor serve` and a `reactor work` for each queue, wired to each other."""

    server: EmbeddedServer
    emulator_url: str
    web_url: str
    operations_url: str
    environment: Mapping[str, str]
    children: Mapping[str, Child]
    log: Path

    @property
    def settings(self) -> Settings:
        """The settings by which this process finds the same data and configuration as the children."""
        return load_settings(redis_url=self.server.url, config=Path(self.environment["REACTOR_CONFIG"]))

    def check(self) -> None:
        """Raise ReactorError, with the end of the log, if one of them ended by itself."""
        if not self.server.running:
            raise ReactorError(f"the embedded server ended by itself; its log is {self.server.log}")
        for name, child in self.children.items():
            if child.poll() is not None:
                raise _ended(name, child, self.log)


@dataclass
class FleetPlan:
    """What to start. `directory` keeps the data and, unless `log` is given, the children's logs.

    With `web_port` 0, every listener takes a free port. `probe` is in seconds; unsaid, it is as short as the time scale makes
    everything else.
    """

    directory: Path
    config: Path
    time_scale: float = 1.0
    web_port: int = 0
    emulator_port: int = 0
    log: IO[str] | None = None
    probe: float | None = None
    secret: str = field(default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())

    def start(self, stack: ExitStack) -> Fleet:
        """Start everything, to be ended by `stack`, also when this process gets SIGTERM. Raises ReactorError."""
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _interrupt))
        server = stack.enter_context(EmbeddedServer.start(self.directory / "valkey"))
        path = self.directory / "reactor.log"
        log = self.log or stack.enter_context(path.open("a"))
        environment = self._environment(server.url)
        children: dict[str, Child] = {}
        stack.callback(_end, children.values())

        children["emulator"] = _spawn(self._emulator(), environment, log)
        emulator_url = _address("emulator", children["emulator"], path)
        environment["DAYTONA_API_URL"] = f"{emulator_url}/api"
        environment["DAYTONA_TOOLBOX_URL"] = emulator_url
        environment["RUNLOOP_API_URL"] = f"{emulator_url}/runloop"
        children["serve"] = _spawn(("serve", "--port", str(self.web_port)), environment, log)
        children["work"] = _spawn(("work",), environment, log)
        elsewhere = {**environment, "REACTOR_OPERATIONS_PORT": "0"}  # where the first worker listens there is no room
        for queue in load_config(self.config).queues:
            children[f"work {queue}"] = _spawn(("work", "--queue", queue), elsewhere, log)
        web_url = _address("serve", children["serve"], path)
        operations_url = _address("serve", children["serve"], path)
        for name in children:
            if name.startswith("work"):
                _next_line(name, children[name], path)
        with Emulator(emulator_url) as emulator:
            emulator.deliver_to(f"{web_url}/webhooks/daytona", self.secret)
        return Fleet(server, emulator_url, web_url, operations_url, environment, children, path)

    def _environment(self, redis_url: str) -> dict[str, str]:
        return {
            "REACTOR_PROBE": str(self.probe or min(PROBE, max(1.0, PROBE * self.time_scale))),
            **os.environ,
            "REACTOR_REDIS_URL": redis_url,
            "REACTOR_CONFIG": str(self.config),
            **({} if self.web_port else {"REACTOR_OPERATIONS_PORT": "0", "REACTOR_RECONCILE": "0"}),
            "REACTOR_PRIVATE_NETWORKS": "127.0.0.0/8",
            "DAYTONA_API_KEY": EmulatorSettings().api_key,
            "RUNLOOP_API_KEY": EmulatorSettings().runloop_api_key,
            "DAYTONA_ORGANIZATION_ID": EmulatorSettings().organization_id,
            "DAYTONA_WEBHOOK_SECRET": self.secret,
        }

    def _emulator(self) -> Sequence[str]:
        apis = ("--apis", str(self.config / "apis"))
        return ("emulator", "--port", str(self.emulator_port), "--time-scale", str(self.time_scale), *apis)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _spawn(arguments: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> Child:
    return subprocess.Popen(  # noqa: S603  # our own program
        bound_to_parent([sys.executable, "-m", "reactor", *arguments]),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C is for us: we end the children in order
    )


def _address(name: str, child: Child, log: Path) -> str:
    """The URL that ends the next line, as in "… listens on URL"."""
    return _next_line(name, child, log).rpartition(" ")[2]


def _next_line(name: str, child: Child, log: Path) -> str:
    """A process that is ready says so, line by line; one that ends instead has said why in its log."""
    if child.stdout is None:
        raise ReactorError(f"{name} has no output")
    line = child.stdout.readline().strip()
    if not line:
        child.wait(GRACE)
        raise _ended(name, child, log)
    return line


def _ended(name: str, child: Child, log: Path) -> ReactorError:
    said = log.read_text("utf-8").splitlines()[-LOG_TAIL:] if log.exists() else ["(its log is above)"]
    return ReactorError("\n".join([f"{name} ended (exit status {child.returncode}):", *said]))


def _end(children: Iterable[Child]) -> None:
    """End all at once: none of them needs another to end, and what is left half done is taken up at the next start."""
    deadline = time.monotonic() + GRACE
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
