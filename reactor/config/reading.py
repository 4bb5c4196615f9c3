"""Reads the files of a configuration, each by itself: its text within bounds, its structure, its places.

Owns what was read, of which the revision is made, and the problems found so far. What only shows when files are seen together
is `loader`'s.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import orjson
from pydantic import BaseModel

from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Provider
from reactor.config.files import Files
from reactor.errors import ConfigError, Problem
from reactor.review import leaks, masked
from reactor.yaml12 import Document, load, validate

M = TypeVar("M", bound=BaseModel)

LARGEST_SUM = 32 * 1024 * 1024
"""Bytes that all files may have together: what is more would be read for minutes."""

TESTS = ".test.yaml"
"""How the names of tests beside rules end, which no decision needs."""


class Reading:
    """One pass over the files of a configuration; it collects problems, so that one look tells everything."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.problems: list[Problem] = []
        self.texts: dict[str, bytes] = {}

    def told(self) -> list[Problem]:
        """The problems as they may be shown: a value that they quote may be a secret."""
        return sorted(replace(problem, message=masked(problem.message)) for problem in self.problems)

    def errors(self) -> list[Problem]:
        """The problems that keep a configuration from coming into force."""
        return [problem for problem in self.told() if problem.severity == "error"]

    def raise_errors(self) -> None:
        """Raises ConfigError with every error found so far, if there is one."""
        if errors := self.errors():
            raise ConfigError(*errors)

    def names(self, pattern: str) -> list[str]:
        """The names that fit a pattern like `rules/*.yaml`; none where they can't be listed, which is a problem."""
        try:
            return self.files.names(pattern)
        except OSError as error:
            place = self.files.place(pattern.rpartition("/")[0])
            self.problems.append(Problem(place, 0, 0, f"can't be read: {error.strerror}"))
            return []

    def content(self, name: str, remedy: str = "") -> bytes | None:
        """A file's bytes, which become part of the revision; None if it can't be read."""
        try:
            self.texts[name] = self.files.read(name)
            if sum(map(len, self.texts.values())) > LARGEST_SUM:
                raise OSError(0, f"makes the directory larger than {LARGEST_SUM} bytes")
        except OSError as error:
            self.problems.append(Problem(self.files.place(name), 0, 0, f"can't be read: {error.strerror}{remedy}"))
            return None
        return self.texts[name]

    def documents(self, names: Iterable[str]) -> Iterator[Document]:
        """The files that are YAML, but for tests beside rules."""
        for name in names:
            try:
                if not name.endswith(TESTS) and (content := self.content(name)) is not None:
                    self.problems += leaks(self.files.place(name), content.decode("utf-8", "replace"))
                    yield load(content, self.files.place(name))
            except ConfigError as error:
                self.problems += error.problems

    def models(self, names: Iterable[str], model: type[M]) -> list[tuple[Document, M]]:
        """The files that are sound, each as its document and its model."""
        files = []
        for document in self.documents(names):
            try:
                files.append((document, validate(document, model)))
            except ConfigError as error:
                self.problems += error.problems
        return files

    def openapis(self, files: Iterable[tuple[Document, Provider]]) -> dict[str, OpenApi]:
        """The OpenAPI documents that provider files name, those that are sound."""
        openapis = {}
        for name in sorted({name for _, file in files for name in (file.openapi, file.webhooks) if name}):
            place = self.files.place(f"apis/{name}")
            try:
                if (content := self.content(f"apis/{name}", "; make it with `reactor apis import`")) is not None:
                    document = orjson.loads(content)
                    openapis[name] = OpenApi.parse(document if isinstance(document, dict) else {})
            except orjson.JSONDecodeError as error:
                self.problems.append(Problem(place, error.lineno, error.colno, f"found no JSON: {error.msg}"))
            except ConfigError as error:
                self.problems += [replace(problem, file=place) for problem in error.problems]
        return openapis

    def strays(self) -> None:
        """Note files that somebody takes for rules in force and that are not read."""
        beside = self.names("rules/*")
        named = [name for name in beside if name.lower().endswith((".yml", ".yaml")) and not name.endswith(".yaml")]
        strays = dict.fromkeys(named, "rename it, files of rules end in .yaml")
        for folder in beside:
            if not Path(folder).suffix:
                moved = "move it, files of rules stand in rules/ itself"
                strays |= dict.fromkeys(self.names(f"{folder}/*.yaml"), moved)
        self.problems += [Problem(self.files.place(name), 0, 0, f"is not read: {say}") for name, say in strays.items()]
