"""What an RQ job may carry: our own call with a row and a number. Whatever else is in Redis is nothing."""

import json
import pickle
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq.serializers import JSONSerializer

from reactor.queue import LARGEST_JOB, PERFORM, Ticket, read_ticket


def packed(data: Any) -> bytes:
    return zlib.compress(json.dumps(data).encode())


def test_what_rq_writes_for_our_job_is_read() -> None:
    written = zlib.compress(JSONSerializer.dumps((PERFORM, None, ("row1", 3), {})))

    assert read_ticket(written) == Ticket("row1", 3)
    assert Ticket("row1", 3).job_id == "row1-3"


@pytest.mark.parametrize(
    "data",
    [
        ["os.system", None, ["echo", 1], {}],
        ["reactor.stock.perform_all", None, ["row1", 0], {}],
        [PERFORM, "instance", ["row1", 0], {}],
        [PERFORM, None, ["row1", 0], {"more": 1}],
        [PERFORM, None, ["row1"], {}],
        [PERFORM, None, ["row1", 0, 1], {}],
        [PERFORM, None, ["row1", "0"], {}],
        [PERFORM, None, ["row1", 0.5], {}],
        [PERFORM, None, ["row1", None], {}],
        [PERFORM, None, [5, 0], {}],
        [PERFORM, None, [["row1"], 0], {}],
        [PERFORM, None, "ab", {}],
        [PERFORM, None, None, {}],
        [PERFORM, None, ["row1", 0]],
        {"function": PERFORM},
        PERFORM,
        None,
        5,
        [],
        "",
    ],
)
def test_any_other_call_is_nothing(data: Any) -> None:
    assert read_ticket(packed(data)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        json.dumps([PERFORM, None, ["row1", 0], {}]).encode(),
        packed([PERFORM, None, ["row1", 0], {}])[:20],
        zlib.compress(b""),
        zlib.compress(b"\xff\xfe"),
        zlib.compress(b"[" * 3000),
        zlib.compress(pickle.dumps((PERFORM, None, ("row1", 0), {}))),
    ],
)
def test_what_is_not_packed_json_is_nothing(data: bytes) -> None:
    assert read_ticket(data) is None


@given(st.binary() | st.binary().map(zlib.compress))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    assert read_ticket(data) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_no_json_makes_it_fail(data: Any) -> None:
    assert read_ticket(packed(data)) is None


def test_a_job_longer_than_ours_can_be_is_nothing() -> None:
    assert read_ticket(packed([PERFORM, None, ["r" * LARGEST_JOB, 0], {}])) is None


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b'["' + b"a" * 100_000_000 + b'"]', 9)
    tracemalloc.start()

    ticket = read_ticket(bomb)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ticket is None
    assert most < 1_000_000
