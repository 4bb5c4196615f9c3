"""The configuration: one checked, immutable snapshot of the whole directory, with a revision.

Owns reading the directory and what only shows when its files are seen together. A load either yields a whole Config or
a ConfigError with every problem of every file; nothing is half loaded.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Provider
from reactor.apis.recognise import recognise
from reactor.errors import ConfigError, Problem
from reactor.events import Event
from reactor.rules.compile import compile_rule
from reactor.rules.match import CompiledRule, Rules
from reactor.rules.model import CallAction, RuleFile
from reactor.secrets import Secret
from reactor.webhook import Source
from reactor.yaml12 import Document, expected_one_of, load, validate

M = TypeVar("M", bound=BaseModel)
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
class Config:
    """One revision of everything that ops teams write."""

    revision: str
    apis: Mapping[str, Api]
    rules: Rules
    source_entries: Mapping[str, SourceEntry]
    secrets: Mapping[str, Secret]

    def api_of(self, source: str) -> Api | None:
        """The API that a source's events are about; None for a source that is no longer configured."""
        entry = self.source_entries.get(source)
        return self.apis[entry.api] if entry else None

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
        secrets = self._secrets()
        apis = self._apis(secrets)
        sources = self._sources(apis, secrets)
        rules = self._rules(apis)
        if self.problems:
            raise ConfigError(*self.problems)
        return Config(self.digest.hexdigest()[:12], apis, Rules(rules), sources, secrets)

    def _read(self, path: Path, model: type[M]) -> tuple[Document, M] | None:
        name = str(path.relative_to(self.directory))
        try:
            content = path.read_bytes()
            self.digest.update(f"{name}\0{len(content)}\0".encode() + content)
            document = load(content, str(path))
            return document, validate(document, model)
        except OSError as error:
            self.problems.append(Problem(str(path), 0, 0, f"can't be read: {error.strerror}"))
        except ConfigError as error:
            self.problems += error.problems
        return None

    def _read_json(self, path: Path) -> OpenApi | None:
        try:
            content = path.read_bytes()
            self.digest.update(content)
            return OpenApi.parse(orjson.loads(content))
        except OSError as error:
            self.problems.append(
                Problem(str(path), 0, 0, f"can't be read: {error.strerror}; make it with `reactor apis import`")
            )
        except (orjson.JSONDecodeError, ConfigError) as error:
            self.problems.append(Problem(str(path), 0, 0, f"is no compact OpenAPI document: {error}"))
        return None

    def _secrets(self) -> dict[str, Secret]:
        read = self._read(self.directory / "secrets.yaml", SecretsFile)
        if read is None:
            return {}
        document, file = read
        for name, entry in file.secrets.items():
            if bool(entry.env) == bool(entry.file):
                self.problems.append(document.problem(("secrets", name), "expected one of `env` and `file`"))
        return {name: Secret(name, e.env, e.file, tuple(e.hosts)) for name, e in file.secrets.items()}

    def _apis(self, secrets: Mapping[str, Secret]) -> dict[str, Api]:
        apis = {}
        for path in sorted((self.directory / "apis").glob("*.yaml")):
            read = self._read(path, Provider)
            if read and (api := self._api(path.stem, *read, secrets)):
                apis[api.name] = api
        return apis

    def _api(self, name: str, document: Document, provider: Provider, secrets: Mapping[str, Secret]) -> Api | None:
        openapi = self._read_json(self.directory / "apis" / provider.openapi)
        webhooks = self._read_json(self.directory / "apis" / provider.webhooks) if provider.webhooks else None
        key = None
        if provider.auth:
            key = self._secret(document, ("auth", "bearer"), provider.auth.bearer, secrets)
        if openapi is None:
            return None
        self._check_operations(document, provider, openapi)
        replaced = os.environ.get(provider.server.env, "") if provider.server.env else ""
        server = (replaced or provider.server.url).rstrip("/")
        host = urlsplit(server).hostname or ""
        if key and key.hosts and not replaced and host not in key.hosts:
            message = f"found host {host!r}, but secret {key.name} may go to {', '.join(key.hosts)} only"
            self.problems.append(document.problem(("server",), message))
        return Api(name, openapi, webhooks, provider, server, key)

    def _check_operations(self, document: Document, provider: Provider, openapi: OpenApi) -> None:
        """Every operation a provider file names must be in its document."""
        for path, operation in _operations(provider):
            if operation not in openapi.operations:
                self.problems.append(document.problem(path, expected_one_of(operation, openapi.operations), key=True))
        for name, create in provider.creates.items():
            if create.resource not in provider.resources:
                message = expected_one_of(create.resource, provider.resources)
                self.problems.append(document.problem(("creates", name, "resource"), message))

    def _sources(self, apis: Mapping[str, Api], secrets: Mapping[str, Secret]) -> dict[str, SourceEntry]:
        read = self._read(self.directory / "sources.yaml", SourcesFile)
        if read is None:
            return {}
        document, file = read
        for name, entry in file.sources.items():
            if entry.api not in apis:
                self.problems.append(document.problem(("sources", name, "api"), expected_one_of(entry.api, apis)))
            for number, secret in enumerate(entry.secrets):
                self._secret(document, ("sources", name, "secrets", number), secret, secrets)
        return dict(file.sources)

    def _secret(
        self, document: Document, path: tuple[str | int, ...], name: str, secrets: Mapping[str, Secret]
    ) -> Secret | None:
        if name not in secrets:
            self.problems.append(document.problem(path, f"{expected_one_of(name, secrets)} (declared in secrets.yaml)"))
        return secrets.get(name)

    def _rules(self, apis: Mapping[str, Api]) -> list[CompiledRule]:
        fields = _Fields(apis)
        compiled: dict[str, CompiledRule] = {}
        for path in sorted((self.directory / "rules").glob("*.yaml")):
            if path.name.endswith(".test.yaml"):
                continue
            read = self._read(path, RuleFile)
            for number, rule in enumerate(read[1].rules if read else ()):
                document = read[0]  # type: ignore[index]  # there are rules, so it was read
                at = ("rules", number)
                if rule.name in compiled:
                    self.problems.append(
                        document.problem((*at, "name"), f"found {rule.name!r} a second time; names are unique")
                    )
                result, faults = compile_rule(rule, fields.of(rule.on))
                self.problems += [document.problem((*at, *fault.path), fault.message) for fault in faults]
                for position, action in enumerate(rule.do):
                    self._check_call(document, (*at, "do", position), action, apis)
                compiled[rule.name] = result
        return list(compiled.values())

    def _check_call(
        self, document: Document, at: tuple[str | int, ...], action: CallAction, apis: Mapping[str, Api]
    ) -> None:
        """The API and the operation exist, and the parameters are the operation's."""
        name, _, operation = action.call.partition(".")
        if name not in apis:
            self.problems.append(document.problem((*at, "call"), expected_one_of(name, apis)))
            return
        known = apis[name].openapi.operations
        if operation not in known:
            self.problems.append(document.problem((*at, "call"), expected_one_of(operation, known)))
            return
        parameters = {parameter.name: parameter for parameter in known[operation].parameters}
        for given in set(action.parameters) - set(parameters):
            message = expected_one_of(given, parameters)
            self.problems.append(document.problem((*at, "parameters", given), message, key=True))
        missing = sorted(n for n, p in parameters.items() if p.required and n not in action.parameters)
        if missing:
            self.problems.append(document.problem(at, f"{operation} needs the parameters {', '.join(missing)}"))


class _Fields:
    """The fields that events of a type have, from the webhook documents of all APIs."""

    def __init__(self, apis: Mapping[str, Api]) -> None:
        self._documents = [api.webhooks for api in apis.values() if api.webhooks]

    def of(self, globs: list[str]) -> dict[str, str]:
        """Field names and simple types; empty for event types that no document knows."""
        fields: dict[str, str] = {}
        for document in self._documents:
            types = [known for known in document.webhooks if any(fnmatchcase(known, glob) for glob in globs)]
            for name, schema in document.event_fields(types).items():
                kind = schema.get("type", "string" if "enum" in schema else "")
                fields[name] = kind if isinstance(kind, str) else ""
        return fields


def _operations(provider: Provider) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for kind, resource in provider.resources.items():
        yield ("resources", kind, "read"), resource.read
        for operation in resource.find:
            yield ("resources", kind, "find", operation), operation
    for section in ("creates", "timeouts"):
        for operation in getattr(provider, section):
            yield (section, operation), operation
    for number, operation in enumerate(provider.repeatable):
        yield ("repeatable", number), operation


def _place(secret: Secret) -> str:
    return secret.env or secret.file
