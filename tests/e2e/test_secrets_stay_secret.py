"""No secret is in any key, log, probe, figure or answer, whatever was done with it and whatever failed."""

import base64
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import orjson
import pytest
from redis import Redis
from standardwebhooks import Webhook

from e2e.machine import CONFIG, Machine, signed, volume_event
from e2e.process import Process, eventually
from e2e.volume_run import start_run
from reactor.emulator.client import Emulator
from reactor.http_api.table import ROUTES
from reactor.tokens import hash_of, new_token

SECRETS = {
    "the password of Redis": "canary-redis-5f1d0c9ba2",
    "the key of the API": "dtn_canary_8c1f77aa02",
    "the signing secret": "whsec_Y2FuYXJ5LXNpZ25pbmctc2VjcmV0LTI0LWJ5dGVz",
    "the signing secret before it": "whsec_Y2FuYXJ5LXJldGlyZWQtc2VjcmV0LTI0LWJ5dGVz",
    "the address of a target": "canary-target-90b2",
    "the password of a target that is gone": "canary-mail-77aa",
    "a token that may read": new_token()[0],
    "a token that may operate": new_token()[0],
    "a token of a stranger": "rct_canary-stranger-0123456789",
}
PASSWORD, KEY, SIGNING, RETIRED, TARGET, GONE, READ, OPERATE, STRANGER = SECRETS.values()

RULES = """rules:
  - name: sandbox
    on: volume.state.updated
    match: {newState: ready}
    do:
      - call: daytona.createSandbox
        body: {name: "for-${event.name}", snapshot: build-base, volumes: [{volumeId: "${event.id}", mountPath: /data}]}
  - name: tell
    on: volume.state.updated
    match: {newState: ready}
    do: [{notify: ops-slack, title: a volume, text: "${event.name} is ready"}]
  - name: tell-in-vain
    on: volume.state.updated
    match: {newState: ready}
    do: [{notify: ops-mail, title: a volume, text: "${event.name} is ready"}]
"""

SPOILED = ('{"target": "ops-slack"}', '{"target": "ops-slack", "title": {"a": 1}, "text": 7}', '{"target": 5}', "[]")
"""What no rule makes of `notify`: the handler is faulty with a secret in its hands, and the log has a stack trace."""


class Ear(BaseHTTPRequestHandler):
    """Hears what is told."""

    heard: list[str]

    def do_POST(self) -> None:
        """Note it and say thanks."""
        self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def heard(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What a target was told; with everything that is secret in force on the machine."""
    told: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Ears", (Ear,), {"heard": told}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    environment = shared_machine.environment
    environment |= {
        "REACTOR_CONFIG": str(configuration(tmp_path_factory.mktemp("config") / "config")),
        "REACTOR_REDIS_URL": shared_machine.server.url.replace("unix://", f"unix://canary:{PASSWORD}@"),
        "REACTOR_LOG_LEVEL": "debug",
        "REACTOR_PROBE": "1",
        "DAYTONA_API_KEY": KEY,
        "DAYTONA_WEBHOOK_SECRET": SIGNING,
        "DAYTONA_WEBHOOK_SECRET_OLD": RETIRED,
        "OPS_SLACK_URL": f"json://127.0.0.1:{server.server_port}/{TARGET}",
        "OPS_MAIL_URL": f"json://somebody:{GONE}@127.0.0.1:1/{TARGET}",
    }
    with Redis.from_url(shared_machine.server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "canary", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def configuration(directory: Path) -> Path:
    """The shipped one with other rules, and the hashes of two tokens."""
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("*.test.yaml"))
    (directory / "rules" / "volumes.yaml").write_text(RULES, "utf-8")
    holders = {"reader": ("read", READ), "operator": ("operate", OPERATE)}
    lines = [f"  {name}: {{role: {role}, sha256: {hash_of(token)}}}" for name, (role, token) in holders.items()]
    (directory / "tokens.yaml").write_text("\n".join(["tokens:", *lines]), "utf-8")
    return directory


def forms(secret: str) -> set[bytes]:
    """A secret as it may be written: as it is, in a URL, in a header, and its bytes."""
    bare = secret.removeprefix("whsec_")
    texts = {secret, bare, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
    raw = {base64.b64decode(bare)} if bare != secret else set()
    return {text.encode() for text in texts} | raw


def leaks(places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which secret is where."""
    return [
        (what, where)
        for where, content in places.items()
        for what, secret in SECRETS.items()
        if any(form in content for form in forms(secret))
    ]


READERS: dict[bytes, Callable[[Redis, bytes], Any]] = {
    b"none": lambda redis, key: b"",  # it was there a moment ago
    b"string": lambda redis, key: redis.get(key),
    b"hash": lambda redis, key: redis.hgetall(key),
    b"set": lambda redis, key: redis.smembers(key),
    b"list": lambda redis, key: redis.lrange(key, 0, -1),
    b"zset": lambda redis, key: redis.zrange(key, 0, -1, withscores=True),
    b"stream": lambda redis, key: redis.xrange(key),
}


def texts(value: Any) -> Iterator[bytes]:
    """Every text of a value, also what RQ has packed."""
    if isinstance(value, bytes):
        yield value
        with suppress(zlib.error):
            yield zlib.decompress(value)
    elif isinstance(value, dict):
        for pair in value.items():
            yield from texts(pair)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from texts(each)


def keyspace(machine: Machine) -> dict[str, bytes]:
    """All keys with their values; and the append-only file, which has each command that ever wrote one."""
    with Redis.from_url(machine.server.url) as redis:
        keys: Any = redis.keys("*")
        kept = {str(key): b"\n".join(texts([key, READERS[redis.type(key)](redis, key)])) for key in keys}
    return kept | {path.name: path.read_bytes() for path in (machine.server.directory / "appendonlydir").iterdir()}


def logs(machine: Machine) -> dict[str, bytes]:
    """What all processes have said."""
    files = [path for path in machine.directory.iterdir() if path.suffix in {".out", ".log"}]
    return {path.name: path.read_bytes() for path in files if "emulator" not in path.name}


def deliver(web: Process, volume: dict[str, Any], secret: str) -> int:
    """Announce a volume, signed with this secret, by somebody who sends a token along."""
    body, event_id = volume_event(volume, "ready"), f"msg_{uuid4().hex}"
    headers = signed(body, event_id)
    sent = float(headers["svix-timestamp"])
    headers["svix-signature"] = Webhook(secret).sign(event_id, datetime.fromtimestamp(sent, UTC), body.decode())
    headers |= {"authorization": f"Bearer {STRANGER}", "x-api-key": KEY}
    return httpx2.post(f"{web.url}/webhooks/daytona", content=body, headers=headers).status_code


def answers(process: Process, **ids: str) -> dict[str, bytes]:
    """Everything that one can read at a process, with each token and with none; and what changes nothing to speak of."""
    gone = dict.fromkeys(("run", "job", "event"), "gone") | ids
    found: dict[str, bytes] = {}
    with httpx2.Client(base_url=process.operations_url, timeout=30) as http:
        for path in ("/livez", "/readyz", "/metrics"):
            found[path] = http.get(path).content
        for token in (READ, OPERATE, STRANGER):
            for route in ROUTES:
                path, headers = route.path.format(**gone), {"authorization": f"Bearer {token}"}
                body = {"reason": "a look"} if route.method == "POST" and "paus" in path else None
                if route.method == "GET" or body:
                    answer = http.request(route.method, path, headers=headers, json=body)
                    found[f"{route.method} {path} {token[:6]}"] = answer.content + str(answer.headers).encode()
    return found


def test_no_secret_is_where_it_does_not_belong(shared_machine: Machine, heard: list[str]) -> None:
    machine = shared_machine
    web = machine.serve(REACTOR_LOG_FORMAT="json")
    others = [
        machine.serve("--no-dispatch", REACTOR_LOG_FORMAT="human"),
        machine.start("work", REACTOR_LOG_FORMAT="human"),
        machine.start("work", REACTOR_LOG_FORMAT="json"),
        machine.start("dispatch", REACTOR_LOG_FORMAT="human"),
    ]
    for process in (web, *others):
        process.ready()
    volume, other, third = (machine.ready_volume() for _ in range(3))

    # What works: a call, a notification, a run; with either signing secret, and not with a stranger's.
    with machine.emulator as emulator:
        emulator.accept_keys(daytona=KEY)
    assert [deliver(web, volume, SIGNING), deliver(others[0], other, RETIRED)] == [204, 204]
    assert deliver(web, volume, "whsec_c3RyYW5nZXItc2VjcmV0LTI0LWJ5dGVzLi4u") == 401
    run = start_run(machine)
    eventually(lambda: made(machine) >= {f"for-{volume['name']}", f"for-{other['name']}"})
    eventually(lambda: heard)
    eventually(lambda: run.status() == "succeeded")

    # What fails: a target that is gone, handlers that are faulty, an API that refuses the key, a server that refuses us.
    spoil(machine)
    eventually(lambda: sum(content.count(b"Traceback") for content in logs(machine).values()) >= 1)
    with machine.emulator as emulator:
        emulator.accept_keys(daytona="another")
    assert deliver(web, third, SIGNING) == 204
    eventually(lambda: any(b"401" in content for content in logs(machine).values()))
    refused = machine.run("work", REACTOR_REDIS_URL=machine.environment["REACTOR_REDIS_URL"] + "x&y=:z")
    listed = [
        machine.run(*words) for words in (("jobs", "ls", "--json"), ("runs", "show", run.volume_name), ("apis", "ls"))
    ]
    event = orjson.loads(machine.run("events", "ls", "--json").stdout)[0]["id"]
    asked = {
        f"{process.log.name} {path}": content
        for process in (web, *others)
        for path, content in answers(process, run=run.volume_name, event=event).items()
    }

    said = {f"cli {number}": (ended.stdout + ended.stderr).encode() for number, ended in enumerate([refused, *listed])}
    places = (keyspace(machine), asked, logs(machine), said)
    assert all(any(b"msg_" in content for content in place.values()) for place in places), "it looks where things are"
    assert heard[0].startswith(f"/{TARGET}")
    assert [leak for place in places for leak in leaks(place)] == []


def made(machine: Machine) -> set[str]:
    """The names of all sandboxes."""
    with Emulator(machine.environment["DAYTONA_API_URL"].removesuffix("/api"), api_key=KEY) as emulator:
        return {sandbox["name"] for sandbox in emulator.sandboxes()}


def spoil(machine: Machine) -> None:
    """Make rows due of which their handler can make nothing."""
    with Redis.from_url(machine.server.url) as redis:
        source = next(redis.scan_iter("reactor:row:*"))
        row: Any = redis.hgetall(source)
        for number, what in enumerate(SPOILED):
            spoiled = {**row, b"action": b"notify", b"what": what, b"state": b"due", b"rule": b"tell", b"api": b""}
            redis.hset(f"reactor:row:spoiled{number}", mapping=spoiled)
            redis.zadd("reactor:due", {f"spoiled{number}": 1})
