"""Who gets in: upstream's vectors, the svix library as an oracle, and a table of things tried by people who may not."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import format_exception_only
from typing import Any

import pytest
import svix.webhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.errors import ConfigError, DeliveryRejected
from reactor.webhook import Headers, Source, receive, verify

DATA = Path(__file__).parent.parent / "data"
VERIFY_VECTORS = json.loads((DATA / "verify_vectors.json").read_text())["cases"]
SIGN_VECTORS = json.loads((DATA / "sign_vectors.json").read_text())["vectors"]

STRICTER_THAN_UPSTREAM = {
    "v1a valid with configured public key": "a source is built of v1 secrets; v1a is not supported",
}

NOW = 1_795_307_404
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
ORGANIZATION = "11111111-2222-4333-8444-555555555555"
BODY = b'{"event": "volume.created", "id": "vol-1", "organizationId": "%b"}' % ORGANIZATION.encode()


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def source(*keys: bytes, headers: str = "either") -> Source:
    return Source.build("daytona", ORGANIZATION, [secret(key) for key in keys or (KEY,)], headers)


def mac(key: bytes, id: bytes, timestamp: bytes, body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, b"%b.%b.%b" % (id, timestamp, body), hashlib.sha256))


@dataclass(frozen=True)
class Delivery:
    """A request as it arrives. Signed last, so what the fields say is what is signed, unless a case tampers later."""

    body: bytes = BODY
    id: bytes = b"msg_1"
    timestamp: bytes = b"%d" % NOW
    key: bytes = KEY
    signature: bytes = b""
    family: bytes = b"svix"
    extra: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def mac(self) -> bytes:
        return mac(self.key, self.id, self.timestamp, self.body)

    def signed(self, form: bytes = b"v1,%b") -> "Delivery":
        return replace(self, signature=form.replace(b"%b", self.mac))

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        own = ((b"id", self.id), (b"timestamp", self.timestamp), (b"signature", self.signature))
        return [(self.family + b"-" + part, value) for part, value in own] + list(self.extra)

    def without(self, part: bytes) -> Headers:
        return [(name, value) for name, value in self.headers if not name.endswith(b"-" + part)]


def refusal(sender: Source, headers: Headers, body: bytes, now: float = NOW) -> tuple[int, str]:
    with pytest.raises(DeliveryRejected) as rejected:
        receive(sender, headers, body, now=now)
    return rejected.value.status, rejected.value.reason


GOOD = Delivery().signed()
WRONG = b"v1," + base64.b64encode(bytes(32))


@pytest.mark.parametrize("case", VERIFY_VECTORS, ids=lambda case: case["name"])
def test_upstream_cases_are_answered_as_upstream_says(case: dict[str, Any]) -> None:
    headers = [(name.encode(), value.encode()) for name, value in case["headers"]]

    def answer() -> str:
        sender = Source.build("vectors", ORGANIZATION, case["secrets"])
        return verify(sender, headers, case["body"].encode(), now=case["now"])

    if case["name"] in STRICTER_THAN_UPSTREAM:
        with pytest.raises(ConfigError):
            answer()
    elif case["expect"] == "accept":
        assert answer().encode() == headers[0][1]
    else:
        with pytest.raises(DeliveryRejected) as rejected:
            answer()
        assert rejected.value.status == 401


@pytest.mark.parametrize("vector", SIGN_VECTORS, ids=lambda vector: vector["expected"][:12])
def test_what_upstream_signs_is_believed_if_it_is_v1(vector: dict[str, Any]) -> None:
    text, times = vector.get("payload_repeat", (vector.get("payload"), 1))
    body = (text * times).encode()
    now = vector["timestamp"]
    sent = Delivery(id=vector["id"].encode(), timestamp=b"%d" % now, signature=vector["expected"].encode())

    if vector["scheme"] == "v1":
        sender = Source.build("vectors", ORGANIZATION, [vector["secret"]])
        assert verify(sender, sent.headers, body, now=now) == vector["id"]
    else:
        assert refusal(source(), sent.headers, body, now=now) == (401, "no_match")


BELIEVED = {
    "signed with the svix headers": GOOD,
    "signed with the webhook headers": replace(GOOD, family=b"webhook"),
    "header names in other case": replace(GOOD, family=b"Svix"),
    "the right signature last of four": Delivery().signed(b" ".join([WRONG, WRONG, WRONG, b"v1,%b"])),
    "the right signature last of sixteen": Delivery().signed(b" ".join([WRONG] * 15 + [b"v1,%b"])),
    "a v1a signature beside it": Delivery().signed(b"v1a,QUJD v1,%b"),
    "sent 300 s ago": Delivery(timestamp=b"%d" % (NOW - 300)).signed(),
    "sent in 300 s": Delivery(timestamp=b"%d" % (NOW + 300)).signed(),
    "the longest id": Delivery(id=b"x" * 256).signed(),
    "an underscored header beside the real ones": replace(GOOD, extra=((b"svix_id", b"msg_2"),)),
    "a public key in the request": replace(GOOD, extra=((b"webhook-public-key", b"whpk_AAAA"),)),
}


@pytest.mark.parametrize("delivery", BELIEVED.values(), ids=BELIEVED.keys())
def test_a_good_delivery_becomes_an_event_with_the_id_that_was_signed(delivery: Delivery) -> None:
    event = receive(source(), delivery.headers, delivery.body, now=NOW)

    assert event.id == delivery.id.decode()
    assert (event.source, event.organization, event.type) == ("daytona", ORGANIZATION, "volume.created")
    assert event.received == NOW * 1000


TAMPERED = {
    "a body with one byte changed": BODY.replace(b"vol-1", b"vol-2"),
    "a body serialised again": json.dumps(json.loads(BODY), separators=(",", ":")).encode(),
    "a body with a newline at its end": BODY + b"\n",
    "a body with a byte order mark": b"\xef\xbb\xbf" + BODY,
    "a body that is not utf-8": b"\xff" + BODY,
    "an empty body": b"",
}


@pytest.mark.parametrize("body", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_body_other_than_the_signed_one_is_refused(body: bytes) -> None:
    assert refusal(source(), GOOD.headers, body) == (401, "no_match")


NOT_BELIEVED: dict[str, tuple[str, Delivery]] = {
    "empty id": ("bad_id", Delivery(id=b"").signed()),
    "empty timestamp": ("bad_timestamp", Delivery(timestamp=b"").signed()),
    "empty signature": ("bad_signature_header", Delivery()),
    # Signatures
    "another secret": ("no_match", Delivery(key=OTHER_KEY).signed()),
    "nothing after v1,": ("bad_signature_header", Delivery(signature=b"v1,")),
    "base64 cut short": ("bad_signature_header", replace(GOOD, signature=GOOD.signature[:-5])),
    "the first bytes of the right one": ("bad_signature_header", replace(GOOD, signature=GOOD.signature[:11])),
    "base64url": ("bad_signature_header", Delivery(signature=b"v1," + b"_-" * 21 + b"A=")),
    "hex": ("bad_signature_header", Delivery(signature=b"v1," + b"a0" * 32)),
    "base64 without padding": ("bad_signature_header", replace(GOOD, signature=GOOD.signature.rstrip(b"="))),
    "base64 not canonical": ("bad_signature_header", Delivery(signature=b"v1," + b"A" * 42 + b"B=")),
    "V1 for v1": ("bad_signature_header", Delivery().signed(b"V1,%b")),
    "the right one called v2": ("no_match", Delivery().signed(b"v2,%b")),
    "the right one called v1a": ("no_match", Delivery().signed(b"v1a,%b")),
    "an ed25519 signature called v1": ("bad_signature_header", Delivery(signature=b"v1," + b"A" * 86 + b"==")),
    "the style of Stripe": ("bad_signature_header", Delivery().signed(b"t=1795307404,v1=%b")),
    "two commas": ("bad_signature_header", Delivery().signed(b"v1,,%b")),
    "a list joined by tabs": ("bad_signature_header", Delivery().signed(WRONG + b"\tv1,%b")),
    "a list joined by commas": ("bad_signature_header", Delivery().signed(WRONG + b",v1,%b")),
    "a list with two spaces": ("bad_signature_header", Delivery().signed(WRONG + b"  v1,%b")),
    "a newline at its end": ("bad_signature_header", Delivery().signed(b"v1,%b\n")),
    "the right one as the seventeenth": ("bad_signature_header", Delivery().signed((WRONG + b" ") * 16 + b"v1,%b")),
    "ten thousand": ("bad_signature_header", Delivery().signed((WRONG + b" ") * 9_999 + b"v1,%b")),
    "one of 5 KB": ("bad_signature_header", Delivery().signed(b"v1,%b v3," + b"A" * 5_000)),
    "not ASCII": ("bad_signature_header", Delivery().signed("é,x v1,%b".encode())),
    "a NUL": ("bad_signature_header", Delivery().signed(b"v1,%b\0")),
    "the text of the secret as the key": ("no_match", Delivery(key=secret(KEY).encode()).signed()),
    "an empty key": ("no_match", Delivery(key=b"").signed()),
    # Headers
    "two ids": ("duplicate_header", replace(GOOD, extra=((b"svix-id", b"msg_2"),))),
    "the same id twice": ("duplicate_header", replace(GOOD, extra=((b"svix-id", GOOD.id),))),
    "two signatures, in other case": ("duplicate_header", replace(GOOD, extra=((b"Svix-Signature", WRONG),))),
    "an id of the other family": ("mixed_headers", replace(GOOD, extra=((b"webhook-id", b"msg_2"),))),
    "both families": ("mixed_headers", replace(GOOD, extra=tuple(replace(GOOD, family=b"webhook").headers))),
    "underscores for dashes": ("missing_header", replace(GOOD, family=b"svix_")),
    # Ids
    "id with a dot": ("bad_id", Delivery(id=b"msg.1").signed()),
    "id of 64 KiB": ("bad_id", Delivery(id=b"x" * 65_536).signed()),
    "id with a line end": ("bad_id", Delivery(id=b"msg_1\r\n").signed()),
    "id with a newline": ("bad_id", Delivery(id=b"msg_1\n").signed()),
    "id with characters of keys": ("bad_id", Delivery(id=b"{*}:").signed()),
    "id with a NUL": ("bad_id", Delivery(id=b"msg\0").signed()),
    # Times
    "301 s ago": ("too_old", Delivery(timestamp=b"%d" % (NOW - 301)).signed()),
    "replayed after six minutes": ("too_old", Delivery(timestamp=b"%d" % (NOW - 360)).signed()),
    "in 301 s": ("too_new", Delivery(timestamp=b"%d" % (NOW + 301)).signed()),
    "in milliseconds": ("bad_timestamp", Delivery(timestamp=b"%d000" % NOW).signed()),
    "with an exponent": ("bad_timestamp", Delivery(timestamp=b"1.795307e9").signed()),
    "with underscores": ("bad_timestamp", Delivery(timestamp=b"1_795_307_404").signed()),
    "with a fraction": ("bad_timestamp", Delivery(timestamp=b"1795307404.9").signed()),
    "with a plus": ("bad_timestamp", Delivery(timestamp=b"+1795307404").signed()),
    "with a zero before it": ("bad_timestamp", Delivery(timestamp=b"01795307404").signed()),
    "with a newline": ("bad_timestamp", Delivery(timestamp=b"1795307404\n").signed()),
    "nan": ("bad_timestamp", Delivery(timestamp=b"nan").signed()),
    "inf": ("bad_timestamp", Delivery(timestamp=b"inf").signed()),
    "-1": ("bad_timestamp", Delivery(timestamp=b"-1").signed()),
    "400 digits": ("bad_timestamp", Delivery(timestamp=b"1" * 400).signed()),
    "Arabic digits": ("bad_timestamp", Delivery(timestamp="١٧٩٥٣٠٧٤٠٤".encode()).signed()),
}


@pytest.mark.parametrize(("reason", "delivery"), NOT_BELIEVED.values(), ids=NOT_BELIEVED.keys())
def test_a_bad_delivery_is_refused_with_its_reason(reason: str, delivery: Delivery) -> None:
    assert refusal(source(), delivery.headers, delivery.body) == (401, reason)


@pytest.mark.parametrize("part", [b"id", b"timestamp", b"signature"])
def test_each_signing_header_is_required(part: bytes) -> None:
    assert refusal(source(), GOOD.without(part), BODY) == (401, "missing_header")


def test_a_request_without_headers_is_refused() -> None:
    assert refusal(source(), [], BODY) == (401, "missing_header")


@pytest.mark.parametrize(("accepted", "sent"), [("svix", b"webhook"), ("webhook", b"svix")])
def test_a_source_of_one_header_family_refuses_the_other(accepted: str, sent: bytes) -> None:
    delivery = replace(GOOD, family=sent)

    assert refusal(source(headers=accepted), delivery.headers, BODY) == (401, "missing_header")


def test_during_rotation_both_secrets_are_believed_and_afterwards_only_the_new() -> None:
    old, new = Delivery(key=KEY).signed(), Delivery(key=OTHER_KEY).signed()

    assert verify(source(KEY, OTHER_KEY), old.headers, BODY, now=NOW) == "msg_1"
    assert verify(source(KEY, OTHER_KEY), new.headers, BODY, now=NOW) == "msg_1"
    assert refusal(source(OTHER_KEY), old.headers, BODY) == (401, "no_match")


@pytest.mark.parametrize("organization", [b"99999999-2222-4333-8444-555555555555", b""])
def test_our_secret_does_not_speak_for_another_organization(organization: bytes) -> None:
    delivery = Delivery(body=b'{"organizationId": "%b"}' % organization).signed()

    assert refusal(source(), delivery.headers, delivery.body) == (403, "wrong_organization")


def test_the_secret_of_another_organization_does_not_speak_for_ours() -> None:
    other = Source.build("other", "99999999-2222-4333-8444-555555555555", [secret(OTHER_KEY)])
    delivery = Delivery(key=OTHER_KEY).signed()

    assert refusal(source(), delivery.headers, BODY) == (401, "no_match")
    assert refusal(other, delivery.headers, BODY) == (403, "wrong_organization")


def test_a_payload_without_organization_is_of_the_organization_of_its_secret() -> None:
    delivery = Delivery(body=b'{"event": "volume.created"}').signed()

    assert receive(source(), delivery.headers, delivery.body, now=NOW).organization == ORGANIZATION


def test_nothing_is_parsed_before_it_is_verified() -> None:
    assert refusal(source(), GOOD.headers, b"{not json") == (401, "no_match")

    signed = Delivery(body=b"{not json").signed()
    assert refusal(source(), signed.headers, signed.body) == (400, "not_json")


BAD_SECRETS = {
    "empty": ("", "0 bytes"),
    "only the prefix": ("whsec_", "0 bytes"),
    "only spaces": ("  ", "0 bytes"),
    "not base64": ("whsec_correct horse battery staple", "base64"),
    "base64url": ("whsec_" + "_-" * 16, "base64"),
    "not ASCII": ("whsec_" + "é" * 32, "base64"),
    "of 15 bytes": (secret(bytes(15)), "15 bytes"),
    "of 65 bytes": (secret(bytes(65)), "65 bytes"),
    "a public key": ("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "v1a"),
    "a private key": ("whsk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "v1a"),
}


@pytest.mark.parametrize(("text", "finding"), BAD_SECRETS.values(), ids=BAD_SECRETS.keys())
def test_a_bad_secret_is_refused_with_a_remedy(text: str, finding: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Source.build("daytona", ORGANIZATION, [secret(KEY), text])

    message = str(refused.value)
    assert "source daytona: secret 2" in message
    assert finding in message
    assert "copy the whole signing secret" in message


@pytest.mark.parametrize("text", ["whsec_canary!", "whsec_canary", "whpk_canary", "canaryé", "canary"])
def test_an_error_about_a_secret_does_not_show_it(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Source.build("daytona", ORGANIZATION, [text])

    assert "canary" not in "".join(format_exception_only(refused.value))
    assert refused.value.__context__ is None


def test_every_problem_of_a_source_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        Source.build("daytona", ORGANIZATION, ["", "!"], headers="svx")

    assert len(refused.value.problems) == 3


def test_a_source_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="no secret"):
        Source.build("daytona", ORGANIZATION, [])


@pytest.mark.parametrize("written", [secret(KEY), secret(KEY) + "\n", secret(KEY)[6:], secret(KEY).rstrip("=")])
def test_a_secret_may_lack_prefix_and_padding_and_end_in_a_newline(written: str) -> None:
    sender = Source.build("daytona", ORGANIZATION, [written])

    assert verify(sender, GOOD.headers, BODY, now=NOW) == "msg_1"


def test_a_source_never_shows_its_secret() -> None:
    shown = repr(source())

    assert shown == f"Source(name='daytona', organization='{ORGANIZATION}', family='either')"


def svix_believes(delivery: Delivery) -> bool:
    headers = {name.decode(): value.decode("latin-1") for name, value in delivery.headers}
    try:
        svix.webhooks.Webhook(secret(KEY)).verify(delivery.body, headers)
    except (svix.webhooks.WebhookVerificationError, ValueError):
        return False
    return True


def we_believe(delivery: Delivery) -> bool:
    try:
        return verify(source(), delivery.headers, delivery.body, now=time.time()) == delivery.id.decode()
    except DeliveryRejected:
        return False


WELL_FORMED = [b"v1,%b", WRONG, b"v2,%b", b"v1a,QUJD"]
MALFORMED = [b"v1,", b"v1", b"", b"V1,%b", b"v1,%b=", b"v1,\xff", b"v1,%b,", b"\tv1,%b"]
IDS = st.text("abcXYZ019_-", min_size=1, max_size=40).map(str.encode)
# Not near the ends of the tolerance: the library reads the machine's clock a moment before or after us.
AGES = st.integers(-280, 280) | st.integers(320, 10_000) | st.integers(-10_000, -320)


@st.composite
def deliveries(draw: st.DrawFn, forms: list[bytes]) -> Delivery:
    """Signed by us or another, perhaps late, and perhaps with a part that isn't the one signed."""
    signed = Delivery(
        body=draw(st.text().map(str.encode) | st.binary()),
        id=draw(IDS),
        timestamp=b"%d" % (int(time.time()) - draw(AGES)),
        key=draw(st.sampled_from([KEY, KEY, KEY, OTHER_KEY])),
    ).signed(b" ".join(draw(st.lists(st.sampled_from(forms), min_size=1, max_size=5))))
    match draw(st.sampled_from(["body", "id", "timestamp", "nothing", "nothing"])):
        case "body":
            return replace(signed, body=draw(st.binary()))
        case "id":
            return replace(signed, id=draw(IDS))
        case "timestamp":
            return replace(signed, timestamp=b"%d" % (int(time.time()) - draw(AGES)))
        case _:
            return signed


@settings(deadline=None)
@given(deliveries(WELL_FORMED))
def test_we_and_the_svix_library_believe_the_same_well_formed_deliveries(delivery: Delivery) -> None:
    assert we_believe(delivery) == svix_believes(delivery)


@settings(deadline=None)
@given(deliveries(WELL_FORMED + MALFORMED))
def test_we_believe_nothing_that_the_svix_library_does_not(delivery: Delivery) -> None:
    assert svix_believes(delivery) or not we_believe(delivery)
