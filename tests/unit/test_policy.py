"""What a reply means: the table of statuses, and what Retry-After asks for."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.apis.openapi import Operation
from reactor.apis.policy import LONGEST_PAUSE, RATE_LIMIT_PAUSE, REFUSED_KEY_PAUSE, Reply, failure, lost, retry_after
from reactor.apis.provider import Provider
from reactor.errors import CallError, GateClosed, PermanentError, TemporaryError, UnknownOutcome

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
PROVIDER = Provider.model_validate(
    {
        "openapi": "x.json",
        "server": "https://api.example.com",
        "repeatable": ["stopThing"],
        "transient": [{"status": 400, "message": "Not Ready"}, {"status": 409}],
    }
)


def operation(method: str = "POST", id: str = "createThing") -> Operation:
    return Operation(id, method, "/things", (), None, {}, deprecated=False, security=())


def failed(status: int, data: Any = None, headers: dict[str, str] | None = None, **of: str) -> CallError:
    return failure(Reply(status, headers or {}, data), operation(**of), PROVIDER, now=NOW)


@pytest.mark.parametrize(
    ("status", "method", "kind"),
    [
        (302, "GET", PermanentError),
        (400, "POST", PermanentError),
        (401, "GET", GateClosed),
        (402, "POST", GateClosed),
        (403, "DELETE", GateClosed),
        (404, "GET", PermanentError),
        (408, "GET", TemporaryError),
        (408, "POST", UnknownOutcome),
        (409, "POST", TemporaryError),
        (422, "POST", PermanentError),
        (429, "POST", GateClosed),
        (500, "PUT", TemporaryError),
        (500, "POST", UnknownOutcome),
        (500, "PATCH", UnknownOutcome),
        (503, "DELETE", TemporaryError),
        (599, "POST", UnknownOutcome),
    ],
)
def test_a_status_and_a_method_decide(status: int, method: str, kind: type[CallError]) -> None:
    error = failed(status, method=method)

    assert type(error) is kind
    assert error.status == status


def test_a_post_that_may_be_repeated_is_tried_again() -> None:
    assert type(failed(500, id="stopThing")) is TemporaryError
    assert type(lost("no reply", operation(id="stopThing"), PROVIDER)) is TemporaryError
    assert type(lost("no reply", operation(), PROVIDER)) is UnknownOutcome


def test_a_refusal_that_passes_by_itself_is_known_by_its_words() -> None:
    transient = failed(400, {"message": "volume is not ready yet"})
    permanent = failed(400, {"message": "name must be a string"})

    assert type(transient) is TemporaryError
    assert type(permanent) is PermanentError


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "no such thing"}, "no such thing"),
        ({"message": ["a", "b"]}, "['a', 'b']"),
        ({"error": "x"}, ""),
        ("<html>", "<html>"),
        (None, ""),
        ([1], "[1]"),
    ],
)
def test_the_error_quotes_the_api(data: Any, said: str) -> None:
    assert str(failed(400, data)) == f"createThing answered 400: {said}"


def test_a_long_message_is_cut() -> None:
    assert len(str(failed(400, {"message": "x" * 10_000}))) < 600


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After-sandbox-create": "12"}, 12.0),
        ({"Retry-After-authenticated": "3", "Retry-After-sandbox-create": "12"}, 12.0),
        ({"Retry-After": "soon", "Retry-After-x": "2"}, 2.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "inf"}, LONGEST_PAUSE),
        ({"Retry-After": "999999"}, LONGEST_PAUSE),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"Retry-After": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sun, 99999999999999999999 Nov 2026 11:00:00 GMT"}, None),
        ({"X-Retry": "5"}, None),
    ],
)
def test_the_longest_pause_that_any_header_asks_for_counts_within_bounds(
    headers: dict[str, str], pause: float | None
) -> None:
    assert retry_after(headers, NOW) == pause


@given(st.text() | st.datetimes().map(format_datetime))
def test_no_retry_after_makes_it_fail_or_wait_beyond_the_bound(value: str) -> None:
    pause = retry_after({"Retry-After": value}, NOW)

    assert pause is None or 0 <= pause <= LONGEST_PAUSE


def test_a_closed_gate_says_for_how_long() -> None:
    limited = failed(429, headers={"Retry-After-sandbox-create": "9"})
    limited_in_silence = failed(429)
    refused = failed(401, headers={"Retry-After": "9"})

    delays = [error.delay for error in (limited, limited_in_silence, refused) if isinstance(error, GateClosed)]
    assert delays == [9.0, RATE_LIMIT_PAUSE, REFUSED_KEY_PAUSE]


def test_a_temporary_error_waits_as_long_as_the_api_asks() -> None:
    asked = failed(503, headers={"Retry-After": "4"}, method="GET")
    silent = failed(503, method="GET")

    assert isinstance(asked, TemporaryError)
    assert asked.delay == 4.0
    assert isinstance(silent, TemporaryError)
    assert silent.delay is None
