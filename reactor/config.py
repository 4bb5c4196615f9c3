"""The configuration: one checked, immutable snapshot of the whole directory, with a revision.

Owns reading the directory and what only shows when its files are seen together. A load either yields a whole Config or
a ConfigError with every problem of every file; nothing is half loaded.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Create, Provider, Resource
from reactor.apis.recognise import recognise
from reactor.catalog import Catalog
from reactor.checks import EventFields, call_faults, loop_faults, run_faults
from reactor.errors import ConfigError, Problem
from reactor.events import Event
from reactor.rules.compile import compile_rule
from reactor.rules.match import CompiledCall, CompiledRule, Rules
from reactor.rules.model import RuleFile
from reactor.secrets import Secret
from reactor.webhook import Source
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program
from reactor.yaml12 import Document, expected_one_of, load, validate

M = TypeVar("M", bound=BaseModel)
ARAZZO = ".arazzo.yaml"
"""How the names of Arazzo documents end."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]


class Model(BaseModel):
    """Base of the files below: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SecretEntry(Model):
    """Where a secret is: exactly one of `env` and `file`, and the hosts it may be sent to."""

    env: str = ""
    file: str = ""
    hosts: list[str] = []


class SecretsFile(Model):
    """`secrets.yaml`."""

    secrets: dict[str, SecretEntry]


class Organization(Model):
    """The organization's id, or the environment variable that has it."""

    id: str = ""
    env: str = ""

    def read(self) -> str:
        """The id as it is now; empty when there is none."""
        return self.id or os.environ.get(self.env, "").strip()


def _organization(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class SourceEntry(Model):
    """A sender of webhooks: which API its events are about, its organization and its secrets by name."""

    api: str
    organization: Annotated[Organization, BeforeValidator(_organization)]
    secrets: list[str] = Field(min_length=1)
    headers: Literal["svix", "webhook", "either"] = "svix"


class SourcesFile(Model):
    """`sources.yaml`."""

    sources: dict[Name, SourceEntry] = Field(min_length=1)


@dataclass(frozen=True)
class WorkflowFile:
    """An Arazzo document of `workflows/`: its text, which runs keep, and what it is for the configured APIs."""

    text: bytes
    program: Program

    def chosen(self, workflow_id: str) -> str:
        """The workflow that is meant; the first one when none is named."""
        return workflow_id or next(iter(self.program.document.workflows))


@dataclass(frozen=True)
class Config:
    """One revision of everything that ops teams write."""

    revision: str
    apis: Mapping[str, Api]
    rules: Rules
    source_entries: Mapping[str, SourceEntry]
    secrets: Mapping[str, Secret]
    workflows: Mapping[str, WorkflowFile]

    def api_of(self, source: str) -> Api | None:
        """The API that a source's events are about; None for a source that is no longer configured."""
        entry = self.source_entries.get(source)
        return self.apis[entry.api] if entry else None

    def table(self, source: str) -> str:
        """Whose state table a source's events are entered into: its API's, for all sources of the API's organization.

        An API is called for one organization, that of its first source. What is said of another's resources is kept
        apart under the source's own name: their names may be the same.
        """
        entry = self.source_entries.get(source)
        if entry is None:
            return source
        first = next(each for each in self.source_entries.values() if each.api == entry.api)
        return entry.api if entry.organization == first.organization else source

    def recognise(self, event: Event) -> Event:
        """The event with its type also where the payload does not say it."""
        return recognise(event, [api.webhooks for api in self.apis.values() if api.webhooks])

    def sources(self) -> dict[str, Source]:
        """The sources with their secrets, ready to verify. Raises ConfigError: secret or organization missing or wrong."""
        built: dict[str, Source] = {}
        problems: list[Problem] = []
        for name, entry in self.source_entries.items():
            try:
                built[name] = self._source(name, entry)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)
        return built

    def _source(self, name: str, entry: SourceEntry) -> Source:
        organization = entry.organization.read()
        if not organization:
            raise ConfigError(f"source {name} has no organization: set {entry.organization.env or 'organization'}")
        values = [value for secret in entry.secrets if (value := self.secrets[secret].peek())]
        if not values:
            raise ConfigError(
                f"source {name} has no secret: set one of {', '.join(_place(self.secrets[s]) for s in entry.secrets)} "
                "to the signing secret (whsec_…) of the webhook endpoint"
            )
        return Source.build(name, organization, values, headers=entry.headers)


def load_config(directory: Path) -> Config:
    """Read, check and compile a configuration directory. Raises ConfigError with every problem."""
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory: set REACTOR_CONFIG, or run where `config/` is")
    return _Loader(directory).load()


class _Loader:
    """Collects problems over all files, so that one look tells everything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.problems: list[Problem] = []
        self.digest = hashlib.sha256()

    def load(self) -> Config:
        """Each file by itself, then all together: what refers to a broken file is not to blame for it."""
        secret_files = self._read([self.directory / "secrets.yaml"], SecretsFile)
        source_files = self._read([self.directory / "sources.yaml"], SourcesFile)
        provider_files = self._read(self.directory.glob("apis/*.yaml"), Provider)
        rule_files = self._read(self.directory.glob("rules/*.yaml"), RuleFile)
        for path in self.directory.glob("rules/*.yml"):
            self.problems.append(Problem(str(path), 0, 0, "is not read: rename it, files of rules end in .yaml"))
        openapis = self._openapis(provider_files)
        self._raise_problems()
        secrets = self._secrets(secret_files)
        apis = {
            (name := Path(document.file).stem): self._api(name, document, provider, openapis, secrets)
            for document, provider in provider_files
        }
        apis |= self._tellers(provider_files, apis)
        sources = self._sources(source_files, apis, secrets)
        workflows = self._workflows(apis)
        rules = self._rules(rule_files, apis, workflows, secrets)
        self._raise_problems()
        return Config(self.digest.hexdigest()[:12], apis, Rules(rules), sources, secrets, workflows)

    def _raise_problems(self) -> None:
        if self.problems:
            raise ConfigError(*self.problems)

    def _read(self, paths: Iterable[Path], model: type[M]) -> list[tuple[Document, M]]:
        """The files that are sound, each as its document and its model."""
        files = []
        for path in sorted(path for path in paths if not path.name.endswith(".test.yaml")):
            try:
                if (content := self._content(path)) is not None:
                    document = load(content, str(path))
                    files.append((document, validate(document, model)))
            except ConfigError as error:
                self.problems += error.problems
        return files

    def _openapis(self, files: Iterable[tuple[Document, Provider]]) -> dict[str, OpenApi]:
        """The OpenAPI documents that provider files name, those that are sound."""
        openapis = {}
        for name in sorted({name for _, file in files for name in (file.openapi, file.webhooks) if name}):
            path = self.directory / "apis" / name
            try:
                if (content := self._content(path, "; make it with `reactor apis import`")) is not None:
                    document = orjson.loads(content)
                    openapis[name] = OpenApi.parse(document if isinstance(document, dict) else {})
            except orjson.JSONDecodeError as error:
                self.problems.append(Problem(str(path), error.lineno, error.colno, f"found no JSON: {error.msg}"))
            except ConfigError as error:
                self.problems += [replace(problem, file=str(path)) for problem in error.problems]
        return openapis

    def _content(self, path: Path, remedy: str = "") -> bytes | None:
        """A file's bytes, which become part of the revision; None if it can't be read."""
        try:
            content = path.read_bytes()
        except OSError as error:
            self.problems.append(Problem(str(path), 0, 0, f"can't be read: {error.strerror}{remedy}"))
            return None
        self.digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
        return content

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
                for number, secret in enumerate(entry.secrets):
                    self._secret(document, ("sources", name, "secrets", number), secret, secrets)
                sources[name] = entry
        return sources

    def _secret(
        self, document: Document, path: tuple[str | int, ...], name: str, secrets: Mapping[str, Secret]
    ) -> Secret | None:
        if name not in secrets:
            self.problems.append(document.problem(path, f"{expected_one_of(name, secrets)} (declared in secrets.yaml)"))
        return secrets.get(name)

    def _workflows(self, apis: Mapping[str, Api]) -> dict[str, WorkflowFile]:
        """The Arazzo documents by the names of their files. Raises ConfigError if one is broken."""
        workflows, catalog, broken = {}, Catalog(apis), False
        for path in sorted(self.directory.glob(f"workflows/*{ARAZZO}")):
            try:
                if (content := self._content(path)) is not None:
                    document = load_document(content, str(path))
                    program = compile_program(document, catalog.for_document(document))
                    workflows[path.name.removesuffix(ARAZZO)] = WorkflowFile(content, program)
            except ConfigError as error:
                self.problems += error.problems
                broken = True
        if broken:
            self._raise_problems()
        return workflows

    def _rules(
        self,
        files: Iterable[tuple[Document, RuleFile]],
        apis: Mapping[str, Api],
        workflows: Mapping[str, WorkflowFile],
        secrets: Mapping[str, Secret],
    ) -> list[CompiledRule]:
        programs = {name: file.program for name, file in workflows.items()}
        fields = EventFields(apis.values())
        compiled: dict[str, CompiledRule] = {}
        for document, file in files:
            for number, rule in enumerate(file.rules):
                at = ("rules", number)
                if rule.name in compiled:
                    message = f"found {rule.name!r} a second time, expected a name of its own"
                    self.problems.append(document.problem((*at, "name"), message))
                compiled[rule.name], faults = compile_rule(rule, fields.types(rule.on), fields.choices(rule.on))
                faults += fields.mistyped(rule.on)
                for position, action in enumerate(compiled[rule.name].actions):
                    found = (
                        [*call_faults(action, apis), *loop_faults(rule, action, apis)]
                        if isinstance(action, CompiledCall)
                        else run_faults(action, programs, secrets)
                    )
                    faults += [replace(f, path=("do", position, *f.path)) for f in found]
                self.problems += [document.problem((*at, *f.path), f.message, key=f.key) for f in faults]
        return list(compiled.values())


def _findable(create: Create, resource: Resource) -> bool:
    """Whether what a create made can be found again: by its name, or by its label among all."""
    return bool(resource.find or (resource.listing and resource.labels and create.labels))


def _operations(provider: Provider) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every operation that a provider file names, and where."""
    for kind, resource in provider.resources.items():
        at = ("resources", kind)
        yield (*at, "read"), resource.read
        yield from (((*at, "find", operation), operation) for operation in resource.find)
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


def _place(secret: Secret) -> str:
    return secret.env or secret.file
