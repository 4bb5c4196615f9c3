"""`reactor apis call`: one operation, called by hand as a rule would call it.

Owns reading parameters and body from the command line, and showing the request without its key. Sending is
`apis.client`'s.
"""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from reactor.apis.client import Api, ApiClient
from reactor.apis.openapi import OpenApi, Operation
from reactor.apis.policy import Reply
from reactor.apis.request import Parameter, build_request
from reactor.cli.apis_show import key_is_set
from reactor.cli.catalog import complete_operation, config_option, found, json_option, loaded, settings_of
from reactor.cli.outline import alternatives, choices, fields, types
from reactor.cli.shown import print_json, yes_option
from reactor.errors import PermanentError, ReactorError
from reactor.yaml12 import expected_one_of, load

_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
}


@click.command(
    "call",
    short_help="Call an operation by hand.",
    epilog="""\b
Examples:
  reactor apis call daytona.getVolume volumeId=vol-1
  reactor apis call daytona.createVolume --body '{"name": "build-1"}' --dry-run
  reactor apis call daytona.createSandbox --body sandbox.yaml --yes --json
  reactor apis call daytona.listSandboxes states=started states=error
""",
)
@click.argument("operation", metavar="API.OPERATION", shell_complete=complete_operation)
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--body", metavar="FILE|-|JSON", help="The body: a JSON or YAML file, - for standard input, or JSON itself."
)
@click.option("--dry-run", is_flag=True, help="Show the request and send nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Show the request, too, on standard error.")
@yes_option
@config_option
@json_option
def call_(
    operation: str,
    words: tuple[str, ...],
    body: str | None,
    dry_run: bool,
    verbose: bool,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Call an operation with parameters by name, and print the status and the body of its reply.

    An array is its parameter repeated. What does not fit the API's document is refused before anything is sent; on a
    terminal, a call that creates or deletes asks first. The exit status is 1 when the call did not succeed.
    """
    api, described = found(loaded(config), operation)
    parameters, content = typed(api.openapi, described, words), None if body is None else _body(body)
    request = request_of(api, described, parameters, content)
    if dry_run:
        click.echo(shown(request, as_json))
        return
    if verbose:
        click.echo(shown(request, False) + "\n", err=True)
    if not yes and sys.stdin.isatty() and (described.id in api.provider.creates or described.method == "DELETE"):
        click.confirm(f"Call {operation} at {api.server}?", abort=True, err=True)
    reply = asyncio.run(_sent(api, described, parameters, content, settings_of(config).private))
    if as_json:
        print_json({"status": reply.status, "body": reply.data})
    else:
        click.echo(_answer(reply))


def _answer(reply: Reply) -> str:
    return f"{reply.status}\n{_pretty(reply.data)}" if reply.data is not None else str(reply.status)


def _pretty(data: Any) -> str:
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()


async def _sent(
    api: Api, operation: Operation, parameters: Mapping[str, Any], body: Any, private: Iterable[str]
) -> Reply:
    client = ApiClient(connections=1, private=private)
    try:
        return await client.call(api, operation.id, parameters, body)
    finally:
        await client.close()


# --- the request ------------------------------------------------------------------------------------------------------


def request_of(api: Api, operation: Operation, parameters: Mapping[str, Any], body: Any) -> dict[str, Any]:
    """What would be sent, with the key's name in place of the key. Raises PermanentError for what would be refused."""
    problems = api.openapi.check_body(operation, body) if body is not None else []
    if problems:
        raise PermanentError(f"{operation.id} can't be called: {'; '.join(problems)}")
    request = build_request(operation, parameters, body, api.server)
    key = {"Authorization": f"Bearer *** ({_key(api)})"} if api.key else {}
    return {"method": request.method, "url": request.url, "headers": {**request.headers, **key}, "body": body}


def _key(api: Api) -> str:
    return f"secret {api.key.name if api.key else ''}, {'set' if key_is_set(api) else 'not set'}"


def shown(request: Mapping[str, Any], as_json: bool) -> str:
    """A request as it goes out, or as one JSON object."""
    if as_json:
        return orjson.dumps(request).decode()
    headers = [f"{name}: {value}" for name, value in request["headers"].items()]
    body = ["", _pretty(request["body"])] if request["body"] is not None else []
    return "\n".join([f"{request['method']} {request['url']}", *headers, *body])


def _body(place: str) -> Any:
    """The body that `--body` names. Raises ReactorError, ConfigError with the place of a mistake."""
    if place.lstrip().startswith(("{", "[", '"')):
        content, place = place.encode(), "--body"
    elif place == "-":
        content, place = sys.stdin.buffer.read(), "standard input"
    else:
        try:
            content = Path(place).read_bytes()
        except OSError as error:
            raise ReactorError(
                f"--body {place}: can't be read: {error.strerror}; expected a file, - or JSON"
            ) from error
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return load(content, place).data


# --- parameters -------------------------------------------------------------------------------------------------------


def typed(openapi: OpenApi, operation: Operation, words: Iterable[str]) -> dict[str, Any]:
    """The parameters that words like `limit=5` give, each as its schema has it. Raises ReactorError."""
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ReactorError(f"found {word!r}, expected a parameter as KEY=VALUE")
        given.setdefault(name, []).append(text)
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name in given:
        if name not in known:
            raise ReactorError(f"parameter: {expected_one_of(name, known)}{_hint(openapi, operation, name)}")
    return {name: _value(openapi, known[name], texts) for name, texts in given.items()}


def _hint(openapi: OpenApi, operation: Operation, name: str) -> str:
    schema = operation.body.schema if operation.body else None
    in_body = schema and any(field.path == (name,) for field in fields(openapi, schema, deepest=1))
    return f"; it is a field of the body: --body '{{\"{name}\": …}}'" if in_body else ""


def _value(openapi: OpenApi, parameter: Parameter, texts: list[str]) -> Any:
    allowed = types(openapi, parameter.schema)
    if "array" in allowed:
        items: Mapping[str, Any] = next(
            (each["items"] for each in alternatives(openapi, parameter.schema) if "items" in each), {}
        )
        return [_scalar(openapi, parameter.name, items, text) for text in texts]
    if len(texts) > 1:
        raise ReactorError(f"found parameter {parameter.name!r} {len(texts)} times, expected it once: it is no array")
    return _scalar(openapi, parameter.name, parameter.schema, texts[0])


def _scalar(openapi: OpenApi, name: str, schema: Mapping[str, Any], text: str) -> Any:
    """The value that a text stands for."""
    allowed = types(openapi, schema)
    value = text if "string" in allowed or not allowed else _parsed(name, allowed, text)
    if (only := choices(openapi, schema)) and value not in only:
        raise ReactorError(f"parameter {name!r}: {expected_one_of(text, (str(choice) for choice in only))}")
    return value


def _parsed(name: str, allowed: list[str], text: str) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    for each in allowed:
        if isinstance(value, _PYTHON_TYPES.get(each, ())) and isinstance(value, bool) == (each == "boolean"):
            return value
    raise ReactorError(f"parameter {name!r}: found {text!r}, expected {' or '.join(allowed)}")
