"""Where the texts of a configuration come from: its directory, or the copy of a revision that was kept.

Owns reading them within bounds, and telling cheaply whether a directory has changed. Understands none of them.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

LARGEST = 16 * 1024 * 1024
"""Bytes that any file of a configuration may have; files of rules may have far fewer (`yaml12`)."""

MOST = 2000
"""Files that one kind may have: more are a mount that went wrong, not a configuration."""

FOLDERS = ("", "apis", "rules", "workflows")
"""Where the files of a configuration are. One level each, as a ConfigMap is mounted."""


class Files(Protocol):
    """The texts of one configuration by their names in it (`rules/volumes.yaml`)."""

    def place(self, name: str) -> str:
        """How messages name a file."""
        ...

    def names(self, pattern: str) -> list[str]:
        """The names that fit a pattern like `rules/*.yaml`, sorted. Raises OSError."""
        ...

    def read(self, name: str) -> bytes:
        """One text. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Directory:
    """A configuration directory."""

    path: Path

    def place(self, name: str) -> str:
        """The file's path."""
        return str(self.path / name)

    def names(self, pattern: str) -> list[str]:
        """Hidden files, and what Kubernetes keeps beside a mount's files (`..data`), are nobody's configuration."""
        folder, _, glob = pattern.rpartition("/")
        try:
            found = [entry.name for entry in os.scandir(self.path / folder) if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        fitting = sorted(name for name in found if fnmatchcase(name, glob))
        if len(fitting) > MOST:
            raise OSError(0, f"has {len(fitting)} files, expected at most {MOST}")
        return [f"{folder}/{name}" if folder else name for name in fitting]

    def read(self, name: str) -> bytes:
        """A file's bytes, if it is a regular one: a pipe or a device would never end."""
        with os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(0, "is no regular file")
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise OSError(0, f"is larger than {LARGEST} bytes")
        return content


@dataclass(frozen=True, slots=True)
class Kept:
    """The texts of a revision that was kept."""

    revision: str
    texts: Mapping[str, bytes]

    def place(self, name: str) -> str:
        """The file, and which revision's it is."""
        return f"{self.revision}:{name}"

    def names(self, pattern: str) -> list[str]:
        """The kept names that fit."""
        depth = pattern.count("/")
        return sorted(name for name in self.texts if name.count("/") == depth and fnmatchcase(name, pattern))

    def read(self, name: str) -> bytes:
        """A kept text."""
        if name not in self.texts:
            raise FileNotFoundError(2, "is not kept with this revision")
        return self.texts[name]


def fingerprint(directory: Path) -> str:
    """Changes when a file of the directory may have: by names, inodes, times, sizes and modes, read through links.

    A mounted ConfigMap changes by one link being swapped, which file events miss; this sees it, and a directory that
    is gone or can't be read, as a change like any other.
    """
    digest = hashlib.sha256()
    for folder in FOLDERS:
        for line in _listing(directory / folder):
            digest.update(f"{folder}/{line}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def fingerprint_of(path: str) -> str:
    """The same for one file, such as a secret's."""
    return _state(Path(path))


def _listing(folder: Path) -> Iterator[str]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as error:
        yield f"errno {error.errno}"
        return
    for name in names:
        yield f"{name} {_state(folder / name)}"


def _state(path: Path) -> str:
    try:
        seen = path.stat()
    except OSError as error:
        return f"errno {error.errno}"
    if stat.S_ISDIR(seen.st_mode):  # what is in it is listed, or not ours
        return "directory"
    return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_mode}"
