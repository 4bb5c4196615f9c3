"""What is declared by name for other files to use: secrets, sources of webhooks, targets. Pure.

Owns checking that what they name is there. What is wrong is added to the `problems` given.
"""

from collections.abc import Iterable, Mapping

from reactor.apis.client import Api
from reactor.config.model import SecretsFile, SourceEntry, SourcesFile, TargetsFile
from reactor.errors import Problem
from reactor.events import OURSELVES
from reactor.secrets import Secret
from reactor.yaml12 import Document, expected_one_of


def secrets_of(files: Iterable[tuple[Document, SecretsFile]], problems: list[Problem]) -> dict[str, Secret]:
    """The secrets by name."""
    secrets = {}
    for document, file in files:
        for name, entry in file.secrets.items():
            if bool(entry.env) == bool(entry.file):
                found = "both" if entry.env else "neither"
                message = f"found {found} of `env` and `file`, expected one of them"
                problems.append(document.problem(("secrets", name), message, key=True))
            secrets[name] = Secret(name, entry.env, entry.file, tuple(entry.hosts))
    return secrets


def sources_of(
    files: Iterable[tuple[Document, SourcesFile]],
    apis: Mapping[str, Api],
    secrets: Mapping[str, Secret],
    problems: list[Problem],
) -> dict[str, SourceEntry]:
    """The sources by name."""
    sources = {}
    for document, file in files:
        for name, entry in file.sources.items():
            if entry.api not in apis:
                problems.append(document.problem(("sources", name, "api"), expected_one_of(entry.api, apis)))
            elif name in apis and name != entry.api:
                message = f"found the name of an API, expected another: its events are about {entry.api}"
                problems.append(document.problem(("sources", name), message, key=True))
            elif name == OURSELVES:
                message = f"found {name!r}, expected another name: it is that of events that rules emit"
                problems.append(document.problem(("sources", name), message, key=True))
            for number, secret in enumerate(entry.secrets):
                secret_at(document, ("sources", name, "secrets", number), secret, secrets, problems)
            sources[name] = entry
    return sources


def targets_of(
    files: Iterable[tuple[Document, TargetsFile]], secrets: Mapping[str, Secret], problems: list[Problem]
) -> dict[str, Secret]:
    """The secret that is the URL of each target, by the target's name."""
    targets = {}
    for document, file in files:
        for name, entry in file.targets.items():
            if secret := secret_at(document, ("targets", name, "url"), entry.url, secrets, problems):
                targets[name] = secret
    return targets


def secret_at(
    document: Document, path: tuple[str | int, ...], name: str, secrets: Mapping[str, Secret], problems: list[Problem]
) -> Secret | None:
    """The secret that a file names at a place; None when nobody declares it."""
    if name not in secrets:
        problems.append(document.problem(path, f"{expected_one_of(name, secrets)} (declared in secrets.yaml)"))
    return secrets.get(name)
