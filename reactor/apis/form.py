"""Request bodies that are forms (multipart/form-data, RFC 7578): fields, and files that are texts. Pure.

Owns the encoding. A value never ends its own part: the boundary is a hash of all that is sent.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

FORM: Final = "multipart/form-data"


def encode_form(fields: Mapping[str, Any], files: Collection[str]) -> tuple[str, bytes]:
    """The content type and content of a form. Fields named in `files` are sent as files, which is what servers want.

    Raises ValueError for a name that would end its header.
    """
    if broken := [name for name in fields if not name.isprintable() or '"' in name]:
        raise ValueError(f"found the field name {broken[0]!r}, expected no quotes and no line breaks")
    texts = {name: _bytes(value) for name, value in fields.items() if value is not None}
    boundary = hashlib.sha256(b"\0".join(texts.values())).hexdigest()[:32]
    parts = [
        b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary.encode(), _header(name, name in files), text)
        for name, text in texts.items()
    ]
    return f"{FORM}; boundary={boundary}", b"".join([*parts, b"--%b--\r\n" % boundary.encode()])


def _header(name: str, is_file: bool) -> bytes:
    told = f'Content-Disposition: form-data; name="{name}"'
    return (f'{told}; filename="{name}"\r\nContent-Type: application/octet-stream' if is_file else told).encode()


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)
