"""The terminal session of docs/rules-session.md: each command, run in a shell, prints what is shown. Real processes.

All that it ever waited for was the machine: a `reactor` imports for a second. Those of the shell are forked from one that has.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import orjson
from e2e.loaded import loaded
from e2e.machine import CONFIG, ORGANIZATION, Machine, machine_in
from e2e.process import eventually

DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules-session.md").read_text("utf-8")
EVENT = "msg_2failed"
VARIES = {
    "place in the log": r"\b\d{13}-\d+\b",
    "revision": r"\b[0-9a-f]{12}\b",
    "job": r"\b[0-9a-f]{32}\b",
    "time": r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b",
    "who": r"(?<=by )(uid \d+|\w+) at \S+",
    "machine": r"(?<=  on )\S+",
}
"""What is another one each time. A command of the document is run with the one that stands for it this time."""
TOKEN = re.compile("|".join(VARIES.values()))


class Slack(BaseHTTPRequestHandler):
    """Hears what it is told."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def steps() -> Iterator[tuple[str, str]]:
    """The commands of the document, each with the output that it shows."""
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT, re.S):
        for step in re.findall(r"^\$ (.*?)(?=^\$ |\Z)", block, re.S | re.M):
            command, end, output = step.partition("\nEND\n") if "<<'END'" in step else step.partition("\n")
            yield command + end, output


def at_rest(machine: Machine) -> bool:
    """Whether all is decided, and every job is over."""
    return machine.all_is_decided() and all(job.ended for job in machine.jobs(EVENT))


def failed_volume() -> bytes:
    """The event that nobody heard of."""
    told = {"event": "volume.state.updated", "timestamp": datetime.now(UTC).isoformat(), "organizationId": ORGANIZATION}
    volume = {"id": "vol-7", "name": "data-7", "oldState": "creating", "newState": "error"}
    return orjson.dumps({**told, **volume})


def test_every_command_of_the_session_prints_what_the_document_shows(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("recipes"))
    slack = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    Thread(target=slack.serve_forever, daemon=True).start()
    here = {
        "REACTOR_CONFIG": str(tmp_path / "config"),
        "REACTOR_RELOAD": "0.2",
        "OPS_SLACK_URL": f"json://127.0.0.1:{slack.server_port}/",
    }
    (tmp_path / "machine").mkdir()
    (tmp_path / "bin").mkdir()
    with machine_in(tmp_path / "machine") as machine, loaded(tmp_path / "bin"):
        worker = machine.start("work", **here)
        web = machine.serve(**here)
        worker.ready()
        assert machine.deliver(web, failed_volume(), EVENT) == 204
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        shell = {**machine.environment, **here, "REACTOR_CONFIG": "config", "PATH": path}
        became: dict[str, str] = {}

        for command, shown in steps():
            eventually(lambda: at_rest(machine))
            typed = now(command, became)
            ended = subprocess.run(["bash", "-c", typed], cwd=tmp_path, env=shell, capture_output=True, text=True)
            printed = ended.stdout
            assert TOKEN.sub("…", printed) == TOKEN.sub("…", shown), f"$ {typed}\n{printed}{ended.stderr}"
            became |= dict(zip(tokens(shown), tokens(printed), strict=True))
    slack.shutdown()
    slack.server_close()


def now(command: str, became: Mapping[str, str]) -> str:
    """A command with what its names have become this time."""
    return TOKEN.sub(lambda found: became.get(found[0], found[0]), command)


def tokens(text: str) -> list[str]:
    return [found[0] for found in TOKEN.finditer(text)]
