"""The HTTP API: who may ask, what is answered, and that it says what the command line says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asked import Api, listening
from commands import Commands
from conftest import Opened
from redis import Redis
from stage import append, new_row, planned, volume
from structlog.testing import capture_logs
from test_jobs import dumped, ended, in_every_state

from reactor.http_api.table import ROUTES

INPUTS = {"volumeName": "data", "snapshot": "base"}
RUN = {"workflow": "volume-and-sandbox", "inputs": INPUTS}


@pytest.fixture
async def api(opened: Opened, tmp_path: Path) -> AsyncIterator[Api]:
    async with listening(opened, tmp_path) as api:
        yield api


@pytest.fixture
def cli(opened: Opened) -> Commands:
    return Commands(opened)


def path_of(route: Any) -> str:
    return str(route.path).replace("{run}", "order-17").replace("{job}", "row1")


# --- who may ask


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_no_route_answers_a_stranger(api: Api, redis: Redis, route: Any) -> None:
    before = dumped(redis)

    async with api.client() as nobody, api.client("rct_" + "x" * 43) as stranger:
        answers = [await client.request(route.method, path_of(route), json={}) for client in (nobody, stranger)]

    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [
        (401, "no_token"),
        (401, "unknown_token"),
    ]
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert dumped(redis) == before


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method != "GET"], ids=lambda r: f"{r.method} {r.path}")
async def test_who_may_read_changes_nothing(api: Api, redis: Redis, route: Any) -> None:
    before = dumped(redis)

    answer = await api.ask(route.method, path_of(route), "read", json={})

    assert (answer.status_code, answer.json()["reason"]) == (403, "role_too_small")
    assert dumped(redis) == before


def test_every_route_that_changes_something_needs_the_role_for_it() -> None:
    assert {route.role for route in ROUTES if route.method != "GET"} == {"operate"}
    assert {route.role for route in ROUTES if route.method == "GET"} == {"read"}


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Basic {}")],
        [("Authorization", "Bearer{}")],
        [("Authorization", "{}")],
        [("Authorization", "Bearer {} {}")],
        [("Authorization", "Bearer {}"), ("Authorization", "Bearer {}")],
        [("X-Token", "{}")],
        [("Cookie", "token={}")],
    ],
    ids=str,
)
async def test_a_token_in_another_form_is_none(api: Api, headers: list[tuple[str, str]]) -> None:
    sent = [(name, value.replace("{}", api.tokens["operate"])) for name, value in headers]

    async with api.client() as http:
        answer = await http.get("/runs", headers=sent)

    assert (answer.status_code, answer.json()["reason"]) == (401, "no_token")


async def test_without_any_token_configured_the_api_answers_nobody_and_probes_answer(api: Api) -> None:
    api.parts.tokens.path.unlink()

    answer = await api.ask("GET", "/runs")
    async with api.client() as http:
        probed = [(await http.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")]

    assert (answer.status_code, answer.json()["reason"]) == (403, "no_token_configured")
    assert "reactor tokens new" in answer.json()["detail"]
    assert probed == [200, 200, 200]


async def test_a_broken_tokens_file_lets_nobody_in_and_says_nothing_of_itself(api: Api) -> None:
    api.parts.tokens.path.write_text("tokens: [secret-word", "utf-8")

    answer = await api.ask("GET", "/runs")

    assert (answer.status_code, answer.json()["reason"]) == (503, "tokens_unreadable")
    assert "secret-word" not in answer.text


async def test_a_token_that_is_taken_out_counts_no_more(api: Api) -> None:
    assert (await api.ask("GET", "/runs")).status_code == 200
    lines = api.parts.tokens.path.read_text("utf-8").splitlines()

    api.parts.tokens.path.write_text("\n".join(line for line in lines if "operate" not in line), "utf-8")

    assert (await api.ask("GET", "/runs", "operate")).status_code == 401
    assert (await api.ask("GET", "/runs", "read")).status_code == 200


async def test_no_token_is_logged(api: Api) -> None:
    with capture_logs() as logs:
        await api.ask("POST", "/runs", json=RUN)
        await api.ask("POST", "/runs/gone/cancel", "read")
        async with api.client("rct_canary") as http:
            await http.get("/runs")

    assert {line["event"] for line in logs} >= {"request performed", "request refused"}
    assert any(line.get("by") == "token operater" for line in logs)
    assert not any(token in str(logs) for token in (*api.tokens.values(), "rct_canary"))


# --- runs


async def test_a_run_is_begun_once_by_its_key(api: Api) -> None:
    answers = [await api.ask("POST", "/runs", json=RUN, headers={"Idempotency-Key": "order-17"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await api.ask("GET", "/runs", "read")).json()) == 1


async def test_many_at_once_with_one_key_begin_one_run(api: Api) -> None:
    asked = (api.ask("POST", "/runs", json=RUN, headers={"Idempotency-Key": "order-17"}) for _ in range(20))

    answers = await asyncio.gather(*asked)

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_without_a_key_each_request_begins_a_run(api: Api) -> None:
    ids = {(await api.ask("POST", "/runs", json=RUN)).json()["id"] for _ in range(3)}

    assert len(ids) == 3


async def test_a_key_that_began_something_else_is_refused(api: Api) -> None:
    key = {"Idempotency-Key": "order-17"}
    await api.ask("POST", "/runs", json=RUN, headers=key)

    answer = await api.ask("POST", "/runs", json={**RUN, "inputs": {**INPUTS, "volumeName": "other"}}, headers=key)

    assert (answer.status_code, answer.json()["reason"]) == (409, "not_possible")


async def test_a_run_is_shown_as_the_command_line_shows_it(api: Api, cli: Commands) -> None:
    begun = (await api.ask("POST", "/runs", json=RUN)).json()

    shown = (await api.ask("GET", f"/runs/{begun['id']}", "read")).json()

    assert shown == await asyncio.to_thread(cli.json, "runs", "show", begun["id"])
    assert [shown] == (await api.ask("GET", "/runs?limit=1", "read")).json()


async def test_a_run_is_cancelled_by_name(api: Api) -> None:
    begun = (await api.ask("POST", "/runs", json=RUN)).json()

    cancelled = await api.ask("POST", f"/runs/{begun['id']}/cancel")
    again = await api.ask("POST", f"/runs/{begun['id']}/cancel")

    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["because"] == "cancelled by token operater"
    assert again.status_code == 200


# --- jobs


async def test_jobs_are_listed_as_the_command_line_lists_them(api: Api, opened: Opened, cli: Commands) -> None:
    await in_every_state(opened)

    for query, words in (
        ("", []),
        ("?state=dead", ["--dead"]),
        ("?state=due&api=daytona", ["--due", "--api", "daytona"]),
    ):
        answered = (await api.ask("GET", f"/jobs{query}", "read")).json()
        assert answered == await asyncio.to_thread(cli.json, "jobs", "ls", *words)
        assert answered


async def test_a_job_is_shown_as_the_command_line_shows_it(api: Api, opened: Opened, cli: Commands) -> None:
    appended = await append(opened, volume("ready"))
    await planned(opened, new_row(body={}), entry=appended.entry)
    await ended(opened, "row1", "unknown")

    shown = (await api.ask("GET", "/jobs/row1", "read")).json()

    assert shown["remedy"]
    assert shown == await asyncio.to_thread(cli.json, "jobs", "show", "row1")


async def test_a_job_is_retried_and_cancelled_and_who_did_it_is_kept(api: Api, opened: Opened) -> None:
    await in_every_state(opened)

    retried = await api.ask("POST", "/jobs/dead/retry")
    cancelled = await api.ask("POST", "/jobs/unknown/cancel")

    assert (retried.json()["state"], cancelled.json()["state"]) == ("due", "cancelled")
    [note] = (await api.ask("GET", "/jobs/dead", "read")).json()["audit"]
    assert (note["by"], note["did"]) == ("token operater", "retry")


# --- pauses


async def test_what_the_api_pauses_the_command_line_shows_and_resumes(api: Api, cli: Commands) -> None:
    begun = await api.ask("POST", "/pause", json={"api": "daytona", "reason": "incident 42", "for": 3600})
    shown = (await api.ask("GET", "/pauses", "read")).json()
    listed = await asyncio.to_thread(cli.json, "pause", "ls")
    async with api.client() as http:
        ready = (await http.get("/readyz")).json()
    left = await asyncio.to_thread(cli.json, "resume", "--api", "daytona")

    assert begun.json() == shown == listed
    assert [(each["scope"], each["by"], each["reason"]) for each in shown] == [
        ("api:daytona", "token operater", "incident 42")
    ]
    assert (ready["ready"], ready["paused"]) == (True, ["api:daytona"])
    assert left == (await api.ask("GET", "/pauses", "read")).json() == []


# --- refusals

SLIPS = {
    "no such run": ("GET", "/runs/gone", {}, 404, "not_found"),
    "no such job": ("POST", "/jobs/gone/retry", {}, 404, "not_found"),
    "no such document": ("POST", "/runs", {"json": {"workflow": "volume-and-sandbx"}}, 404, "not_found"),
    "no such path": ("GET", "/runs/", {}, 404, "unknown_path"),
    "another method": ("DELETE", "/runs", {}, 405, "wrong_method"),
    "an input is missing": ("POST", "/runs", {"json": {"workflow": "volume-and-sandbox"}}, 422, "not_acceptable"),
    "no such workflow": ("POST", "/runs", {"json": {**RUN, "workflowId": "x"}}, 422, "not_acceptable"),
    "inputs are a list": ("POST", "/runs", {"json": {**RUN, "inputs": []}}, 400, "bad_field"),
    "no workflow": ("POST", "/runs", {"json": {}}, 400, "bad_field"),
    "an unknown field": ("POST", "/runs", {"json": {**RUN, "input": {}}}, 400, "unknown_field"),
    "no JSON": ("POST", "/runs", {"content": b"{"}, 400, "not_json"),
    "no object": ("POST", "/runs", {"content": b"[]"}, 400, "not_an_object"),
    "not UTF-8": ("POST", "/runs", {"content": b'"\xff"'}, 400, "not_json"),
    "deep": ("POST", "/runs", {"content": b"[" * 100_000}, 400, "not_json"),
    "too large": ("POST", "/runs", {"content": b" " * 300_000}, 413, "body_too_large"),
    "packed": ("POST", "/runs", {"content": b"x", "headers": {"Content-Encoding": "gzip"}}, 415, "encoded_body"),
    "an empty key": ("POST", "/runs", {"json": RUN, "headers": {"Idempotency-Key": ""}}, 400, "bad_key"),
    "an endless key": ("POST", "/runs", {"json": RUN, "headers": {"Idempotency-Key": "x" * 257}}, 400, "bad_key"),
    "an unknown parameter": ("GET", "/jobs?status=dead", {}, 400, "unknown_parameter"),
    "a parameter twice": ("GET", "/jobs?limit=1&limit=2", {}, 400, "repeated_parameter"),
    "no number": ("GET", "/runs?limit=ten", {}, 400, "bad_parameter"),
    "too many": ("GET", "/runs?limit=1001", {}, 400, "bad_parameter"),
    "a number without end": ("GET", f"/runs?limit={'0' * 5000}", {}, 400, "bad_parameter"),
    "a place in other digits": ("GET", "/events/%D9%A1-%D9%A1", {}, 404, "not_found"),
    "no time": ("GET", "/jobs?since=1h", {}, 400, "bad_parameter"),
    "no state": ("GET", "/jobs?state=lost", {}, 400, "bad_parameter"),
    "an API that is not there": ("POST", "/pause", {"json": {"api": "daytoma"}}, 404, "not_found"),
    "an API and a rule": ("POST", "/pause", {"json": {"api": "daytona", "rule": "x"}}, 400, "bad_field"),
    "a negative time": ("POST", "/pause", {"json": {"for": -1}}, 400, "bad_field"),
    "a true time": ("POST", "/pause", {"json": {"for": True}}, 400, "bad_field"),
    "an endless reason": ("POST", "/pause", {"json": {"reason": "x" * 501}}, 400, "bad_field"),
    "a path that is no text": ("GET", "/jobs/%ff%00", {}, 404, "not_found"),
}


@pytest.mark.parametrize(("method", "path", "others", "status", "reason"), SLIPS.values(), ids=SLIPS)
async def test_a_slip_is_refused_with_its_reason_and_writes_nothing(
    api: Api, redis: Redis, method: str, path: str, others: dict[str, Any], status: int, reason: str
) -> None:
    before = dumped(redis)

    answer = await api.ask(method, path, **others)

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.json()["detail"]
    assert dumped(redis) == before


async def test_while_redis_can_not_write_the_caller_is_asked_to_come_again(api: Api, redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        answer = await api.ask("POST", "/runs", json=RUN)
    finally:
        redis.config_set("maxmemory", 0)

    assert (answer.status_code, answer.json()["reason"], answer.headers["retry-after"]) == (
        503,
        "store_unavailable",
        "5",
    )
