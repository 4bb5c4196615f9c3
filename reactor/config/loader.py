"""Loads a configuration: from its directory, or from the texts that were kept of an earlier revision.

Owns the order: each file by itself (`reading`), then all together. A load yields a whole Config, or a ConfigError with every
problem of every file; nothing is half loaded.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Provider
from reactor.catalog import Catalog
from reactor.checks.rules import Known
from reactor.config.apis import apis_of, misfits_of
from reactor.config.declared import secrets_of, sources_of, targets_of
from reactor.config.files import Directory, Kept
from reactor.config.model import Config, QueuesFile, SecretsFile, SourcesFile, TargetsFile, WorkflowFile
from reactor.config.policy import PolicyFile, unknown_names
from reactor.config.reading import Reading
from reactor.config.rulebook import Written, compile_rules, written
from reactor.errors import ConfigError, Problem
from reactor.plugins import Plugged, plugged
from reactor.review import leaks
from reactor.rules.ruleset import Rules
from reactor.workflows.program import load_program
from reactor.yaml12 import Document

ARAZZO = ".arazzo.yaml"
"""How the names of Arazzo documents end."""


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
    return _load(Reading(Directory(directory)))


def inspect(directory: Path) -> Inspection:
    """Read, check and compile a configuration directory, for a person: nothing of what is found is left out."""
    reading = Reading(Directory(directory))
    try:
        config = _load(reading)
    except ConfigError:
        config = None
    texts = {reading.files.place(name): text for name, text in reading.texts.items()}
    return Inspection(config, tuple(reading.told()), texts)


def load_kept(revision: str, texts: Mapping[str, bytes]) -> Config:
    """A configuration as it was, from the texts kept of a revision. Raises ConfigError with every problem.

    Servers that the environment names are those of today.
    """
    return _load(Reading(Kept(revision, texts)))


@dataclass(frozen=True)
class _Parsed:
    """The files of each kind that are sound by themselves, each with its document; no more than one of some kinds.

    Of rules each is there by itself, also those that are not sound, as they were meant.
    """

    secrets: list[tuple[Document, SecretsFile]]
    sources: list[tuple[Document, SourcesFile]]
    targets: list[tuple[Document, TargetsFile]]
    queues: list[tuple[Document, QueuesFile]]
    providers: list[tuple[Document, Provider]]
    openapis: dict[str, OpenApi]
    policies: list[tuple[Document, PolicyFile]]
    rules: list[Written]


def _load(reading: Reading) -> Config:
    """Each file by itself, then all together: what refers to a broken file is not to blame for it."""
    return _composed(_parsed(reading), reading)


def _parsed(reading: Reading) -> _Parsed:
    """Read each file by itself. Raises ConfigError when one is broken that others refer to; rules are referred to by none."""
    secrets = reading.models(["secrets.yaml"], SecretsFile)
    sources = reading.models(["sources.yaml"], SourcesFile)
    targets = reading.models(reading.names("targets.yaml"), TargetsFile)
    queues = reading.models(reading.names("queues.yaml"), QueuesFile)
    providers = reading.models(reading.names("apis/*.yaml"), Provider)
    policies = reading.models(reading.names("policy.yaml"), PolicyFile)
    openapis = reading.openapis(providers)
    sound = not reading.errors()
    files = reading.documents(reading.names("rules/*.yaml"))
    rules = [rule for document in files for rule in written(document, reading.problems)]
    reading.strays()
    if not sound:
        reading.raise_errors()
    return _Parsed(secrets, sources, targets, queues, providers, openapis, policies, rules)


def _composed(parsed: _Parsed, reading: Reading) -> Config:
    """Put all together, and check what only shows then. Raises ConfigError with every error of the whole reading."""
    problems = reading.problems
    secrets = secrets_of(parsed.secrets, problems)
    apis = apis_of(parsed.providers, parsed.openapis, secrets, problems)
    sources = sources_of(parsed.sources, apis, secrets, problems)
    targets, handlers = targets_of(parsed.targets, secrets, problems), _handlers(problems)
    if misfits := misfits_of(parsed.providers, parsed.openapis):
        problems += misfits
        reading.raise_errors()
    workflows, broken = _workflows(reading, apis)
    programs = {name: file.program for name, file in workflows.items()}
    queues = {name: entry for _, file in parsed.queues for name, entry in file.queues.items()}
    known = Known(apis, programs, secrets, targets, handlers, queues)
    rules, found = compile_rules(parsed.rules, known, broken, _policy(parsed.policies, known, problems))
    problems += found
    reading.raise_errors()
    return Config(
        _revision(reading.texts),
        apis,
        Rules(rules),
        sources,
        secrets,
        workflows,
        targets,
        handlers,
        queues,
        reading.texts,
        warnings=tuple(reading.told()),
    )


def _handlers(problems: list[Problem]) -> Mapping[str, Plugged]:
    try:
        return plugged()
    except ConfigError as error:
        problems += error.problems
        return {}


def _policy(files: Sequence[tuple[Document, PolicyFile]], known: Known, problems: list[Problem]) -> PolicyFile | None:
    """The policy, if there is one."""
    operations = [f"{api.name}.{name}" for api in known.apis.values() for name in api.openapi.operations]
    for document, file in files:
        problems += unknown_names(document, file, operations, known.queues)
        return file
    return None


def _workflows(reading: Reading, apis: Mapping[str, Api]) -> tuple[dict[str, WorkflowFile], set[str]]:
    """The Arazzo documents by the names of their files, and the names of those that are broken."""
    workflows, catalog, broken = {}, Catalog(apis), set()
    for path in reading.names(f"workflows/*{ARAZZO}"):
        name = Path(path).name.removesuffix(ARAZZO)
        try:
            if (content := reading.content(path)) is None:
                continue
            reading.problems += leaks(reading.files.place(path), content.decode("utf-8", "replace"))
            program = load_program(content, reading.files.place(path), catalog.for_document)
            reading.problems += program.document.warnings
            workflows[name] = WorkflowFile(content, program)
        except ConfigError as error:
            reading.problems += error.problems
            broken.add(name)
    return workflows, broken


def _revision(texts: Mapping[str, bytes]) -> str:
    """A name for exactly these texts."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()[:12]
