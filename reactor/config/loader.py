"""Reads a configuration: from its directory, or from the texts that were kept of an earlier revision.

Owns what only shows when its files are seen together. A load either yields a whole Config or
a ConfigError with every problem of every file; nothing is half loaded.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Create, Provider, Resource
from reactor.catalog import Catalog
from reactor.checks import Known
from reactor.config.files import Directory, Files, Kept
from reactor.config.model import Config, SecretsFile, SourceEntry, SourcesFile, TargetsFile, WorkflowFile
from reactor.config.policy import PolicyFile, unknown_names
from reactor.config.rulebook import compile_rules, sound_rules
from reactor.errors import ConfigError, Problem
from reactor.events import OURSELVES
from reactor.plugins import Plugged, plugged
from reactor.review import leaks, masked
from reactor.rules.model import RuleFile
from reactor.rules.ruleset import Rules
from reactor.secrets import Secret
from reactor.workflows.load import load_document
from reactor.workflows.program import compile_program
from reactor.yaml12 import Document, expected_one_of, load, validate

M = TypeVar("M", bound=BaseModel)
LARGEST_SUM = 32 * 1024 * 1024
"""Bytes that all files may have together: what is more would be read for minutes."""

ARAZZO = ".arazzo.yaml"
TESTS = ".test.yaml"
"""How the names of Arazzo documents end, and those of tests beside rules, which no decision needs."""


@dataclass(frozen=True)
class Inspection:
    """What came of reading a directory: the configuration if it has no error, and all problems, warnings among them."""

    config: Config | None
    problems: tuple[Problem, ...]
    texts: Mapping[str, bytes]
    """What was read, by the names that problems say."""


def load_config(directory: Path) -> Config:
    """Read, check and compile a configuration directory. Raises ConfigError with every error; warnings are in it."""
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory: set REACTOR_CONFIG, or run where `config/` is")
    return _Loader(Directory(directory)).load()


def inspect(directory: Path) -> Inspection:
    """Read, check and compile a configuration directory, for a person: nothing of what is found is left out."""
    loader = _Loader(Directory(directory))
    try:
        config = loader.load()
    except ConfigError:
        config = None
    texts = {loader.files.place(name): text for name, text in loader.texts.items()}
    return Inspection(config, tuple(loader.told()), texts)


def load_kept(revision: str, texts: Mapping[str, bytes]) -> Config:
    """A configuration as it was, from the texts kept of a revision. Raises ConfigError with every problem.

    Servers that the environment names are those of today.
    """
    return _Loader(Kept(revision, texts)).load()


class _Loader:
    """Collects problems over all files, so that one look tells everything."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.problems: list[Problem] = []
        self.texts: dict[str, bytes] = {}

    def load(self) -> Config:
        """Each file by itself, then all together: what refers to a broken file is not to blame for it."""
        secret_files = self._read(["secrets.yaml"], SecretsFile)
        source_files = self._read(["sources.yaml"], SourcesFile)
        target_files = self._read(self._names("targets.yaml"), TargetsFile)
        provider_files = self._read(self._names("apis/*.yaml"), Provider)
        policy_files = self._read(self._names("policy.yaml"), PolicyFile)
        openapis = self._openapis(provider_files)
        sound = not self._errors()
        rule_files = self._read(self._names("rules/*.yaml"), RuleFile, sound_rules)
        self._strays()
        if not sound:
            self._raise_errors()
        secrets = self._secrets(secret_files)
        apis = {
            (name := Path(document.file).stem): self._api(name, document, provider, openapis, secrets)
            for document, provider in provider_files
        }
        apis |= self._tellers(provider_files, apis)
        sources = self._sources(source_files, apis, secrets)
        targets, handlers = self._targets(target_files, secrets), self._handlers()
        workflows, broken = self._workflows(apis)
        programs = {name: file.program for name, file in workflows.items()}
        known = Known(apis, programs, secrets, targets, handlers)
        rules, found = compile_rules(rule_files, known, broken, self._policy(policy_files, apis))
        self.problems += found
        self._raise_errors()
        return Config(
            _revision(self.texts),
            apis,
            Rules(rules),
            sources,
            secrets,
            workflows,
            targets,
            handlers,
            self.texts,
            warnings=tuple(self.told()),
        )

    def told(self) -> list[Problem]:
        """The problems as they may be shown: a value that they quote may be a secret."""
        return sorted(replace(problem, message=masked(problem.message)) for problem in self.problems)

    def _errors(self) -> list[Problem]:
        return [problem for problem in self.told() if problem.severity == "error"]

    def _raise_errors(self) -> None:
        if errors := self._errors():
            raise ConfigError(*errors)

    def _read(
        self, names: Iterable[str], model: type[M], part: Callable[[Document], Document] | None = None
    ) -> list[tuple[Document, M]]:
        """The files that are sound, each as its document and its model; of others the `part` of it that is sound."""
        files = []
        for name in names:
            try:
                if not name.endswith(TESTS) and (content := self._content(name)) is not None:
                    self.problems += leaks(self.files.place(name), content.decode("utf-8", "replace"))
                    document = load(content, self.files.place(name))
                    files.append(self._checked(document, model, part))
            except ConfigError as error:
                self.problems += error.problems
        return files

    def _checked(
        self, document: Document, model: type[M], part: Callable[[Document], Document] | None
    ) -> tuple[Document, M]:
        try:
            return document, validate(document, model)
        except ConfigError as error:
            if part is None:
                raise
            self.problems += error.problems
        sound = part(document)
        return sound, validate(sound, model)

    def _openapis(self, files: Iterable[tuple[Document, Provider]]) -> dict[str, OpenApi]:
        """The OpenAPI documents that provider files name, those that are sound."""
        openapis = {}
        for name in sorted({name for _, file in files for name in (file.openapi, file.webhooks) if name}):
            place = self.files.place(f"apis/{name}")
            try:
                if (content := self._content(f"apis/{name}", "; make it with `reactor apis import`")) is not None:
                    document = orjson.loads(content)
                    openapis[name] = OpenApi.parse(document if isinstance(document, dict) else {})
            except orjson.JSONDecodeError as error:
                self.problems.append(Problem(place, error.lineno, error.colno, f"found no JSON: {error.msg}"))
            except ConfigError as error:
                self.problems += [replace(problem, file=place) for problem in error.problems]
        return openapis

    def _names(self, pattern: str) -> list[str]:
        try:
            return self.files.names(pattern)
        except OSError as error:
            place = self.files.place(pattern.rpartition("/")[0])
            self.problems.append(Problem(place, 0, 0, f"can't be read: {error.strerror}"))
            return []

    def _content(self, name: str, remedy: str = "") -> bytes | None:
        """A file's bytes, which become part of the revision; None if it can't be read."""
        try:
            self.texts[name] = self.files.read(name)
            if sum(map(len, self.texts.values())) > LARGEST_SUM:
                raise OSError(0, f"makes the directory larger than {LARGEST_SUM} bytes")
        except OSError as error:
            self.problems.append(Problem(self.files.place(name), 0, 0, f"can't be read: {error.strerror}{remedy}"))
            return None
        return self.texts[name]

    def _secrets(self, files: Iterable[tuple[Document, SecretsFile]]) -> dict[str, Secret]:
        secrets = {}
        for document, file in files:
            for name, entry in file.secrets.items():
                if bool(entry.env) == bool(entry.file):
                    found = "both" if entry.env else "neither"
                    message = f"found {found} of `env` and `file`, expected one of them"
                    self.problems.append(document.problem(("secrets", name), message, key=True))
                secrets[name] = Secret(name, entry.env, entry.file, tuple(entry.hosts))
        return secrets

    def _api(
        self,
        name: str,
        document: Document,
        provider: Provider,
        openapis: Mapping[str, OpenApi],
        secrets: Mapping[str, Secret],
    ) -> Api:
        openapi, webhooks = openapis[provider.openapi], openapis.get(provider.webhooks)
        self._check_operations(document, provider, openapi)
        replaced = os.environ.get(provider.server.env, "") if provider.server.env else ""
        server = (replaced or provider.server.url).rstrip("/")
        host = _host(server)
        if not host:
            origin = f" in {provider.server.env}" if replaced else ""
            message = f"found {server!r}{origin}, expected a URL like https://app.daytona.io/api"
            self.problems.append(document.problem(("server",), message))
        key = self._secret(document, ("auth", "bearer"), provider.auth.bearer, secrets) if provider.auth else None
        if key and not replaced and not key.may_go_to(host):
            message = f"found host {host!r}, but secret {key.name} may go to {', '.join(key.hosts)} only"
            self.problems.append(document.problem(("server",), message))
        return Api(name, openapi, webhooks, provider, server, key)

    def _tellers(self, files: Iterable[tuple[Document, Provider]], apis: Mapping[str, Api]) -> dict[str, Api]:
        """The APIs whose server another one tells, with that one; a server from the environment needs no telling."""
        found = {}
        for document, provider in files:
            told, api = provider.server.told_by, apis[Path(document.file).stem]
            if told is None:
                continue
            teller, _, operation = told.operation.partition(".")
            if teller not in apis or operation not in apis[teller].openapi.operations:
                known = [f"{name}.{each}" for name in apis for each in apis[name].openapi.operations]
                message = expected_one_of(told.operation, known)
                self.problems.append(document.problem(("server", "told_by", "operation"), message))
            elif api.key and not api.key.hosts:
                message = (
                    f"found no `hosts` for secret {api.key.name}, expected them: a server is told by {told.operation}"
                )
                self.problems.append(document.problem(("server", "told_by"), message))
            elif api.server == provider.server.url.rstrip("/"):
                found[api.name] = replace(api, teller=apis[teller])
        return found

    def _check_operations(self, document: Document, provider: Provider, openapi: OpenApi) -> None:
        """Every operation a provider file names must be in its document."""
        for path, operation in _operations(provider):
            if operation not in openapi.operations:
                message = expected_one_of(operation, openapi.operations)
                self.problems.append(document.problem(path, message, key=path[-1] == operation))
        for name, create in provider.creates.items():
            if create.resource not in provider.resources:
                message = expected_one_of(create.resource, provider.resources)
                self.problems.append(document.problem(("creates", name, "resource"), message))
            elif not _findable(create, provider.resources[create.resource]):
                message = f"found no `find`, expected it, or `list` and `labels`: did {name} act?"
                self.problems.append(document.problem(("resources", create.resource), message, key=True))

    def _sources(
        self, files: Iterable[tuple[Document, SourcesFile]], apis: Mapping[str, Api], secrets: Mapping[str, Secret]
    ) -> dict[str, SourceEntry]:
        sources = {}
        for document, file in files:
            for name, entry in file.sources.items():
                if entry.api not in apis:
                    self.problems.append(document.problem(("sources", name, "api"), expected_one_of(entry.api, apis)))
                elif name in apis and name != entry.api:
                    message = f"found the name of an API, expected another: its events are about {entry.api}"
                    self.problems.append(document.problem(("sources", name), message, key=True))
                elif name == OURSELVES:
                    message = f"found {name!r}, expected another name: it is that of events that rules emit"
                    self.problems.append(document.problem(("sources", name), message, key=True))
                for number, secret in enumerate(entry.secrets):
                    self._secret(document, ("sources", name, "secrets", number), secret, secrets)
                sources[name] = entry
        return sources

    def _targets(
        self, files: Iterable[tuple[Document, TargetsFile]], secrets: Mapping[str, Secret]
    ) -> dict[str, Secret]:
        targets = {}
        for document, file in files:
            for name, entry in file.targets.items():
                if secret := self._secret(document, ("targets", name, "url"), entry.url, secrets):
                    targets[name] = secret
        return targets

    def _handlers(self) -> Mapping[str, Plugged]:
        try:
            return plugged()
        except ConfigError as error:
            self.problems += error.problems
            return {}

    def _secret(
        self, document: Document, path: tuple[str | int, ...], name: str, secrets: Mapping[str, Secret]
    ) -> Secret | None:
        if name not in secrets:
            self.problems.append(document.problem(path, f"{expected_one_of(name, secrets)} (declared in secrets.yaml)"))
        return secrets.get(name)

    def _policy(self, files: Sequence[tuple[Document, PolicyFile]], apis: Mapping[str, Api]) -> PolicyFile | None:
        """The policy, if there is one."""
        operations = [f"{api.name}.{name}" for api in apis.values() for name in api.openapi.operations]
        for document, file in files:
            self.problems += unknown_names(document, file, operations)
            return file
        return None

    def _strays(self) -> None:
        """Files that somebody takes for rules in force and that are not read."""
        strays = {name: "rename it, files of rules end in .yaml" for name in self._names("rules/*.yml")}
        for folder in self._names("rules/*"):
            if not Path(folder).suffix:
                moved = "move it, files of rules stand in rules/ itself"
                strays |= dict.fromkeys(self._names(f"{folder}/*.yaml"), moved)
        self.problems += [Problem(self.files.place(name), 0, 0, f"is not read: {say}") for name, say in strays.items()]

    def _workflows(self, apis: Mapping[str, Api]) -> tuple[dict[str, WorkflowFile], set[str]]:
        """The Arazzo documents by the names of their files, and the names of those that are broken."""
        workflows, catalog, broken = {}, Catalog(apis), set()
        for path in self._names(f"workflows/*{ARAZZO}"):
            name = Path(path).name.removesuffix(ARAZZO)
            try:
                if (content := self._content(path)) is None:
                    continue
                self.problems += leaks(self.files.place(path), content.decode("utf-8", "replace"))
                document = load_document(content, self.files.place(path))
                program = compile_program(document, catalog.for_document(document))
                self.problems += program.document.warnings
                workflows[name] = WorkflowFile(content, program)
            except ConfigError as error:
                self.problems += error.problems
                broken.add(name)
        return workflows, broken


def _findable(create: Create, resource: Resource) -> bool:
    """Whether what a create made can be found again: by its name, or by its label among all."""
    return bool(resource.find or (resource.listing and resource.labels and create.labels))


def _operations(provider: Provider) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every operation that a provider file names, and where."""
    for kind, resource in provider.resources.items():
        at = ("resources", kind)
        yield (*at, "read"), resource.read
        yield from (((*at, "find", operation), operation) for operation in resource.find)
        yield from (((*at, "replaces_labels", operation), operation) for operation in resource.replaces_labels)
        yield from (((*at, "moves", number), operation) for number, operation in enumerate(resource.moves))
        if resource.listing:
            yield (*at, "list", "operation"), resource.listing.operation
    for section in ("creates", "timeouts", "long_poll"):
        yield from (((section, operation), operation) for operation in getattr(provider, section))
    yield from ((("repeatable", number), operation) for number, operation in enumerate(provider.repeatable))
    yield from ((("arazzo", "operations", name), meant) for name, meant in provider.arazzo.operations.items())


def _host(server: str) -> str:
    """The host of a server's URL; empty for what is no URL."""
    try:
        parts = urlsplit(server)
        return (parts.hostname or "") if parts.scheme in ("http", "https") and parts.port != 0 else ""
    except ValueError:
        return ""


def _revision(texts: Mapping[str, bytes]) -> str:
    """A name for exactly these texts."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()[:12]
