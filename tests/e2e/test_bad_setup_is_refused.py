"""What is set up wrongly does not start: exit status 1 and one message that says what to do, never a stack trace."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from e2e.machine import CONFIG, Machine

SETTINGS = {
    "no secret": ({"DAYTONA_WEBHOOK_SECRET": ""}, "set one of DAYTONA_WEBHOOK_SECRET"),
    "half a secret": ({"DAYTONA_WEBHOOK_SECRET": "whsec_abc"}, "copy the whole signing secret"),
    "no organization": ({"DAYTONA_ORGANIZATION_ID": ""}, "set DAYTONA_ORGANIZATION_ID"),
    "no configuration": ({"REACTOR_CONFIG": "/nowhere"}, "/nowhere is no directory: set REACTOR_CONFIG"),
    "no Redis named": ({"REACTOR_REDIS_URL": ""}, "REACTOR_REDIS_URL must start with redis://"),
    "no URL": ({"REACTOR_REDIS_URL": "localhost:6379"}, "REACTOR_REDIS_URL must start with redis://"),
    "Redis not there": ({"REACTOR_REDIS_URL": "redis://127.0.0.1:1"}, "REACTOR_REDIS_URL must lead to a running Redis"),
    "no number": ({"REACTOR_PORT": "abc"}, "REACTOR_PORT: found 'abc'"),
    "no such address": ({"REACTOR_HOST": "192.0.2.1"}, "choose another REACTOR_HOST"),
}

FILES = {
    "no sources": ("sources.yaml", None, "sources.yaml: can't be read"),
    "no rule": ("rules/volumes.yaml", "rules:\n  - name: a\n    onn: x\n", "rules/volumes.yaml:3:5"),
    "no YAML": ("rules/volumes.yaml", "rules: [\n", "rules/volumes.yaml:2:1"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return shutil.copytree(CONFIG, tmp_path / "config")


@pytest.fixture
def without_aof(machine: Machine) -> Iterator[None]:
    """The machine's server forgets everything when it restarts."""
    with Redis.from_url(machine.server.url) as redis:
        redis.config_set("appendonly", "no")
        yield
        redis.config_set("appendonly", "yes")


def assert_refused(machine: Machine, remedy: str, **environment: str) -> None:
    ended = machine.run("serve", **{"REACTOR_PORT": "0", **environment})

    assert (ended.returncode, ended.stdout) == (1, "")
    assert remedy in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("Error:") == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("environment", "remedy"), SETTINGS.values(), ids=SETTINGS)
def test_a_bad_setting_is_refused_with_its_remedy(machine: Machine, environment: dict[str, str], remedy: str) -> None:
    assert_refused(machine, remedy, **environment)


@pytest.mark.parametrize(("file", "content", "place"), FILES.values(), ids=FILES)
def test_a_bad_file_is_refused_with_its_place(
    machine: Machine, config: Path, file: str, content: str | None, place: str
) -> None:
    (config / file).unlink()
    if content is not None:
        (config / file).write_text(content, "utf-8")

    assert_refused(machine, place, REACTOR_CONFIG=str(config))


@pytest.mark.usefixtures("without_aof")
def test_a_server_that_forgets_is_refused(machine: Machine) -> None:
    assert_refused(machine, "set `appendonly yes`")


def test_a_port_that_is_taken_is_refused(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert_refused(machine, f"can't listen on 127.0.0.1:{port}", REACTOR_PORT=port)
        assert_refused(machine, "choose another REACTOR_OPERATIONS_HOST", REACTOR_OPERATIONS_PORT=port)
        emulator = machine.run("emulator", "--port", port)

    assert emulator.returncode == 1
    assert "choose another --port" in emulator.stderr
