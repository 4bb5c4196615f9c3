"""A `reactor` for a shell that costs a fork where the real one costs a second of imports: real processes all the same.

`loaded(place)` puts a command of that name into a directory. It passes its arguments, files and environment to a process
that has loaded the program, which forks and becomes it. Run as a module, this is that process.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from e2e.process import eventually
from reactor.cli import COMMANDS, main
from reactor.embedded import bound_to_parent

ASKED = 1 << 20
"""Bytes that a command's arguments and environment have at most."""

COMMAND = """#!{python} -IS
import json, os, socket, sys
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as there:
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, {asked})
    there.connect({address!r})
    socket.send_fds(there, [asked], [0, 1, 2])
    sys.exit(int(there.recv(10)))
"""


@contextmanager
def loaded(place: Path) -> Iterator[None]:
    """The command, as long as the context lasts."""
    address = place / "loaded.sock"
    command = place / "reactor"
    command.write_text(COMMAND.format(python=sys.executable, address=str(address), asked=ASKED))
    command.chmod(0o755)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        bound_to_parent([sys.executable, "-m", "e2e.loaded", str(address)]), env={**os.environ, "PYTHONPATH": path}
    ) as process:
        eventually(address.exists)
        yield
        process.kill()


def serve(address: str) -> None:
    """Become each command that is asked for, one after the other."""
    for module in set(COMMANDS.values()):
        import_module(f"reactor.cli.{module}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        os.rename(f"{address}.new", address)
        while True:
            client, _ = listener.accept()
            with client:
                asked, files, _, _ = socket.recv_fds(client, ASKED, 3)
                if not (pid := os.fork()):
                    become(asked, files)
                for file in files:
                    os.close(file)
                _, status = os.waitpid(pid, 0)
                client.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(asked: bytes, files: list[int]) -> None:
    """Be a command: its files, its place, its environment; does not return."""
    arguments, place, environment = json.loads(asked)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    main(arguments)


if __name__ == "__main__":
    serve(sys.argv[1])
