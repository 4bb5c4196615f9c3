"""Bad inputs 1-55 and 79-106: deliveries that are forged, stale, malformed or odd, as data.

Each has its number and a name, and is made at the moment it is sent, because a signature has a time.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from typing import Any

from conftest import ORGANIZATION, SECRET

KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
STRANGER = b"the key of somebody else"
RETIRED = b"a key that was valid once"
OTHER_ORGANIZATION = "99999999-2222-4333-8444-555555555555"

GOOD = json.dumps(
    {
        "event": "volume.state.updated",
        "id": "vol-bad",
        "name": "data",
        "organizationId": ORGANIZATION,
        "oldState": "creating",
        "newState": "ready",
    }
).encode()


@dataclass(frozen=True)
class Delivery:
    """A delivery whose parts may be wrong. `%b` in the signature stands for what `key` makes of the other parts."""

    body: bytes = GOOD
    id: bytes = b""
    """Empty: one of its own."""
    age: int = 0
    timestamp: bytes | None = None
    key: bytes = KEY
    signature: bytes = b"v1,%b"
    sent_body: bytes | None = None
    family: bytes = b"svix-"
    without: tuple[bytes, ...] = ()
    extra: tuple[tuple[bytes, bytes], ...] = ()

    def request(self, number: str, now: int) -> bytes:
        """The bytes of the HTTP request."""
        event_id = self.id or b"bad-" + number.encode()
        timestamp = b"%d" % (now - self.age) if self.timestamp is None else self.timestamp
        mac = hmac.digest(self.key, b"%b.%b.%b" % (event_id, timestamp, self.body), hashlib.sha256)
        signature = self.signature.replace(b"%b", base64.b64encode(mac))
        parts = {b"id": event_id, b"timestamp": timestamp, b"signature": signature}
        body = self.body if self.sent_body is None else self.sent_body
        headers = [(self.family + part, value) for part, value in parts.items() if part not in self.without]
        headers += [*self.extra, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"POST /webhooks/daytona HTTP/1.1\r\nhost: reactor\r\n" + lines + b"\r\n" + body


WRONG = b"v1," + base64.b64encode(bytes(32))
PARSER = "the HTTP parser"
"""Refused before there is a request: 400, without a reason of ours."""


TOO_LARGE = "head_too_large"


@dataclass(frozen=True)
class Refused:
    """A delivery that is refused: nothing of it may be stored."""

    delivery: Delivery
    status: int
    reason: str

    @property
    def answers(self) -> set[tuple[int, str]]:
        """Status and reason. A head that is too large is the parser's to refuse or ours, by how its bytes arrive."""
        own = (self.status, self.reason)
        return {own, (400, PARSER)} if self.reason == TOO_LARGE else {own}


def unbelieved(reason: str, delivery: Delivery) -> Refused:
    return Refused(delivery, 401, reason)


def unparsed(delivery: Delivery) -> Refused:
    return Refused(delivery, 400, PARSER)


def changed(body: bytes) -> Delivery:
    """The signature is of the good body; another one is sent."""
    return Delivery(sent_body=body)


def signature(text: bytes) -> Delivery:
    return Delivery(signature=text)


NO_HEADERS = Delivery(without=(b"id", b"timestamp", b"signature"))
MAC = base64.b64encode(hmac.digest(KEY, b"x", hashlib.sha256))

SIGNATURES: dict[str, Refused] = {
    "1 no headers": unbelieved("missing_header", NO_HEADERS),
    "2 no id": unbelieved("missing_header", Delivery(without=(b"id",))),
    "3 no timestamp": unbelieved("missing_header", Delivery(without=(b"timestamp",))),
    "4 no signature": unbelieved("missing_header", Delivery(without=(b"signature",))),
    "5 empty values": unbelieved(
        "bad_id",
        replace(NO_HEADERS, extra=((b"svix-id", b""), (b"svix-timestamp", b""), (b"svix-signature", b""))),
    ),
    "6 wrong secret": unbelieved("no_match", Delivery(key=STRANGER)),
    "7 body changed by a byte": unbelieved("no_match", changed(GOOD.replace(b"ready", b"reedy"))),
    "8 JSON serialised again": unbelieved("no_match", changed(json.dumps(json.loads(GOOD), indent=1).encode())),
    "9 trailing newline": unbelieved("no_match", changed(GOOD + b"\n")),
    "10 byte order mark": unbelieved("no_match", changed(b"\xef\xbb\xbf" + GOOD)),
    "11 nothing after v1": unbelieved("bad_signature_header", signature(b"v1,")),
    "12 truncated base64": unbelieved("bad_signature_header", signature(b"v1," + MAC[:20])),
    "13 base64url": unbelieved("bad_signature_header", signature(b"v1," + b"_-" * 21 + b"A=")),
    "14 hex": unbelieved("bad_signature_header", signature(b"v1," + b"a0" * 32)),
    "15 no padding": unbelieved("bad_signature_header", signature(b"v1," + MAC.rstrip(b"="))),
    "16 V1": unbelieved("bad_signature_header", signature(b"V1,%b")),
    "17 v2 with the right mac": unbelieved("no_match", signature(b"v2,%b")),
    "18 HMAC under v1a": unbelieved("no_match", signature(b"v1a,%b")),
    "19 ed25519 under v1": unbelieved("bad_signature_header", signature(b"v1," + b"A" * 86 + b"==")),
    "20 the style of Stripe": unbelieved("bad_signature_header", signature(b"t=1,v1=%b")),
    "21 two commas": unbelieved("bad_signature_header", signature(b"v1,,%b")),
    "22 list joined by a tab": unbelieved("bad_signature_header", signature(WRONG + b"\tv1,%b")),
    "22 list joined by a comma": unbelieved("bad_signature_header", signature(WRONG + b",v1,%b")),
    "24 valid as number 17": unbelieved("bad_signature_header", signature((WRONG + b" ") * 16 + b"v1,%b")),
    "25 10,000 signatures": Refused(signature((WRONG + b" ") * 10_000 + b"v1,%b"), 431, TOO_LARGE),
    "26 non-ASCII in the signature": unbelieved("bad_signature_header", signature("v1,é%b".encode())),
    "27 NUL in the signature": unparsed(signature(b"v1,%b\0")),
    "28 duplicate svix-id": unbelieved("duplicate_header", Delivery(extra=((b"svix-id", b"bad-28b"),))),
    "29 svix-id and another webhook-id": unbelieved("mixed_headers", Delivery(extra=((b"webhook-id", b"bad-29b"),))),
    "30 mixed families": unbelieved(
        "mixed_headers", Delivery(without=(b"timestamp",), extra=((b"webhook-timestamp", b"1"),))
    ),
    "31 svix_id with an underscore": unbelieved("missing_header", Delivery(family=b"svix_")),
    "33 id with a dot": unbelieved("bad_id", Delivery(id=b"bad.33")),
    "34 id of 64 KiB": Refused(Delivery(id=b"x" * 65_536), 431, TOO_LARGE),
    "35 id with a line end": unbelieved("no_match", Delivery(id=b"bad-35\r\nx: y")),
    "36 id with characters of keys": unbelieved("bad_id", Delivery(id=b"{*}:")),
    "37 301 s ago": unbelieved("too_old", Delivery(age=302)),
    "38 in 301 s": unbelieved("too_new", Delivery(age=-310)),
    "40 in milliseconds": unbelieved("bad_timestamp", Delivery(timestamp=b"1795307404000")),
    "41 with an exponent": unbelieved("bad_timestamp", Delivery(timestamp=b"1.6e9")),
    "42 with underscores": unbelieved("bad_timestamp", Delivery(timestamp=b"1_795_307_404")),
    "43 nan": unbelieved("bad_timestamp", Delivery(timestamp=b"nan")),
    "43 inf": unbelieved("bad_timestamp", Delivery(timestamp=b"inf")),
    "44 -1": unbelieved("bad_timestamp", Delivery(timestamp=b"-1")),
    "45 400 digits": unbelieved("bad_timestamp", Delivery(timestamp=b"1" * 400)),
    "46 unicode digits": unbelieved("bad_timestamp", Delivery(timestamp="١٧٩٥٣٠٧٤٠٤".encode())),
    "47 replayed after six minutes": unbelieved("too_old", Delivery(age=360)),
    "50 retired secret": unbelieved("no_match", Delivery(key=RETIRED)),
    "51 the text of the secret as the key": unbelieved("no_match", Delivery(key=SECRET.encode())),
    "52 an empty key": unbelieved("no_match", Delivery(key=b"")),
    "53 another tenant's secret, our organization": unbelieved("no_match", Delivery(key=b"another tenant's secret")),
    "54 our secret, another organization": Refused(
        Delivery(body=GOOD.replace(ORGANIZATION.encode(), OTHER_ORGANIZATION.encode())), 403, "wrong_organization"
    ),
    "55 a public key in the request": unbelieved(
        "no_match", Delivery(key=STRANGER, extra=((b"webhook-public-key", b"whpk_AAAA"),))
    ),
}


def payload(**fields: Any) -> bytes:
    """The good payload with other fields."""
    return json.dumps({**json.loads(GOOD), **fields}).encode()


def with_text(text: bytes) -> bytes:
    """The good payload with one more field, written by hand."""
    return GOOD[:-1] + b', "more": ' + text + b"}"


def no_json(body: bytes, reason: str = "not_json", status: int = 400) -> Refused:
    return Refused(Delivery(body=body), status, reason)


# The standard signs text: of a body that is not utf-8, no signature can be right.
BODIES: dict[str, Refused] = {
    "79 empty body": no_json(b""),
    "80 null": no_json(b"null", "not_an_object"),
    "80 a number": no_json(b"1", "not_an_object"),
    "80 a text": no_json(b'"x"', "not_an_object"),
    "80 a list": no_json(b"[]", "not_an_object"),
    "81 depth 100,000": no_json(b"[" * 100_000 + b"]" * 100_000),
    "82 depth 990": no_json(b'{"a":' * 990 + b"1" + b"}" * 990, "too_deep"),
    "83 NaN": no_json(with_text(b"NaN")),
    "84 1e400": no_json(with_text(b"1e400")),
    "85 5,000 digits": no_json(with_text(b"9" * 5_000)),
    "88 a lone surrogate": no_json(with_text(b'"\\ud800"')),
    "90 utf-16": no_json(GOOD.decode().encode("utf-16"), "no_match", 401),
    "91 not utf-8": no_json(GOOD.replace(b"data", b"d\xff\xfea"), "no_match", 401),
    "92 350,000 empty objects": no_json(with_text(b"[%b{}]" % (b"{}," * 350_000)), "body_too_large", 413),
    "93 90,000 keys": no_json(
        with_text(b"{%b}" % b",".join(b'"key-%d":1' % n for n in range(90_000))), "body_too_large", 413
    ),
    "95 a number for the id": no_json(payload(id=5), "bad_field"),
    "95 an object for the event": no_json(payload(event={}), "bad_field"),
    "101 10 MiB in a name": no_json(payload(name="x" * 10 * 2**20), "body_too_large", 413),
}


@dataclass(frozen=True)
class Accepted:
    """A delivery that is signed well and odd: recorded, decided on without trouble, and nothing follows from it."""

    body: bytes
    delivery: Delivery = field(default=Delivery())

    def signed(self) -> Delivery:
        return replace(self.delivery, body=self.body)


ODD_NAME = "data\x1b[31m\r\n<script>alert(1)</script>=cmd()\u202etxt.exe" + "x" * 10_240


def own(number: str, **fields: Any) -> Accepted:
    """A payload about a resource of its own, so that its verdict depends on no other case."""
    return Accepted(payload(**{"id": f"vol-{number}", "name": f"data-{number}", **fields}))


ODD: dict[str, Accepted] = {
    "23 valid as the last of four": Accepted(GOOD, Delivery(signature=b"%b v1,%%b" % b" ".join([WRONG] * 3))),
    "39 exactly 300 s ago": Accepted(GOOD, Delivery(age=299)),
    "39 exactly in 300 s": Accepted(GOOD, Delivery(age=-299)),
    "86 2**63": own("86", size=2**63),
    "87 organization said twice": Accepted(GOOD[:-1] + b', "organizationId": "%b"}' % ORGANIZATION.encode()),
    "87 event said twice": Accepted(GOOD[:-1] + b', "event": "moon.phase"}'),
    "89 U+0000 in the id": own("89", id="vol\u0000-89"),
    "92 80,000 empty objects": Accepted(with_text(b"[%b{}]" % (b"{}," * 80_000))),
    "93 15,000 keys": Accepted(with_text(b"{%b}" % b",".join(b'"key-%d":1' % n for n in range(15_000)))),
    "94 keys of languages": own("94", __proto__={"x": 1}, __class__={}, constructor="x"),
    "95 an object for the state": own("95", newState={"a": 1}, oldState=5, name=["x"]),
    "96 nothing but the organization": Accepted(b'{"organizationId": "%b"}' % ORGANIZATION.encode()),
    "96 nothing at all": Accepted(b"{}"),
    "97 unknown event type": own("97", event="moon.phase.changed"),
    "98 unknown state": own("98", newState="half-ready"),
    "99 the year 9999": own("99a", timestamp="9999-12-31T23:59:59Z", updatedAt="9999-12-31T23:59:59Z"),
    "99 1970": own("99b", timestamp="1970-01-01T00:00:00Z", updatedAt="1970-01-01T00:00:00Z"),
    "99 no zone": own("99c", timestamp="2026-11-22T00:00:00", updatedAt="2026-11-22T00:00:00"),
    "99 not a date": own("99d", timestamp="yesterday", updatedAt=[]),
    "100 from ready to ready": own("100", oldState="ready", newState="ready"),
    "101 a hostile name": own("101", name=ODD_NAME),
    "102 a hostile id": own("102", id="../../etc/passwd%2e%2e {*}: \u2028?x[1]"),
}
"""Of the one name prefix that the shipped rule asks for (`build-`), none has it: so no row may follow."""
