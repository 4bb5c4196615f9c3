"""Deliveries over real HTTP: the good ones are recorded, the bad ones refused with a reason and without a trace."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from conftest import ORGANIZATION, SECRET, Opened
from redis import Redis
from stage import eventually, signed, volume
from web import BODY_TIMEOUT, OLD_SECRET, Web, serving, traces

from reactor.embedded import EmbeddedServer

STRANGER = "whsec_" + "bm90LXRoZS1zZWNyZXQtb2YtdGhlLXRlc3RzLTI0IQ=="
PATH = "/webhooks/daytona"


@pytest.fixture(scope="module")
def web(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(server.url, tmp_path_factory.mktemp("web")) as web:
        yield web


def body(**others: Any) -> bytes:
    return json.dumps(volume("ready", **others)).encode()


async def deliver(web: Web, content: bytes, headers: dict[str, str], path: str = PATH) -> httpx2.Response:
    async with web.client() as http:
        return await http.post(path, content=content, headers=headers)


def reason(answer: httpx2.Response) -> str:
    said: str = answer.json()["reason"]
    return said


async def test_a_good_delivery_is_recorded(web: Web, opened: Opened) -> None:
    content = body()

    answer = await deliver(web, content, signed(content))

    [entry] = await opened.store.log.entries()
    assert (answer.status_code, answer.content) == (204, b"")
    assert (entry.source, entry.id, entry.organization, entry.body) == ("daytona", "msg_1", ORGANIZATION, content)


async def test_a_delivery_made_again_is_answered_alike_and_recorded_once(web: Web, opened: Opened) -> None:
    content = body()
    before = await web.deliveries()

    answers = [await deliver(web, content, signed(content, at=time.time() + n)) for n in (0, 1, 2)]

    after = await web.deliveries()
    assert {answer.status_code for answer in answers} == {204}
    assert await opened.store.log.length() == 1
    assert after["daytona duplicate"] - before.get("daytona duplicate", 0) == 2


async def test_a_hundred_copies_at_once_make_one_event(web: Web, opened: Opened) -> None:
    content = body()
    headers = signed(content)

    async with web.client() as http:
        answers = await asyncio.gather(*(http.post(PATH, content=content, headers=headers) for _ in range(100)))

    assert {answer.status_code for answer in answers} == {204}
    assert await opened.store.log.length() == 1


async def test_a_rotated_secret_is_believed_too(web: Web, opened: Opened) -> None:
    content = body()

    assert (await deliver(web, content, signed(content, secret=OLD_SECRET))).status_code == 204


GOOD_BODIES = {
    "an unknown event type": body(event="moon.phase"),
    "no event type": json.dumps({"id": "x", "organizationId": ORGANIZATION}).encode(),
    "no organization": json.dumps({"event": "volume.created", "id": "x"}).encode(),
    "an unknown state": body() + b" ",
    "control characters": body(name="\x1b[31m\r\n<script>=cmd()\u202e" + "x" * 10_000),
    "key characters in the id": body(id="../%2e *:{}\u0000"),
    "a year nobody meant": body(updatedAt="9999-12-31T23:59:59Z"),
    "prototype pollution": body(__proto__={}, __class__={}),
    "a big number": body(size=2**63),
    "many keys": json.dumps({"event": "x", **{str(n): n for n in range(10_000)}}).encode(),
    "just within the limit": b'{"event": "x", "pad": "%b"}' % (b"x" * (256 * 1024 - 25)),
}


@pytest.mark.parametrize("content", GOOD_BODIES.values(), ids=GOOD_BODIES)
async def test_a_payload_is_taken_as_it_is(web: Web, opened: Opened, content: bytes) -> None:
    assert (await deliver(web, content, signed(content))).status_code == 204
    assert [entry.body for entry in await opened.store.log.entries()] == [content]


def refused_headers() -> dict[str, tuple[int, str, bytes, dict[str, str]]]:
    content, now = body(), time.time()
    good = signed(content)
    foreign = body(organizationId="99999999-2222-4333-8444-555555555555")
    return {
        "nothing": (401, "missing_header", content, {}),
        "no id": (401, "missing_header", content, {k: v for k, v in good.items() if k != "svix-id"}),
        "webhook- names": (401, "missing_header", content, {k.replace("svix", "webhook"): v for k, v in good.items()}),
        "both families": (401, "mixed_headers", content, good | {"webhook-id": "msg_2"}),
        "an id with a dot": (401, "bad_id", content, signed(content, id="msg.1")),
        "an endless id": (401, "bad_id", content, signed(content, id="x" * 257)),
        "milliseconds": (401, "bad_timestamp", content, good | {"svix-timestamp": str(int(now * 1000))}),
        "an old time": (401, "too_old", content, signed(content, at=now - 400)),
        "a coming time": (401, "too_new", content, signed(content, at=now + 400)),
        "no signature": (401, "bad_signature_header", content, good | {"svix-signature": "v1,"}),
        "too many": (401, "bad_signature_header", content, good | {"svix-signature": " ".join(["v1a,x"] * 17)}),
        "a stranger's secret": (401, "no_match", content, signed(content, secret=STRANGER)),
        "another body": (401, "no_match", content + b"\n", good),
        "another id": (401, "no_match", content, good | {"svix-id": "msg_2"}),
        "another organization": (403, "wrong_organization", foreign, signed(foreign)),
        "no JSON": (400, "not_json", b"event=x", signed(b"event=x")),
        "nothing at all": (400, "not_json", b"", signed(b"")),
        "a list": (400, "not_an_object", b"[]", signed(b"[]")),
        "too deep": (400, "too_deep", b'{"a":' * 65 + b"1" + b"}" * 65, signed(b'{"a":' * 65 + b"1" + b"}" * 65)),
        "a number for an id": (400, "bad_field", b'{"id": 5}', signed(b'{"id": 5}')),
        "packed": (415, "encoded_body", content, good | {"content-encoding": "gzip"}),
        "too large": (413, "body_too_large", b"x" * (256 * 1024 + 1), good),
    }


@pytest.mark.parametrize("case", refused_headers())
async def test_what_can_not_be_believed_is_refused_counted_and_leaves_no_trace(
    web: Web, redis: Redis, case: str
) -> None:
    status, why, content, headers = refused_headers()[case]
    before = await web.deliveries()

    answer = await deliver(web, content, headers)

    after = await web.deliveries()
    assert (answer.status_code, reason(answer)) == (status, why)
    assert after[f"daytona {why}"] - before.get(f"daytona {why}", 0) == 1
    assert traces(redis) == []


async def test_an_unknown_source_is_refused_under_a_name_that_strangers_can_not_choose(web: Web, redis: Redis) -> None:
    content = body()

    for name in ("nobody", "x" * 1000, "%00", "daytona%20"):
        answer = await deliver(web, content, signed(content), f"/webhooks/{name}")
        assert (answer.status_code, reason(answer)) == (404, "unknown_source")

    assert {name.split()[0] for name in await web.deliveries()} <= {"daytona", "(unknown)"}
    assert traces(redis) == []


@pytest.mark.parametrize("path", ["/webhooks/daytona/", "//webhooks/daytona", "/webhooks/", "/webhooks", "/"])
async def test_another_path_is_not_found_and_not_redirected(web: Web, path: str) -> None:
    content = body()
    answer = await deliver(web, content, signed(content), f"{web.url}{path}")
    assert (answer.status_code, reason(answer)) == (404, "unknown_path")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
async def test_another_method_is_not_allowed(web: Web, method: str) -> None:
    async with web.client() as http:
        assert (await http.request(method, PATH)).status_code == 405


async def test_the_content_type_does_not_matter_as_the_body_is_signed(web: Web, opened: Opened) -> None:
    content = body()

    answer = await deliver(web, content, signed(content) | {"content-type": "text/plain"})

    assert answer.status_code == 204


async def test_no_secret_signature_or_payload_is_in_the_logs(web: Web, opened: Opened) -> None:
    content = body(name="canary-in-the-payload")
    good = signed(content)
    await deliver(web, content, good | {"authorization": "Bearer canary-in-a-header"})
    await deliver(web, content, signed(content, secret=STRANGER))
    await deliver(web, content + b" ", good)

    async def are_logged() -> bool:
        return "no_match" in web.log.read_text() and "event recorded" in web.log.read_text()

    await eventually(are_logged)
    logged = web.log.read_text()
    for canary in (SECRET[6:], OLD_SECRET[6:], STRANGER[6:], good["svix-signature"][3:], "canary-in"):
        assert canary not in logged
    assert all(json.loads(line) for line in logged.splitlines())


async def test_while_redis_can_not_write_a_delivery_is_to_be_made_again(web: Web, opened: Opened, redis: Redis) -> None:
    content = body()
    redis.config_set("maxmemory", 1)
    try:
        refused = await deliver(web, content, signed(content))
        async with web.operations() as http:
            alive, ready, figures = [await http.get(path) for path in ("/livez", "/readyz", "/metrics")]
    finally:
        redis.config_set("maxmemory", 0)
    again = await deliver(web, content, signed(content))

    assert (refused.status_code, reason(refused), refused.headers["retry-after"]) == (503, "store_unavailable", "5")
    assert (alive.status_code, ready.status_code, figures.status_code) == (200, 503, 200)
    assert 'reactor_deliveries_total{outcome="unavailable",source="daytona"}' in figures.text
    assert again.status_code == 204
    assert await opened.store.log.length() == 1


@pytest.mark.parametrize(("option", "unfit"), [("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")])
async def test_a_server_that_became_unfit_is_not_ready(web: Web, redis: Redis, option: str, unfit: str) -> None:
    before: Any = redis.config_get(option)[option]
    redis.config_set(option, unfit)
    try:
        async with web.operations() as http:
            answer = await http.get("/readyz")
    finally:
        redis.config_set(option, before)

    assert answer.status_code == 503
    assert option in answer.json()["error"]


async def test_a_fit_process_is_ready_and_says_on_what(web: Web, opened: Opened) -> None:
    async with web.operations() as http:
        answer = await http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ready"]
    assert answer.json()["server"].split()[0] in ("valkey", "redis")


async def test_a_slow_body_is_cut_off(web: Web, redis: Redis) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    began = time.monotonic()

    answer = await web.exchange(head + b"{")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"reason":"body_too_slow"' in answer
    assert BODY_TIMEOUT <= time.monotonic() - began < BODY_TIMEOUT + 5
    assert traces(redis) == []


async def test_while_redis_is_gone_the_process_lives_and_recovers(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("gone")
    content = body()
    with EmbeddedServer.start(directory / "valkey") as own, serving(own.url, directory) as web:
        own.stop()

        refused = await deliver(web, content, signed(content))
        async with web.operations() as http:
            statuses = {path: (await http.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")}
        own.restart()
        again = await deliver(web, content, signed(content))

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert statuses == {"/livez": 200, "/readyz": 503, "/metrics": 200}
    assert again.status_code == 204
