"""The data becomes a newer reactor's while processes of this one run: they end by themselves, at once, and say so."""

import pytest
from redis import Redis

from e2e.machine import Machine
from e2e.process import Process, eventually
from reactor.store.keys import SCHEMA, Keys

KEYS = Keys("reactor")


@pytest.fixture
def work_in_hand(machine: Machine) -> str:
    """A volume's event whose job waits for an API that takes its time; returns the row's key."""
    machine.start("work", REACTOR_RELOAD="0.2").ready()
    volume = machine.ready_volume()
    with machine.emulator as emulator, Redis.from_url(machine.server.url) as redis:
        emulator.faults(create_delay=30.0)
        machine.announce(machine.serve("--no-dispatch", REACTOR_RELOAD="0.2"), volume)
        machine.start("dispatch", REACTOR_RELOAD="0.2").ready()
        eventually(lambda: "createSandbox" in emulator.calls())
        [row] = [key.decode() for key in redis.keys(KEYS.row("*"))]
    return str(row)


def test_processes_touch_nothing_once_the_data_is_a_newer_reactors(machine: Machine, work_in_hand: str) -> None:
    processes: list[Process] = machine.processes[-3:]

    with Redis.from_url(machine.server.url, decode_responses=True) as redis:
        redis.set(KEYS.schema, SCHEMA + 1)
        ended = [process.wait() for process in processes]
        row, layout = redis.hgetall(work_in_hand), redis.get(KEYS.schema)

    assert ended == [1, 1, 1]
    for process in processes:
        log = process.log.read_text("utf-8")
        assert f"has layout {SCHEMA + 1}, this reactor knows {SCHEMA}: run the newer reactor" in log
        assert "Traceback" not in log
    assert (row["state"], layout) == ("running", str(SCHEMA + 1))
