"""What the configured APIs are to workflows: which operation a document means, and what it does to which resource.

Brings together what OpenAPI documents and provider files say. Reads no files and calls nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.openapi import Operation as Described
from reactor.apis.provider import Provider, Resource, look, put
from reactor.errors import ConfigError
from reactor.workflows.apis import DEFAULT_DEADLINE, Kind, Message, Misfits, Operation, Slot
from reactor.workflows.document import Document, OperationRef, Source

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Catalog:
    """The configured APIs, as workflows look operations up in them (`reactor.workflows.apis.Apis`).

    A source means the APIs that know its URL, or else its name. An operation that is said without a source, or with one
    that means no API, is looked for in the APIs of its document's other sources and then in all. Each time a name that
    is exactly an operation's comes before another name that an API declares, and that before one in another case.
    """

    apis: Mapping[str, Api]
    sources: tuple[Source, ...] = ()

    def for_document(self, document: Document) -> "Catalog":
        """The same APIs, for the operations of one document: those that its sources mean come first."""
        return replace(self, sources=tuple(document.sources.values()))

    def operation(self, reference: OperationRef, source: Source | None) -> Operation | None:
        """The operation meant by a document; `source` is None when it does not say where to look.

        Raises ConfigError when it is in several APIs alike: which one is called must not be a guess.
        """
        for apis in self._places(source):
            for rung in _RUNGS:
                found = [(api, named) for api in apis if (named := rung(api, reference))]
                if len(found) > 1:
                    raise ConfigError(_ambiguous(reference, [api.name for api, _ in found]))
                if found:
                    return described(*found[0])
        return None

    def names(self, reference: OperationRef, source: Source | None) -> Iterable[str]:
        """The operations of where one is looked for, in the form in which it is meant: by id, or method and path."""
        searched = {api.name: api for apis in self._places(source) for api in apis}
        operations = [each for api in searched.values() for each in api.openapi.operations.values()]
        return sorted({f"{each.method} {each.path}" if reference.path else each.id for each in operations})

    def message(self, reference: OperationRef, source: Source | None) -> Message | None:
        """The event that is meant by a channel, or by an operation on one: what is called alike but for its punctuation.

        `volume.state.updated` is also `volumeStateUpdated`, `volume/state/updated` and, of an operation,
        `onVolumeStateUpdated`. Raises ConfigError when several APIs have it.
        """
        said = _letters(reference.channel or reference.id or "")
        meant = {said, *(said.removeprefix(word) for word in _HEARING)}
        for apis in self._places(source):
            found = [each for each in _messages(apis) if _letters(each.event) in meant]
            if len({each.api for each in found}) > 1:
                raise ConfigError(_ambiguous(reference, [each.api for each in found]))
            if found:
                return found[0]
        return None

    def messages(self) -> Iterable[str]:
        """All event types, for messages."""
        return sorted({each.event for each in _messages(self.apis.values())})

    def _places(self, source: Source | None) -> Iterator[list[Api]]:
        """Where to look, in order."""
        if source and (meant := self.meant(source)):
            yield meant
            yield [api for api in self.apis.values() if _url_match(api, source)]
            yield self._below(meant)
            return
        names = {api.name for each in self.sources for api in self.meant(each)}
        named = [api for api in self.apis.values() if api.name in names]
        yield named
        yield self._below(named)
        yield list(self.apis.values())

    def _below(self, apis: Iterable[Api]) -> list[Api]:
        """The APIs of the resources of some others, which tell their servers: a sandbox's own, of Daytona."""
        names = {api.name for api in apis}
        servers = ((api, api.provider.server.told_by) for api in self.apis.values())
        return [api for api, told in servers if told and told.operation.partition(".")[0] in names]

    def meant(self, source: Source) -> list[Api]:
        """The APIs that a source means: those that know its URL best, or else its name; of several its name decides."""
        matches = {name: _url_match(api, source) for name, api in self.apis.items()}
        best = max(matches.values(), default=0)
        by_url = [api for name, api in self.apis.items() if best and matches[name] == best]
        by_name = [api for api in by_url or self.apis.values() if _has_name(api, source)]
        return by_name or by_url


def _url_match(api: Api, source: Source) -> int:
    """How well an API knows a source's URL: the length of its longest pattern that fits, 0 for none."""
    fitting = (pattern for pattern in api.provider.arazzo.urls if fnmatchcase(source.url.lower(), pattern))
    return max(map(len, fitting), default=0)


def _has_name(api: Api, source: Source) -> bool:
    return any(fnmatchcase(source.name.lower(), pattern) for pattern in (api.name, *api.provider.arazzo.names))


_HEARING = ("on", "receive")
"""How the names of operations that receive begin."""


def _messages(apis: Iterable[Api]) -> Iterator[Message]:
    """The events of the resources of some APIs."""
    for api in apis:
        for kind, resource in api.provider.resources.items():
            yield from (Message(api.name, kind, event) for event in resource.events)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


# --- which operation is meant: rungs, the surest first ----------------------------------------------------------------


def _exactly(api: Api, reference: OperationRef) -> Described | None:
    return api.openapi.operations.get(reference.id)


def _at_path(api: Api, reference: OperationRef) -> Described | None:
    """By path and method; what a path calls its parameters does not matter. Without a method: the path's only operation."""
    path, method = _anonymous(reference.path), reference.method.upper()
    there = [each for each in api.openapi.operations.values() if _anonymous(each.path) == path]
    meant = [each for each in there if each.method == method] if method else there
    return meant[0] if len(meant) == 1 else None


def _by_another_name(api: Api, reference: OperationRef) -> Described | None:
    return api.openapi.operations.get(api.provider.arazzo.operations.get(reference.id, ""))


def _in_any_case(api: Api, reference: OperationRef) -> Described | None:
    operations = api.openapi.operations.values()
    return next((each for each in operations if each.id.lower() == reference.id.lower()), None)


_RUNGS: Final[tuple[Callable[[Api, OperationRef], Described | None], ...]] = (
    _exactly,
    _at_path,
    _by_another_name,
    _in_any_case,
)


def _anonymous(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


def _ambiguous(reference: OperationRef, apis: Iterable[str]) -> str:
    return (
        f"found {reference} in {' and '.join(apis)}, expected $sourceDescriptions.<name>.{reference} with a source "
        "whose url or name means one of them (`arazzo` in its API file)"
    )


# --- what it does ------------------------------------------------------------------------------------------------------


def described(api: Api, operation: Described) -> Operation:
    """An operation of an API as workflows see it: what it does to which kind of resource."""
    provider, name = api.provider, operation.id
    poll, create = provider.long_poll.get(name), provider.creates.get(name)
    reads = poll.resource if poll else _first(provider, lambda resource: name in (resource.read, *resource.find))
    moves = _first(provider, lambda resource: name in resource.moves)
    about = provider.resources.get(reads or moves)
    by, by_name = _by(operation, about) if about else ("", False)
    return Operation(
        api=api.name,
        id=name,
        method=operation.method,
        reads=_kind(api, reads),
        creates=_kind(api, create.resource if create else ""),
        moves=_kind(api, moves),
        about=_above(api, operation),
        by=by,
        by_name=by_name,
        holds=poll is not None,
        hold=poll.hold if poll else 0.0,
        awaits=_steps(poll.states) if poll else (),
        security=_security(api.openapi),
        deadline=(about and about.deadline) or DEFAULT_DEADLINE,
        slots=tuple(Slot(each.name, each.where, each.required) for each in operation.parameters),
        has_body=operation.body is not None,
        misfits=_misfits(api, operation),
        needs_body=operation.body is not None and operation.body.required,
    )


def _misfits(api: Api, operation: Described) -> Misfits:
    """The body check of an operation. A create without a name gets one when it is performed."""
    create = api.provider.creates.get(operation.id)

    def misfits(body: Any) -> list[tuple[tuple[str | int, ...], str, str]]:
        if create and isinstance(body, Mapping) and not look(create.name, body):
            body = put(create.name, body, "a-name")
        problems = api.openapi.body_problems(operation, body)
        return [(problem.path, str(problem), problem.keyword) for problem in problems]

    return misfits


def _first(provider: Provider, holds: Callable[[Resource], bool]) -> str:
    return next((kind for kind, resource in provider.resources.items() if holds(resource)), "")


def _kind(api: Api, name: str) -> Kind | None:
    if not name:
        return None
    resource = api.provider.resources[name]
    return Kind(
        name=name,
        state=_steps(resource.state),
        id=_steps(resource.id),
        label=_steps(resource.name),
        states=states_of(api, name),
        settled=frozenset(resource.settled),
        failed=frozenset(resource.failed),
        terminal=frozenset(resource.terminal),
        events=tuple(resource.events),
    )


def _by(operation: Described, resource: Resource) -> tuple[str, bool]:
    """The parameter that says which resource; and whether a name will do, as in the one that `find` fills with it."""
    filled = {each: [name for name, path in given.items() if path == "$.name"] for each, given in resource.find.items()}
    known = {parameter.name: parameter.where for parameter in operation.parameters}
    declared = [name for name in (resource.by, *filled.get(operation.id, ())) if name in known]
    in_path = [name for name, where in known.items() if where == "path"]
    by = next(iter(declared or (in_path if len(in_path) == 1 else [])), "")
    return by, any(by in names for names in filled.values())


def _above(api: Api, operation: Described) -> tuple[str, str] | None:
    """The kind of resource that an operation's path lies below, and the parameter that names it."""
    told = api.provider.server.told_by
    if told and api.teller:
        teller = api.teller.openapi.operations[told.operation.partition(".")[2]]
        above = _above(api.teller, teller)
        return (above[0], told.parameter) if above else None
    for kind, resource in api.provider.resources.items():
        filled = resource.find.get(operation.id, {})
        if named := next((name for name, path in filled.items() if path == "$.name"), ""):
            return kind, named
        place = re.match(r"[^{]*{[^}]*}", api.openapi.operations[resource.read].path)
        found = re.match(r"[^{]*{([^}]*)}", operation.path)
        if place and found and not resource.by and _anonymous(place[0]) == _anonymous(found[0]):
            return kind, found[1]
    return None


def states_of(api: Api, kind: str) -> frozenset[str]:
    """All states that a read can show; none where the document does not list them."""
    return _states(api.openapi, api.provider.resources[kind])


def _states(api: OpenApi, resource: Resource) -> frozenset[str]:
    responses = api.operations[resource.read].responses
    shown = [schema for status, schema in responses.items() if schema and status.startswith("2")]
    for name in _steps(resource.state):
        members = (form.get("properties", {}).get(name) for schema in shown for form in _forms(api, schema))
        shown = [schema for schema in members if schema]
    choices = (choice for schema in shown for form in _forms(api, schema) for choice in form.get("enum", ()))
    return frozenset(choice for choice in choices if isinstance(choice, str))


def _forms(api: OpenApi, schema: Schema) -> Iterator[Schema]:
    """A schema and each of its alternatives."""
    resolved = api.resolve(schema)
    yield resolved
    yield from (api.resolve(form) for word in ("anyOf", "oneOf") for form in resolved.get(word, ()))


def _security(api: OpenApi) -> frozenset[tuple[str, str]]:
    """The parameters that are keys. Authorization and cookies authenticate always, so the other schemes add nothing."""
    keys = (scheme for scheme in api.security_schemes.values() if scheme.get("type") == "apiKey")
    return frozenset((key["in"], key["name"].lower() if key["in"] == "header" else key["name"]) for key in keys)


def _steps(path: str) -> tuple[str, ...]:
    """`$.snapshot.id` as the names that lead there."""
    return tuple(path.split(".")[1:])
