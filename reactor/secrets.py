"""Secrets by name: where each one is, read when it is needed and never kept.

Owns reading them. A secret prints as its name; its value stands in no key, log, error or page.
"""

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from reactor.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Secret:
    """One declared secret: in an environment variable, or in a file (as Kubernetes mounts them)."""

    name: str
    env: str = ""
    file: str = ""
    hosts: tuple[str, ...] = ()

    def may_go_to(self, host: str) -> bool:
        """Whether it may be sent to a host: one of its hosts, in which `*` matches any part; any if none is named."""
        return not self.hosts or any(fnmatchcase(host, known) for known in self.hosts)

    def read(self) -> str:
        """The value as it is now. Raises ConfigError that says where it was looked for."""
        value = self.peek()
        if not value:
            place = f"the environment variable {self.env}" if self.env else f"the file {self.file}"
            raise ConfigError(f"secret {self.name} is empty: set {place}")
        return value

    def peek(self) -> str:
        """The value as it is now; empty when there is none. Raises ConfigError for a file that can't be read."""
        if self.env:
            return os.environ.get(self.env, "").strip()
        try:
            return Path(self.file).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"secret {self.name}: {self.file} can't be read: {type(error).__name__}") from None
