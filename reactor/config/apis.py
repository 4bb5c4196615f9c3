"""Builds the APIs from provider files, OpenAPI documents and secrets, and checks that they fit each other.

Owns where an API's server is, also where the environment replaces it, and to which hosts a key may go. What is wrong is added
to the `problems` given.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Create, Provider, Resource
from reactor.config.declared import secret_at
from reactor.errors import Problem
from reactor.secrets import Secret
from reactor.yaml12 import Document, expected_one_of


def apis_of(
    files: Sequence[tuple[Document, Provider]],
    openapis: Mapping[str, OpenApi],
    secrets: Mapping[str, Secret],
    problems: list[Problem],
) -> dict[str, Api]:
    """The APIs by the names of their files."""
    apis = {
        (name := Path(document.file).stem): _api(name, document, provider, openapis, secrets, problems)
        for document, provider in files
    }
    return apis | _told(files, apis, problems)


def _api(
    name: str,
    document: Document,
    provider: Provider,
    openapis: Mapping[str, OpenApi],
    secrets: Mapping[str, Secret],
    problems: list[Problem],
) -> Api:
    openapi, webhooks = openapis[provider.openapi], openapis.get(provider.webhooks)
    replaced = os.environ.get(provider.server.env, "") if provider.server.env else ""
    server = (replaced or provider.server.url).rstrip("/")
    host = _host(server)
    if not host:
        origin = f" in {provider.server.env}" if replaced else ""
        message = f"found {server!r}{origin}, expected a URL like https://app.daytona.io/api"
        problems.append(document.problem(("server",), message))
    key = secret_at(document, ("auth", "bearer"), provider.auth.bearer, secrets, problems) if provider.auth else None
    if key and not replaced and not key.may_go_to(host):
        message = f"found host {host!r}, but secret {key.name} may go to {', '.join(key.hosts)} only"
        problems.append(document.problem(("server",), message))
    return Api(name, openapi, webhooks, provider, server, key)


def _told(
    files: Sequence[tuple[Document, Provider]], apis: Mapping[str, Api], problems: list[Problem]
) -> dict[str, Api]:
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
            problems.append(document.problem(("server", "told_by", "operation"), message))
        elif api.key and not api.key.hosts:
            message = f"found no `hosts` for secret {api.key.name}, expected them: a server is told by {told.operation}"
            problems.append(document.problem(("server", "told_by"), message))
        elif api.server == provider.server.url.rstrip("/"):
            found[api.name] = replace(api, teller=apis[teller])
    return found


def misfits_of(files: Sequence[tuple[Document, Provider]], openapis: Mapping[str, OpenApi]) -> list[Problem]:
    """What provider files name and their documents have not; of such APIs nothing that refers to them can be told."""
    return [each for document, file in files for each in _misfits(document, file, openapis[file.openapi])]


def _misfits(document: Document, provider: Provider, openapi: OpenApi) -> Iterator[Problem]:
    for path, operation in _operations(provider):
        if operation not in openapi.operations:
            message = expected_one_of(operation, openapi.operations)
            yield document.problem(path, message, key=path[-1] == operation)
    for name, create in provider.creates.items():
        if create.resource not in provider.resources:
            message = expected_one_of(create.resource, provider.resources)
            yield document.problem(("creates", name, "resource"), message)
        elif not _findable(create, provider.resources[create.resource]):
            message = f"found no `find`, expected it, or `list` and `labels`: did {name} act?"
            yield document.problem(("resources", create.resource), message, key=True)


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
