"""The tokens of the HTTP API: who may read and who may operate.

Owns the tokens file, which has no token in it but the hash of each, and comparing in constant time. The file is looked at
for each request, so that a token is rotated without a restart. A token itself is printed once and stands nowhere.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reactor.errors import ConfigError, Problem
from reactor.yaml12 import load, validate

Role = Literal["read", "operate"]
"""`operate` may do what `read` may, and change things."""

PREFIX = "rct_"
"""How every token begins, so that scanners for leaked secrets know one."""

SIZE = 32
"""Random bytes of a token: nobody guesses it, so that a plain hash of it need not be slow."""

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


class TokenEntry(BaseModel):
    """One token: what it may do, and its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="As `reactor tokens new` prints it.")


class TokensFile(BaseModel):
    """`tokens.yaml`: tokens by the names of those who hold them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tokens: dict[str, TokenEntry] = {}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks: the token's name, which stands in logs and rows, and what it may do."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this is enough for what needs `role`."""
        return self.role in (role, "operate")


def new_token() -> tuple[str, str]:
    """A fresh token and its hash."""
    token = PREFIX + secrets.token_urlsafe(SIZE)
    return token, hash_of(token)


def hash_of(token: str) -> str:
    """What the tokens file has of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The tokens file as it is now; read again when it changed, also by the swap of a mounted directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version: tuple[int, ...] = ()
        self._entries: dict[str, TokenEntry] = {}

    def entries(self) -> dict[str, TokenEntry]:
        """Every token by name; none without a file. Raises ConfigError with every mistake of the file."""
        try:
            found = os.stat(self.path)
            version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if version != self._version:
                self._entries = _read(self.path)
                self._version = version
        except FileNotFoundError:
            self._entries, self._version = {}, ()
        except OSError as error:
            raise ConfigError(Problem(str(self.path), 0, 0, f"can't be read: {error.strerror}")) from None
        return self._entries

    def holder(self, token: str) -> Holder | None:
        """Who holds a token; None for one that the file does not have. Takes as long whichever it is.

        Raises ConfigError.
        """
        found, given = None, hash_of(token)
        for name, entry in self.entries().items():
            if hmac.compare_digest(entry.sha256, given):
                found = Holder(name, entry.role)
        return found


def _read(path: Path) -> dict[str, TokenEntry]:
    return dict(validate(load(path.read_bytes(), str(path)), TokensFile).tokens)
