"""The processes run under the users that `reactor acl` prints; those users may do nothing else."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from e2e.machine import Machine
from e2e.process import eventually
from e2e.users import ROLES, refused, users_of
from reactor.tokens import new_token


@pytest.fixture
def admin(machine: Machine) -> Iterator[Redis]:
    with Redis.from_url(machine.server.url) as redis:
        yield redis


@pytest.fixture
def users(machine: Machine, admin: Redis) -> dict[str, str]:
    """The URL of each user, made from the printed line."""
    return users_of(machine, admin)


def test_an_event_becomes_a_sandbox_and_no_process_is_refused_anything(
    machine: Machine, admin: Redis, users: dict[str, str]
) -> None:
    with machine.ending_what_starts():
        web = machine.serve("--no-dispatch", REACTOR_REDIS_URL=users["web"])
        others = [machine.start(what, REACTOR_REDIS_URL=users[what]) for what in ("dispatch", "work")]
        for process in (web, *others):
            process.ready()

        volume = machine.ready_volume()
        machine.announce(web, volume)
        eventually(lambda: machine.sandboxes_of(volume) or refused(admin))
        assert refused(admin) == []
        shown = machine.run("jobs", "ls", "--json", REACTOR_REDIS_URL=users["read"])
        status = machine.run("status", REACTOR_REDIS_URL=users["read"])
        ended = [process.stop() for process in (web, *others)]

    assert shown.returncode == 0, shown.stderr
    assert (status.returncode, status.stderr) == (0, ""), status.stdout
    assert ended == [0, 0, 0]
    assert refused(admin) == []


def test_what_no_webhook_told_becomes_an_event_under_the_worker_s_user(
    machine: Machine, admin: Redis, users: dict[str, str]
) -> None:
    with machine.ending_what_starts():
        for what in ("dispatch", "work"):
            machine.start(what, REACTOR_REDIS_URL=users[what], REACTOR_RECONCILE="0.5").ready()
        eventually(lambda: admin.hexists("reactor:reconciled", "daytona"))

        volume = machine.ready_volume()
        eventually(lambda: machine.sandboxes_of(volume) or refused(admin))

        assert refused(admin) == []
        told = [entry for entry in machine.entries() if volume["id"].encode() in entry.body]
        assert {entry.origin for entry in told} == {"reconcile"}


def test_the_api_of_a_web_process_shows_but_changes_nothing_under_its_user(
    machine: Machine, users: dict[str, str], tmp_path: Path
) -> None:
    token, digest = new_token()
    (tmp_path / "tokens.yaml").write_text(f"tokens:\n  kim: {{role: operate, sha256: {digest}}}\n", "utf-8")
    options = {"REACTOR_TOKENS": str(tmp_path / "tokens.yaml")}
    web = machine.serve("--no-dispatch", REACTOR_REDIS_URL=users["web"], **options)
    dispatcher = machine.serve(REACTOR_REDIS_URL=users["dispatch"], **options)
    at = {"web": web.operations_url, "dispatch": dispatcher.operations_url}
    headers = {"authorization": f"Bearer {token}"}

    shown = httpx2.get(f"{at['web']}/pauses", headers=headers).status_code
    paused = {
        who: httpx2.post(f"{url}/pause", headers=headers, json={"reason": "x"}).status_code for who, url in at.items()
    }

    assert shown == 200
    assert paused == {"web": 503, "dispatch": 200}
    assert httpx2.post(f"{at['dispatch']}/resume", headers=headers, json={}).status_code == 200


FORBIDDEN: dict[str, tuple[str, ...]] = {
    "flush": ("FLUSHALL",),
    "configure": ("CONFIG", "SET", "appendonly", "no"),
    "shut down": ("SHUTDOWN", "NOSAVE"),
    "look at every key": ("KEYS", "*"),
    "run a script of its own text": ("EVAL", "return 1", "0"),
    "read another instance's key": ("GET", "other:schema"),
    "write another instance's key": ("SET", "other:schema", "9"),
    "follow another primary": ("REPLICAOF", "127.0.0.1", "1"),
    "make a user": ("ACL", "SETUSER", "eve", "on"),
    "listen": ("MONITOR",),
    "look at clients": ("CLIENT", "LIST"),
    "end clients": ("CLIENT", "KILL", "TYPE", "normal"),
}
BY_ROLE: dict[str, dict[str, tuple[str, ...]]] = {
    "web": {"write a row": ("HSET", "reactor:row:x", "state", "due"), "enqueue": ("RPUSH", "rq:queue:reactor", "x")},
    "work": {
        "take an event": ("XREADGROUP", "GROUP", "dispatch", "eve", "STREAMS", "reactor:log", ">"),
        "trim the log": ("XTRIM", "reactor:log", "MAXLEN", "0"),
    },
    "read": {"write": ("SET", "reactor:schema", "9"), "take a job": ("LPOP", "rq:queue:reactor")},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_user_may_do_nothing_else(users: dict[str, str], role: str) -> None:
    with Redis.from_url(users[role]) as redis:
        for command in (FORBIDDEN | BY_ROLE.get(role, {})).values():
            with pytest.raises(NoPermissionError):
                redis.execute_command(*command)


def test_without_a_password_nobody_can_log_in(machine: Machine) -> None:
    lines = machine.run("acl").stdout.splitlines()

    assert [line.split()[1] for line in lines] == [f"reactor-{role}" for role in ROLES]
    assert {line.split()[3] for line in lines} == {"off"}


def test_a_password_that_is_too_short_is_refused(machine: Machine) -> None:
    ended = machine.run("acl", "--role", "web", "--password-stdin", stdin="short\n")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "fewer than 16 characters" in ended.stderr
