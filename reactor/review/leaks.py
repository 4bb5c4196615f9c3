"""Secrets that stand in a file in clear. Finds them in texts, comments included, and never repeats one."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from reactor.errors import Problem

_KNOWN = re.compile(
    r"""whsec_[A-Za-z0-9+/=_-]{16,}      # a signing secret of Svix
    | \b(?:dtn|rnl|ak|glsa)_[A-Za-z0-9_-]{16,}   # API keys: Daytona, Runloop and others
    | \bsk-[A-Za-z0-9_-]{16,}
    | \bgh[pousr]_[A-Za-z0-9]{20,}
    | \bxox[abprs]-[A-Za-z0-9-]{10,}
    | \bAKIA[0-9A-Z]{16}\b
    | \beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----
    | (?i:\bbearer[ ]+)[A-Za-z0-9._~+/=-]{16,}""",
    re.VERBOSE,
)
"""Secrets that show what they are."""

_HINTS = (
    "whsec_",
    "dtn_",
    "rnl_",
    "ak_",
    "glsa_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "sk-",
    "xox",
    "akia",
    "eyj",
    "-----begin",
    "bearer",
)
"""What a text with such a secret has in it, in small letters: looked for first, for it is quicker."""

_SUSPICIOUS = re.compile(
    r"""(?i:(?:secret|token|passwd|password|api[_-]?key|authorization|credential)s?)["']?[ \t]*:[ \t]*["']?"""
    r"""(?P<value>[A-Za-z0-9+/=_.~-]{16,200})(?=["'\s,}\]]|$)"""
)
"""A long value of a key that names a secret."""

DISORDER = 3.5
"""Bits of a character by its frequency: names and words have less, keys that were drawn have more."""


def leaks(file: str, text: str) -> Iterator[Problem]:
    """Every secret in a text that shows: an error where it is sure, a warning where it looks like one."""
    for start, _, sure in _found(text):
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        message = "found what is a secret" if sure else "found what looks like a secret"
        remedy = f"{message} in clear, expected its name: declare it in secrets.yaml (env or file), and replace it"
        yield Problem(file, line, column, remedy, "error" if sure else "warning")


def masked(text: str) -> str:
    """A text with its secrets made unreadable, column by column."""
    for start, end, _ in _found(text):
        text = text[:start] + "•" * (end - start) + text[end:]
    return text


def _found(text: str) -> list[tuple[int, int, bool]]:
    """Where secrets begin and end in a text, and whether each is sure to be one."""
    lowered = text.lower()
    known = _KNOWN.finditer(text) if any(hint in lowered for hint in _HINTS) else ()
    sure = [(found.start(), found.end(), True) for found in known]
    spans = [found.span("value") for found in _SUSPICIOUS.finditer(text) if _looks_drawn(found["value"])]
    covered = [(start, end) for start, end, _ in sure]
    return sure + [(start, end, False) for start, end in spans if not any(s < end and start < e for s, e in covered)]


def _looks_drawn(value: str) -> bool:
    """Whether a value was drawn at random: digits and letters, and no order in them."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) >= DISORDER
