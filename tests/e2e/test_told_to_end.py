"""SIGTERM: a process ends what it has in hand, takes nothing new, and exits 0."""

import socket
from urllib.parse import urlsplit

from e2e.machine import LEASE, Machine, signed, volume_event
from e2e.process import eventually


def test_a_worker_told_to_end_finishes_the_job_in_hand(machine: Machine) -> None:
    volume = machine.ready_volume()
    worker = machine.start("work")
    with machine.emulator as emulator:
        emulator.faults(create_delay=LEASE + 1)
        event = machine.announce(machine.serve(), volume)
        eventually(lambda: "createSandbox" in emulator.calls())

        status = worker.stop()

        emulator.faults()
    assert status == 0
    assert machine.is_done(event)
    assert len(machine.sandboxes_of(volume)) == 1


def test_a_web_process_told_to_end_answers_what_it_has_begun_to_read(machine: Machine) -> None:
    web = machine.serve()
    address = urlsplit(web.url)
    body = volume_event({"id": "vol-1", "name": "build-1"}, "creating")
    headers = {
        **signed(body, "msg_1"),
        "Host": address.netloc,
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"POST /webhooks/daytona HTTP/1.1\r\n{head}\r\n".encode())
        continued = connection.recv(1024)
        web.popen.terminate()
        eventually(lambda: refuses(web.url))
        connection.sendall(body)
        answer = connection.recv(1024)

    assert continued.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert web.wait() == 0
    assert "msg_1" in [entry.id for entry in machine.entries()]


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    address = urlsplit(url)
    with socket.socket() as connection:
        return connection.connect_ex((address.hostname, address.port)) != 0
