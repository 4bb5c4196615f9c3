"""`reactor apis ls` and `reactor apis show`: which APIs and operations there are, and how a rule calls one.

Owns how they are described. Calls nothing, and prints no secret: only its name, and whether it is set.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

import click
import orjson
import yaml

from reactor.apis.client import Api
from reactor.apis.dialect import Json
from reactor.apis.openapi import OpenApi, Operation
from reactor.apis.policy import IDEMPOTENT_METHODS
from reactor.apis.provider import Provider, Resource
from reactor.apis.request import is_json
from reactor.cli.catalog import complete_api, complete_operation, config_option, found, json_option, loaded
from reactor.cli.outline import choices, fields, kind, sample
from reactor.errors import ConfigError, ReactorError
from reactor.yaml12 import expected_one_of

MOST_FIELDS = 200
"""Fields of a body that are shown."""


class _NoAliases(yaml.SafeDumper):
    """Writes YAML as rule files take it: a value that occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Refer to nothing."""
        return True


# --- ls ---------------------------------------------------------------------------------------------------------------


@click.command(
    "ls",
    short_help="List APIs, or the operations of one.",
    epilog="""\b
Examples:
  reactor apis ls                          every API, its server and its key
  reactor apis ls daytona                  its operations
  reactor apis ls daytona '*volume*'       those whose names match, in any case
""",
)
@click.argument("api", required=False, shell_complete=complete_api)
@click.argument("glob", default="*")
@click.option("--deprecated", is_flag=True, help="List deprecated operations, too.")
@config_option
@json_option
def ls_(api: str | None, glob: str, deprecated: bool, config: Path | None, as_json: bool) -> None:
    """List the APIs; with API, its operations: name, method and path. GLOB is a pattern of names, like '*volume*'."""
    apis = loaded(config).apis
    if api is None:
        listed = [_api(each) for each in apis.values()]
        click.echo(orjson.dumps(listed) if as_json else _table(_api_cells(each) for each in listed))
        return
    if api not in apis:
        raise ReactorError(expected_one_of(api, apis))
    matching = [o for o in apis[api].openapi.operations.values() if fnmatchcase(o.id.lower(), glob.lower())]
    if not matching:
        raise ReactorError(f"no operation of {api} is named like {glob!r}; '*volume*' would match any part of a name")
    operations = [_operation(operation) for operation in matching if deprecated or not operation.deprecated]
    if as_json:
        click.echo(orjson.dumps(operations))
        return
    click.echo(_table(_operation_cells(each) for each in operations))
    if hidden := len(matching) - len(operations):
        click.echo(f"{hidden} deprecated: --deprecated lists them, too", err=True)


def _api(api: Api) -> Json:
    operations = api.openapi.operations.values()
    return {
        "api": api.name,
        "title": api.openapi.title,
        "version": api.openapi.version,
        "server": api.server,
        "operations": len(operations),
        "deprecated": sum(operation.deprecated for operation in operations),
        "secret": api.key.name if api.key else None,
        "secret_set": key_is_set(api),
    }


def key_is_set(api: Api) -> bool:
    """Whether calls of an API would carry a key now."""
    try:
        return bool(api.key and api.key.peek())
    except ConfigError:  # a file that can't be read holds no key
        return False


def _api_cells(api: Json) -> tuple[str, ...]:
    key = f"{api['secret']} ({'set' if api['secret_set'] else 'not set'})" if api["secret"] else "no key"
    return api["api"], f"{api['operations']} operations", api["server"], key


def _operation(operation: Operation) -> Json:
    return {
        "name": operation.id,
        "method": operation.method,
        "path": operation.path,
        "deprecated": operation.deprecated,
    }


def _operation_cells(operation: Json) -> tuple[str, ...]:
    return operation["name"], operation["method"], operation["path"], "deprecated" if operation["deprecated"] else ""


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows with their columns aligned."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


# --- show -------------------------------------------------------------------------------------------------------------


@click.command(
    "show",
    short_help="Show what an operation takes, and how a rule calls it.",
    epilog="""\b
Examples:
  reactor apis show daytona.createSandbox
  reactor apis show runloop.waitForDevboxStatus --json | jq .rule
""",
)
@click.argument("operation", metavar="API.OPERATION", shell_complete=complete_operation)
@config_option
@json_option
def show_(operation: str, config: Path | None, as_json: bool) -> None:
    """Show an operation: its parameters, body and replies, what the provider file says of it, and a rule's `do` for it.

    A star marks what is required.
    """
    shown = described(*found(loaded(config), operation))
    click.echo(orjson.dumps(shown) if as_json else "\n".join(told(shown)))


def described(api: Api, operation: Operation) -> Json:
    """Everything there is to say of an operation, as `show --json` prints it."""
    openapi = api.openapi
    return {
        "api": api.name,
        **_operation(operation),
        "server": api.server,
        "parameters": [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.required,
                "type": kind(openapi, parameter.schema),
                "enum": choices(openapi, parameter.schema),
            }
            for parameter in operation.parameters
        ],
        "body": _body(openapi, operation),
        "replies": {status: _reply(openapi, schema) for status, schema in sorted(operation.responses.items())},
        "provider": list(_said(api, operation)),
        "rule": _action(api, operation),
    }


def _body(openapi: OpenApi, operation: Operation) -> Json | None:
    if operation.body is None:
        return None
    schema = operation.body.schema
    listed = list(islice(fields(openapi, schema), MOST_FIELDS + 1)) if schema else []
    return {
        "required": operation.body.required,
        "content_types": list(operation.body.content_types),
        "type": kind(openapi, schema) if schema else "any",
        "fields": [
            {"path": list(field.path), "type": field.type, "required": field.required} for field in listed[:MOST_FIELDS]
        ],
        "more": len(listed) > MOST_FIELDS,
    }


def _reply(openapi: OpenApi, schema: Mapping[str, Any] | None) -> str:
    if not schema:
        return "no JSON"
    names = [field.path[0] for field in fields(openapi, schema, deepest=1)]
    return kind(openapi, schema) + (f": {', '.join(names)}" if names else "")


def _action(api: Api, operation: Operation) -> Json | None:
    """What a rule says to call this, with all that is required; None for a body that can't be sent as JSON."""
    body = operation.body
    if body and body.required and not any(map(is_json, body.content_types)):
        return None
    needed = {p.name: sample(api.openapi, p.schema, p.name) for p in operation.parameters if p.required}
    value = sample(api.openapi, body.schema) if body and body.schema else {}
    return {
        "call": f"{api.name}.{operation.id}",
        **({"parameters": needed} if needed else {}),
        **({"body": value} if value or (body and body.required) else {}),
    }


def _said(api: Api, operation: Operation) -> Iterator[str]:
    """What the provider file says of an operation, in sentences."""
    provider, name = api.provider, operation.id
    if create := provider.creates.get(name):
        found_by = next(iter(provider.resources[create.resource].find), "its label")
        yield f"creates a {create.resource}, once: what a lost reply made is found again by {found_by}"
    elif operation.method not in IDEMPOTENT_METHODS:
        twice = "may be sent twice: a lost reply is asked for again"
        yield twice if name in provider.repeatable else "is sent once: a lost reply ends the job as unknown"
    if poll := provider.long_poll.get(name):
        waits = f"waits for one of the states at {poll.states}, {poll.hold:g} s at most"
        yield f"{waits}; {' or '.join(map(str, poll.still_waiting))} means: not yet"
    for resource_kind, resource in provider.resources.items():
        yield from (f"{verb} {resource_kind}" for verb in _roles(resource, name))
    yield from _other_names(provider, name)
    yield f"may take {api.timeout(operation):g} s"


def _roles(resource: Resource, operation: str) -> Iterator[str]:
    roles: Mapping[str, Sequence[str] | Mapping[str, Any]] = {
        "reads the state of a": [resource.read],
        "finds by name a": resource.find,
        "lists every": [resource.listing.operation] if resource.listing else [],
        "moves to another state a": resource.moves,
    }
    return (verb for verb, operations in roles.items() if operation in operations)


def _other_names(provider: Provider, operation: str) -> Iterator[str]:
    if names := sorted(name for name, meant in provider.arazzo.operations.items() if meant == operation):
        yield f"is called {', '.join(names)} by some Arazzo documents"


# --- show, in words ---------------------------------------------------------------------------------------------------


def told(shown: Json) -> Iterator[str]:
    """The lines that `show` prints of what `described` says."""
    yield f"{shown['api']}.{shown['name']}" + ("  (deprecated)" if shown["deprecated"] else "")
    yield f"  {shown['method']} {shown['server']}{shown['path']}"
    yield from _section("Parameters", [(_starred(p["name"], p), p["in"], p["type"]) for p in shown["parameters"]])
    if body := shown["body"]:
        title = f"Body ({', '.join(body['content_types'])}{', required' if body['required'] else ''})"
        yield from _section(title, [(_nested(field), field["type"]) for field in body["fields"]] or [(body["type"],)])
        yield from ["  … and more"] if body["more"] else []
    yield from _section("Replies", shown["replies"].items())
    yield from _section("Calling it", [(sentence,) for sentence in shown["provider"]])
    if shown["rule"]:
        written = yaml.dump({"do": [shown["rule"]]}, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=1000)
        yield from _section("In a rule", [(line,) for line in written.splitlines()])
    else:
        yield "\nIt can't be called: only JSON can be sent."


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    if rows := list(rows):
        yield f"\n{title}"
        yield from (f"  {line}" for line in _table(rows).splitlines())


def _starred(text: str, thing: Json) -> str:
    return f"{text} *" if thing["required"] else text


def _nested(field: Json) -> str:
    return _starred("  " * (len(field["path"]) - 1) + field["path"][-1], field)
