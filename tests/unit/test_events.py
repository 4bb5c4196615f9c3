"""What a payload becomes: every sequence Daytona sends, and a table of payloads nobody should send."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DeliveryRejected
from reactor.events import Event, meaning

SEQUENCES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "data" / "event_sequences.json").read_text()
)
del SEQUENCES["_about"]

ORGANIZATION = "11111111-2222-4333-8444-555555555555"
READY = SEQUENCES["volume_happy_path"][2]


def read(body: bytes, *, id: str = "msg_1", source: str = "daytona") -> Event:
    return Event.from_payload(id=id, source=source, organization=ORGANIZATION, body=body, received=5)


def event(payload: dict[str, Any], **others: str) -> Event:
    return read(json.dumps(payload).encode(), **others)


def test_an_event_is_what_its_payload_says() -> None:
    assert event(READY) == Event(
        id="msg_1",
        source="daytona",
        type="volume.state.updated",
        organization=ORGANIZATION,
        data=READY,
        time=1795307407222,
        received=5,
    )


@pytest.mark.parametrize("payloads", SEQUENCES.values(), ids=SEQUENCES.keys())
def test_every_sequence_daytona_sends_can_be_read(payloads: list[dict[str, Any]]) -> None:
    events = [event(payload) for payload in payloads]

    assert [(e.data, e.type, e.organization) for e in events] == [
        (payload, payload.get("event", ""), ORGANIZATION) for payload in payloads
    ]
    assert [e.time is None for e in events] == ["timestamp" not in payload for payload in payloads]
    assert len({meaning(e, "daytona") for e in events}) == len(events)


REFUSED: dict[str, tuple[str, bytes]] = {
    "an empty body": ("not_json", b""),
    "not JSON": ("not_json", b"event=volume.created"),
    "100,000 levels": ("not_json", b"[" * 100_000),
    "NaN": ("not_json", b'{"size": NaN}'),
    "1e400": ("not_json", b'{"size": 1e400}'),
    "an integer of 5,000 digits": ("not_json", b'{"size": ' + b"9" * 5_000 + b"}"),
    "half a surrogate pair": ("not_json", b'{"name": "\\ud800"}'),
    "utf-16": ("not_json", '{"id": "vol-1"}'.encode("utf-16")),
    "a byte order mark": ("not_json", b'\xef\xbb\xbf{"id": "vol-1"}'),
    "invalid utf-8": ("not_json", b'{"name": "\xff"}'),
    "two documents": ("not_json", b"{}{}"),
    "null": ("not_an_object", b"null"),
    "a number": ("not_an_object", b"1"),
    "a text": ("not_an_object", b'"x"'),
    "a list": ("not_an_object", b"[]"),
    "990 levels of lists": ("too_deep", b'{"a":' + b"[" * 990 + b"]" * 990 + b"}"),
    "65 levels of objects": ("too_deep", b'{"a":' * 65 + b"1" + b"}" * 65),
    "an event that is a number": ("bad_field", b'{"event": 5}'),
    "an id that is a number": ("bad_field", b'{"id": 5}'),
    "an organization that is an object": ("bad_field", b'{"organizationId": {}}'),
    "an organization that is false": ("bad_field", b'{"organizationId": false}'),
}


@pytest.mark.parametrize(("reason", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_a_payload_that_can_not_be_trusted_to_mean_anything_is_refused(reason: str, body: bytes) -> None:
    with pytest.raises(DeliveryRejected) as rejected:
        read(body)

    assert (rejected.value.status, rejected.value.reason) == (400, reason)


HOSTILE_NAME = "\x1b[31m\r\n\x00<script>=cmd()\u202e" + "x" * 10_240

KEPT: dict[str, bytes] = {
    "nothing at all": b"{}",
    "64 levels": b'{"a":' * 64 + b"1" + b"}" * 64,
    "2**63": b'{"size": 9223372036854775808}',
    "350,000 empty objects": b'{"a": [' + b"{}," * 349_999 + b"{}]}",
    "90,000 keys": orjson.dumps({f"k{number}": number for number in range(90_000)}),
    "keys of Python and JavaScript": b'{"__proto__": {}, "__class__": {}, "constructor": "x"}',
    "a state that is an object": b'{"event": "volume.state.updated", "newState": {}}',
    "an unknown type of event": b'{"event": "volume.folded"}',
    "an unknown state": b'{"event": "volume.state.updated", "newState": "folded"}',
    "a state that didn't change": b'{"event": "sandbox.state.updated", "oldState": "started", "newState": "started"}',
    "a NUL in the id": b'{"id": "vol\\u0000"}',
    "an id that looks like a path": b'{"id": "../%2e {*}:"}',
    "a hostile name": orjson.dumps({"name": HOSTILE_NAME}),
    "a hostile type": orjson.dumps({"event": HOSTILE_NAME}),
    "a removed snapshot without id": b'{"event": "snapshot.removed", "name": "s"}',
    "updatedAt in the year 9999": b'{"updatedAt": "9999-12-31T23:59:59Z"}',
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT.keys())
def test_a_strange_payload_is_kept_as_it_is_and_can_be_written_again(body: bytes) -> None:
    strange = read(body)

    assert strange.data == json.loads(body)
    assert orjson.loads(orjson.dumps(strange.data)) == strange.data
    assert len(meaning(strange, "daytona")) == 32


def test_null_counts_as_absent() -> None:
    absent = event({"event": None, "id": None, "organizationId": None, "timestamp": None})

    assert (absent.type, absent.organization, absent.time) == ("", ORGANIZATION, None)


def test_of_a_field_written_twice_the_last_counts_everywhere() -> None:
    twice = read(b'{"event": "a", "event": "b", "organizationId": "x", "organizationId": "y"}')

    assert (twice.type, twice.organization) == (twice.data["event"], twice.data["organizationId"]) == ("b", "y")


TIMES = {
    "2026-11-22T00:30:04.999Z": 1795307404999,
    "2026-11-22T01:30:04.999+01:00": 1795307404999,
    "2026-11-22T00:30:04Z": 1795307404000,
    "2000-01-01T00:00:00.000Z": 946684800000,
    "2099-12-31T23:59:59.999Z": 4102444799999,
    "2100-01-01T00:00:00.000Z": None,
    "1999-12-31T23:59:59.999Z": None,
    "1970-01-01T00:00:00.000Z": None,
    "9999-12-31T23:59:59.999Z": None,
    "9999-12-31T23:59:59.999-23:59": None,
    "0001-01-01T00:00:00.000+23:59": None,
    "2026-11-22T00:30:04.999": None,
    "2026-11-22": None,
    "yesterday": None,
    "": None,
}


@pytest.mark.parametrize(("timestamp", "time"), TIMES.items())
def test_a_time_is_in_milliseconds_or_none_if_it_can_not_be_ordered_by(timestamp: str, time: int | None) -> None:
    assert event({"timestamp": timestamp}).time == time


@pytest.mark.parametrize("timestamp", [1795307404999, 1.5, True, {}, []])
def test_a_timestamp_that_is_no_text_is_no_time(timestamp: object) -> None:
    assert event({"timestamp": timestamp}).time is None


def test_the_same_change_told_twice_means_the_same() -> None:
    again = dict(reversed(READY.items())) | {"timestamp": "2026-11-22T00:31:00.000Z"}

    assert meaning(event(READY, id="msg_1"), "daytona") == meaning(event(again, id="msg_2"), "daytona")


@pytest.mark.parametrize("change", [{"newState": "error"}, {"id": "vol-2"}, {"updatedAt": None}, {"more": 1}])
def test_another_change_means_something_else(change: dict[str, object]) -> None:
    assert meaning(event(READY), "daytona") != meaning(event(READY | change), "daytona")


def test_the_same_of_another_state_table_means_something_else() -> None:
    assert meaning(event(READY), "daytona") != meaning(event(READY), "staging")


def test_two_sources_that_tell_of_one_state_table_mean_the_same() -> None:
    assert meaning(event(READY), "daytona") == meaning(event(READY, id="msg_2", source="staging"), "daytona")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=20,
)


@given(st.binary() | JSON.map(orjson.dumps) | st.dictionaries(st.text(), JSON).map(orjson.dumps))
def test_whatever_the_body_it_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        readable = read(body)
    except DeliveryRejected:
        return

    again = read(orjson.dumps(readable.data), id="msg_2")

    assert meaning(readable, "daytona") == meaning(again, "daytona")
