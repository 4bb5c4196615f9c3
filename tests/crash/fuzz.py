"""What strangers and writers of files may send, at random: refused on purpose or read, never a crash, never for long.

Owns the inputs. A fault is any other exception than the one that says what is wrong.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.errors import ConfigError, DeliveryRejected
from reactor.events import Event, meaning
from reactor.rules.cel import ExpressionError, Scope, Unknown
from reactor.rules.template import template
from reactor.webhook import Source, receive
from reactor.workflows import expressions
from reactor.workflows.load import load_document
from reactor.yaml12.reading import load

KEY = bytes(range(32))
ORGANIZATION = "an-organization"
SOURCE = Source.build("daytona", ORGANIZATION, ["whsec_" + base64.b64encode(KEY).decode()], "either")
SCOPE = Scope({"id": "string", "count": "integer", "tags": "array", "any": ""})
NOW = 1_795_307_404

SLOW = 2.0
"""Seconds that nothing small may take, on a busy machine."""

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
PAYLOADS = st.fixed_dictionaries(
    {}, optional={name: JSON for name in ("event", "id", "name", "timestamp", "organizationId", "newState")}
)
HEADER = st.binary(max_size=80) | st.sampled_from([b"msg_1", b"%d" % NOW, b"v1,", b"v1,AAAA v1,BBBB"])
NAMES = st.sampled_from([b"svix-id", b"svix-timestamp", b"svix-signature", b"webhook-id", b"Svix-Id", b"host"])
YAML = st.text(alphabet="abrulesondomatch:-{}[]&*!|>'\"#,\n\t  0123456789.~\x00\ufeff", max_size=300)
WORDS = """$. $inputs $inputs.x $steps.a.outputs.b $response.body #/a/0 $statusCode event.id event.count data.x size( ) ( [ ]
{ } + - * / == != < > && || ? : 1 0.5 'a' " ${ } in all( exists( matches( x, true null """
EXPRESSIONS = st.lists(st.sampled_from(WORDS.split()) | st.text(max_size=3), max_size=14).map(" ".join)


def _signed(body: bytes) -> list[tuple[bytes, bytes]]:
    mac = hmac.digest(KEY, b"msg_1.%d." % NOW + body, hashlib.sha256)
    return [
        (b"svix-id", b"msg_1"),
        (b"svix-timestamp", b"%d" % NOW),
        (b"svix-signature", b"v1," + base64.b64encode(mac)),
    ]


def _status(receives: Callable[[], object]) -> int:
    """What a delivery is answered."""
    try:
        _quick(receives)
    except DeliveryRejected as refused:
        return refused.status
    return 204


def _quick(act: Callable[[], object]) -> None:
    began = time.perf_counter()
    act()
    assert time.perf_counter() - began < SLOW


def _json(value: object) -> bytes:
    return json.dumps(value).encode(errors="replace")


@given(st.lists(st.tuples(NAMES, HEADER), max_size=8), st.binary(max_size=200))
def strangers_never_get_in(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """What nobody signed."""
    assert _status(lambda: receive(SOURCE, tuple(headers), body, now=NOW)) == 401


@given(PAYLOADS.map(_json) | st.binary(max_size=200))
def signed_bodies_are_read_or_refused(body: bytes) -> None:
    """What the right secret signed."""
    assert _status(lambda: receive(SOURCE, tuple(_signed(body)), body, now=NOW)) in {204, 400, 401, 403}


@given(JSON.map(_json))
def payloads_are_read_or_refused(body: bytes) -> None:
    """Any JSON."""

    def read() -> str:
        return meaning(Event.from_payload(id="a", source="daytona", organization="o", body=body), "a")

    assert _status(read) in {204, 400}


@given(YAML | st.binary(max_size=200))
def files_are_read_or_refused(text: str | bytes) -> None:
    """Anything in a file."""
    for read in (load, load_document):
        with suppress(ConfigError):
            _quick(partial(read, text, "a.yaml"))


@given(EXPRESSIONS, PAYLOADS)
def rules_expressions_have_a_value_or_none(source: str, data: dict[str, object]) -> None:
    """Anything in a rule, for any event."""
    values = SCOPE.values(Event("a", "daytona", "t", "o", data, time=None, received=None))
    with suppress(ExpressionError, Unknown):
        _quick(partial(SCOPE.compile(source).evaluate, values))
    rendered, faults = template({"a": [source, f"x ${{{source}}}"]}, SCOPE)
    if not faults:
        with suppress(Unknown):
            _quick(partial(rendered.render, values))


@given(EXPRESSIONS)
def workflow_expressions_are_read_or_refused(source: str) -> None:
    """Anything in a document."""
    noted: list[object] = []
    for read in (expressions.parse, lambda text: expressions.compile_template({"a": [text]}, noted.append)):
        with suppress(expressions.ExpressionError):
            _quick(partial(read, source))


CHECKS = (
    strangers_never_get_in,
    signed_bodies_are_read_or_refused,
    payloads_are_read_or_refused,
    files_are_read_or_refused,
    rules_expressions_have_a_value_or_none,
    workflow_expressions_are_read_or_refused,
)


def fuzzes(examples: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each name and what to call, with so many examples."""
    bounded = settings(max_examples=examples, deadline=None, database=None)
    for check in CHECKS:
        yield check.__name__, bounded(check)
