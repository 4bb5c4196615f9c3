"""The way in: `receive` is the only function by which an event enters from the network.

Owns who may send: the secrets of each source, the checks of a signed delivery and the organization a source is bound
to. It must not store, decide or answer HTTP, and it parses nothing before the signature over it holds.

Scheme: https://www.standardwebhooks.com. The HMAC of `id.timestamp.body` is in a list of signatures. Svix names the
three headers `svix-…`, the standard `webhook-…`. Only `v1` (HMAC-SHA256) is verified: the asymmetric `v1a` isn't.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from standardwebhooks import Webhook

from reactor.errors import ConfigError, DeliveryRejected
from reactor.events import Event

Headers = Sequence[tuple[bytes, bytes]]
"""Names and values as an ASGI scope has them: repeated ones are still repeated."""

TOLERANCE = 300
"""Seconds a delivery's timestamp may be off, either way. Svix signs every attempt anew, so retries aren't late."""

SHORTEST_SECRET, LONGEST_SECRET = 16, 64
"""Bytes of a decoded secret. The standard asks for 24 to 64, but its own libraries take and test shorter ones."""

MAX_SIGNATURES = 16
MAX_SIGNATURE_HEADER = 4096

FAMILIES: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {"svix": (b"svix",), "webhook": (b"webhook",), "either": (b"svix", b"webhook")}
)
"""What a source may be configured to accept, and the header prefixes that means."""

_PARTS = (b"id", b"timestamp", b"signature")
_ID = re.compile(rb"[A-Za-z0-9_-]{1,256}")
_TIMESTAMP = re.compile(rb"[1-9][0-9]{9}")
# The one canonical base64 of 32 bytes: the last digit before the padding carries four bits, so its low two are zero.
_V1 = rb"v1,[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
_SIGNATURE = re.compile(_V1 + rb"|(?!v1,)[a-z0-9]+,[A-Za-z0-9+/=_-]+")

_REMEDY = "copy the whole signing secret (whsec_…) from the webhook endpoint's page"


class Reason(Enum):
    """Why a delivery is not believed. Always answered 401, with the name in lower case and what it means."""

    MISSING_HEADER = "the id, timestamp and signature headers this source expects are not all there"
    DUPLICATE_HEADER = "a signing header is there twice"
    MIXED_HEADERS = "svix- and webhook- headers in one request"
    BAD_ID = "the id must be 1 to 256 of A-Z a-z 0-9 _ -"
    BAD_TIMESTAMP = "the timestamp must be ten decimal digits: seconds since the epoch"
    TOO_OLD = f"signed more than {TOLERANCE} s ago; check the clock"
    TOO_NEW = f"signed more than {TOLERANCE} s in the future; check the clock"
    BAD_SIGNATURE_HEADER = f"expected up to {MAX_SIGNATURES} space-separated signatures v1,<base64>"
    NO_MATCH = "no signature matches a secret of this source; check that the secret is the endpoint's"


@dataclass(frozen=True, slots=True)
class Source:
    """A sender of webhooks, the organization its secrets are bound to, and what its headers are called."""

    name: str
    organization: str
    secrets: tuple[Webhook, ...] = field(repr=False)
    """Ready verifiers, any of which may match: while a secret is rotated, both are valid."""
    family: str = "either"

    @classmethod
    def build(cls, name: str, organization: str, secrets: Sequence[str], headers: str = "either") -> "Source":
        """Check and decode what the configuration says; `headers` is one of FAMILIES.

        Raises ConfigError, which names every problem and shows no secret.
        """
        problems = [] if headers in FAMILIES else [f"headers must be one of {', '.join(FAMILIES)}"]
        if not secrets:
            problems.append(f"there is no secret; {_REMEDY}")
        verifiers = []
        for number, secret in enumerate(secrets, start=1):
            try:
                verifiers.append(Webhook(_decode_secret(secret)))
            except ValueError as error:
                problems.append(f"secret {number} {error}; {_REMEDY}")
        if problems:
            raise ConfigError(*(f"source {name}: {problem}" for problem in problems))
        return cls(name, organization, tuple(verifiers), headers)


def receive(source: Source, headers: Headers, body: bytes, *, now: float) -> Event:
    """Turn a delivery into an event, if its source sent it; `now` is in seconds since the epoch.

    Raises DeliveryRejected: 401 (see `verify`), 400 (see `Event.from_payload`), 403 wrong_organization.
    """
    signed_id = verify(source, headers, body, now=now)
    event = Event.from_payload(
        id=signed_id, source=source.name, organization=source.organization, body=body, received=int(now * 1000)
    )
    if event.organization != source.organization:
        raise DeliveryRejected(403, "wrong_organization", "the payload is of another organization than its secret")
    return event


def verify(source: Source, headers: Headers, body: bytes, *, now: float) -> str:
    """Return the id that was signed, the only one to recognise a repeated delivery by.

    Stricter than the libraries, which take `1.6e9` for a time, any text for an id, both header families in one
    request and ten thousand signatures. Raises DeliveryRejected (401) with one of Reason.
    """
    signed_id, timestamp, signature_list = _signing_headers(source, headers)
    if not _ID.fullmatch(signed_id):
        raise _rejected(Reason.BAD_ID)
    sent = _sent_at(timestamp, now)
    signatures = _signatures(signature_list)
    if not _any_match(source.secrets, signatures, signed_id.decode(), sent, body):
        raise _rejected(Reason.NO_MATCH)
    return signed_id.decode()


def _signing_headers(source: Source, headers: Headers) -> tuple[bytes, bytes, bytes]:
    found: dict[bytes, dict[bytes, bytes]] = {prefix: {} for prefix in FAMILIES["either"]}
    for name, value in headers:
        prefix, _, part = name.lower().partition(b"-")
        if prefix in found and part in _PARTS:
            if part in found[prefix]:
                raise _rejected(Reason.DUPLICATE_HEADER)
            found[prefix][part] = value
    if all(found.values()):
        raise _rejected(Reason.MIXED_HEADERS)
    accepted = next((found[prefix] for prefix in FAMILIES[source.family] if found[prefix]), {})
    if len(accepted) < len(_PARTS):
        raise _rejected(Reason.MISSING_HEADER)
    return accepted[b"id"], accepted[b"timestamp"], accepted[b"signature"]


def _sent_at(timestamp: bytes, now: float) -> datetime:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise _rejected(Reason.BAD_TIMESTAMP)
    sent = int(timestamp)
    if sent < now - TOLERANCE:
        raise _rejected(Reason.TOO_OLD)
    if sent > now + TOLERANCE:
        raise _rejected(Reason.TOO_NEW)
    return datetime.fromtimestamp(sent, UTC)


def _signatures(header: bytes) -> list[bytes]:
    """The list, versions included. Others than v1 belong to a good list: they count, and match nothing."""
    signatures = header.split(b" ", MAX_SIGNATURES)
    fits = len(header) <= MAX_SIGNATURE_HEADER and len(signatures) <= MAX_SIGNATURES
    if not fits or not all(_SIGNATURE.fullmatch(signature) for signature in signatures):
        raise _rejected(Reason.BAD_SIGNATURE_HEADER)
    return signatures


def _any_match(
    secrets: tuple[Webhook, ...], signatures: list[bytes], signed_id: str, sent: datetime, body: bytes
) -> bool:
    """Compare in constant time with what the library would sign.

    Its `verify` is not used: it reads the machine's clock instead of `now`, and raises three kinds of ValueError.
    The library signs text only, so a body that isn't UTF-8 (and can't be JSON) matches nothing.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    expected = [secret.sign(signed_id, sent, text).encode() for secret in secrets]
    return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures)


def _rejected(reason: Reason) -> DeliveryRejected:
    return DeliveryRejected(401, reason.name.lower(), reason.value)


def _decode_secret(secret: str) -> bytes:
    """Strict where the library isn't: it would take a public key, or any text, for a secret.

    Raises ValueError that completes the sentence "secret 1 …" and doesn't show it.
    """
    encoded = secret.strip()
    if encoded.startswith(("whpk_", "whsk_")):
        raise ValueError("is a key of the asymmetric scheme v1a, which is not supported")
    encoded = encoded.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("is not base64") from None
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError(f"has {len(key)} bytes instead of {SHORTEST_SECRET} to {LONGEST_SECRET}")
    return key
