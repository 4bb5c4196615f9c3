"""Bad inputs 1-55 and 79-106, sent to a real `reactor serve` that also decides.

None of them gets a 5xx, ends the process, leaves a row, or writes a secret or a stack trace into the log.
"""

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from conftest import SECRET
from deliveries import BODIES, ODD, PARSER, SIGNATURES, STRANGER, Accepted, Delivery, Refused, payload
from redis import Redis
from stage import eventually, iso, now_ms
from web import OLD_SECRET, Web, serving, traces

from reactor.embedded import EmbeddedServer
from reactor.store.keys import Keys

pytestmark = pytest.mark.every_server

KEYS = Keys("reactor")
SECRETS = (SECRET[6:], OLD_SECRET[6:], STRANGER.decode())


@pytest.fixture(scope="module")
def redis(server: EmbeddedServer) -> Iterator[Redis]:
    with Redis.from_url(server.url, decode_responses=True) as redis:
        redis.flushall()
        yield redis


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(server.url, tmp_path_factory.mktemp("bad"), dispatch=True, REACTOR_BODY_TIMEOUT="10") as web:
        yield web


@pytest.fixture(autouse=True)
def _unharmed(web: Web) -> Iterator[None]:
    yield
    os.kill(web.pid, 0)
    logged = web.log.read_text("utf-8")
    assert [canary for canary in (*SECRETS, "Traceback", '"event": "event faulty"') if canary in logged] == []
    for line in logged.splitlines():
        assert isinstance(orjson.loads(line), dict)
        assert line.isprintable()


SENT = 512 * 1024
"""Bytes of a request that are sent: more than we read of one that is too large, and is refused by what it declares."""


async def send(web: Web, delivery: Delivery, number: str) -> tuple[int, str]:
    """Send a delivery; returns the status and our reason, if it has one."""
    request = delivery.request(number, int(time.time()))
    answer = await web.exchange(request if len(request) < SENT else request[:8192])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)["reason"] if body.startswith(b"{") else PARSER


def kept(redis: Redis) -> dict[str, int]:
    """How much of everything is stored."""
    kinds = [key.split(":")[1] for key in traces(redis) if key.startswith("reactor:")]
    return {"log": int(redis.xlen(KEYS.log)), **{kind: kinds.count(kind) for kind in sorted(set(kinds) - {"log"})}}


@pytest.mark.parametrize("name", SIGNATURES | BODIES)
async def test_a_bad_delivery_is_refused_with_its_reason_and_leaves_nothing(web: Web, redis: Redis, name: str) -> None:
    case: Refused = (SIGNATURES | BODIES)[name]
    before = kept(redis)

    answer = await send(web, case.delivery, name.split()[0])

    assert answer in case.answers
    assert kept(redis) == before


async def decided(redis: Redis, event_id: str) -> dict[str, Any]:
    """Wait until an event was decided on; returns its verdict and plan."""

    async def plan() -> Any:
        entry = redis.get(KEYS.seen("daytona", event_id))
        found: Any = redis.hgetall(KEYS.event(str(entry)))
        return found if "plan" in found else None

    found: dict[str, str] = await eventually(plan)
    return {**orjson.loads(found["verdict"]), "rows": orjson.loads(found["plan"])["rows"]}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_delivery_is_kept_and_decided_on_and_nothing_follows(web: Web, redis: Redis, name: str) -> None:
    case: Accepted = ODD[name]
    number = re.sub(r"\W+", "-", name)

    status, _ = await send(web, case.signed(), number)

    assert status == 204
    assert (await decided(redis, f"bad-{number}"))["rows"] == []
    assert redis.zcard(KEYS.aside) == 0
    assert [row for row in redis.scan_iter(KEYS.row("*")) if redis.hget(row, "event") == f"bad-{number}"] == []


async def test_48_and_49_a_delivery_again_and_again_is_one_event(web: Web, redis: Redis) -> None:
    again = Delivery(id=b"bad-48")
    later = Delivery(id=b"bad-48", age=200)
    before = redis.xlen(KEYS.log)

    answers = [await send(web, delivery, "48") for delivery in [again] * 100 + [later]]

    assert {status for status, _ in answers} == {204}
    assert int(redis.xlen(KEYS.log)) == int(before) + 1


def transition(volume: str, to: str, ago: int = 0, **fields: Any) -> bytes:
    """A change of a volume that the shipped rule is about."""
    about = {"id": volume, "name": f"build-{volume}", "timestamp": iso(now_ms() - ago), "updatedAt": iso(1)}
    return payload(**about, newState=to, **fields)


async def told(web: Web, redis: Redis, number: str, *bodies: bytes) -> list[tuple[str, int]]:
    """Deliver one after the other; returns each verdict and how many rows followed."""
    found = []
    for place, body in enumerate(bodies):
        event_id = f"bad-{number}-{place}"
        assert (await send(web, Delivery(body=body, id=event_id.encode()), number))[0] == 204
        outcome = await decided(redis, event_id)
        found.append((outcome["verdict"], len(outcome["rows"])))
    return found


async def test_103_one_change_under_two_ids_fires_once(web: Web, redis: Redis) -> None:
    body = transition("vol-103", "ready")

    assert await told(web, redis, "103", body, body) == [("fresh", 1), ("repeat", 0)]


async def test_104_ready_before_created_fires_once(web: Web, redis: Redis) -> None:
    created = transition("vol-104", "creating", ago=1000, event="volume.created", state="creating")

    assert await told(web, redis, "104", transition("vol-104", "ready"), created) == [("fresh", 1), ("fresh", 0)]


async def test_105_three_states_at_one_time_end_in_the_same_state(web: Web, redis: Redis) -> None:
    at = iso(now_ms())
    bodies = [payload(id="vol-105", name="data-105", timestamp=at, newState=s) for s in ("ready", "error", "ready")]

    verdicts = await told(web, redis, "105", *bodies)

    assert [rows for _, rows in verdicts] == [0, 0, 0]
    assert verdicts[2][0] == "repeat"
    assert redis.hget(KEYS.resource("daytona", "volume", "vol-105"), "state") == "ready"


async def test_106_a_state_after_the_end_fires_nothing(web: Web, redis: Redis) -> None:
    ended, late = transition("vol-106", "deleted", ago=1000), transition("vol-106", "ready")

    assert await told(web, redis, "106", ended, late) == [("fresh", 0), ("stale", 0)]
