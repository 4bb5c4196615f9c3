"""How a call of an operation is spelled as an HTTP request. Pure: sends nothing, knows no credentials.

Owns the encoding of parameters by OpenAPI's styles. A value never changes the path, the query or the headers beyond its
own place.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from reactor.apis.form import FORM, encode_form
from reactor.errors import PermanentError
from reactor.yaml12 import expected_one_of

STYLES: Mapping[str, tuple[str, ...]] = {
    "path": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""The styles that can be spelled, by place; the first is the default (OpenAPI 3.1, section 4.8.12)."""

_SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `where` is path, query, header or cookie; `style` is OpenAPI's, or json for one holding JSON."""

    name: str
    where: str
    required: bool
    schema: Mapping[str, Any]
    style: str
    explode: bool


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: the schema of its JSON form (None if it has none), and the content types it may have.

    `files` are the fields of its multipart form that are files.
    """

    schema: Mapping[str, Any] | None
    required: bool
    content_types: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing an API can be asked to do; `responses` are schemas by status ("200", "4XX", "default").

    `replies` are the content types that a success may have; none where the document does not say.
    """

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    responses: Mapping[str, Mapping[str, Any] | None]
    deprecated: bool
    security: tuple[Mapping[str, Any], ...]
    replies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to be sent as it is: the URL is encoded already and must not be normalised again."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None


def is_json(content_type: str) -> bool:
    """Whether a content type is JSON: application/json, or a type ending in +json."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def build_request(operation: Operation, parameters: Mapping[str, Any], body: Any, server: str) -> Request:
    """The request that calls `operation` at `server`. A parameter or a body of None is one not given.

    Two parameters of one name in different places get the same value.
    Raises PermanentError with everything that is missing, unknown or can't be spelled.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    problems = [*_misnamed(operation, given), *_unsendable(operation, body)]
    spelled: dict[str, dict[str, str]] = {where: {} for where in _SPELLED}
    for parameter in operation.parameters:
        if parameter.name in given:
            try:
                spelled[parameter.where][parameter.name] = _SPELLED[parameter.where](parameter, given[parameter.name])
            except ValueError as error:
                problems.append(f"parameter {parameter.name!r}: {error}")
    if problems:
        raise PermanentError(f"{operation.id} can't be called: {'; '.join(problems)}")
    query = "&".join(filter(None, spelled["query"].values()))
    url = f"{server.rstrip('/')}{_filled(operation, spelled['path'])}{'?' if query else ''}{query}"
    headers = spelled["header"] | ({"Cookie": "; ".join(spelled["cookie"].values())} if spelled["cookie"] else {})
    if body is None:
        return Request(operation.method, url, headers, None)
    content_type, content = _content(operation, body)
    return Request(operation.method, url, headers | {"Content-Type": content_type}, content)


def _content(operation: Operation, body: Any) -> tuple[str, bytes]:
    """The body's content type and content. Raises PermanentError for what can't be written."""
    if kind := _json_type(operation):
        return kind, _json("the body", body)
    try:
        return encode_form(body, operation.body.files if operation.body else ())
    except (ValueError, TypeError) as error:
        raise PermanentError(f"{operation.id} can't be called: {error}") from error


def _misnamed(operation: Operation, given: Mapping[str, Any]) -> Iterator[str]:
    known = {parameter.name: parameter.required for parameter in operation.parameters}
    for name in given:
        if name not in known:
            yield f"parameter: {expected_one_of(name, known)}"
    for name, required in known.items():
        if required and name not in given:
            yield f"found no parameter {name!r}, expected it: it is required"


def _unsendable(operation: Operation, body: Any) -> Iterator[str]:
    if body is None and operation.body and operation.body.required:
        yield "found no body, expected one: it is required"
    if body is not None and operation.body is None:
        yield "found a body, expected none"
    if body is None or not operation.body or _json_type(operation):
        return
    if FORM not in operation.body.content_types:
        yield f"found a body for {', '.join(operation.body.content_types)}, expected JSON or a form: nothing else can be sent"
    elif not isinstance(body, Mapping):
        yield "found a body that is no object, expected the fields of a form by their names"


def _json_type(operation: Operation) -> str:
    return next((kind for kind in operation.body.content_types if is_json(kind)), "") if operation.body else ""


def _filled(operation: Operation, values: Mapping[str, str]) -> str:
    """The path with its values in place, one segment staying one segment. Raises PermanentError for `.` and `..`."""
    path = operation.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)  # a value holds no braces: they are encoded
    if any(segment in (".", "..") for segment in path.split("/")):
        raise PermanentError(f"{operation.id} can't be called: the path {path} would lead elsewhere")
    return path


# --- spelling ---------------------------------------------------------------------------------------------------------


def _path_text(parameter: Parameter, value: Any) -> str:
    if not (text := _simple(parameter, value, _percent_encoded)):
        raise ValueError("found nothing, expected a text: the path would lead elsewhere")
    return text


def _header_text(parameter: Parameter, value: Any) -> str:
    text = _simple(parameter, value, str)
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("found a line break or a character outside ASCII, expected a header's text")
    return text


def _simple(parameter: Parameter, value: Any, encoded: Callable[[str], str]) -> str:
    if parameter.style == "json":
        return encoded(_json(parameter.name, value).decode())
    if isinstance(value, Mapping):
        between = "=" if parameter.explode else ","
        return ",".join(f"{encoded(str(key))}{between}{encoded(_text(inner))}" for key, inner in value.items())
    return ",".join(encoded(_text(item)) for item in _items(value))


def _query_text(parameter: Parameter, value: Any) -> str:
    return "&".join(f"{_percent_encoded(name)}={text}" for name, text in _pairs(parameter, value))


def _cookie_text(parameter: Parameter, value: Any) -> str:
    return "; ".join(f"{name}={text}" for name, text in _pairs(parameter, value))


def _pairs(parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    """The names and encoded values that one parameter becomes in a query or a cookie."""
    name, separator = parameter.name, _SEPARATORS.get(parameter.style, ",")
    match value:
        case _ if parameter.style == "json":
            yield name, _percent_encoded(_json(parameter.name, value).decode())
        case Mapping() if parameter.style == "deepObject":
            yield from ((f"{name}[{key}]", _percent_encoded(_text(inner))) for key, inner in value.items())
        case Mapping() if parameter.explode:
            yield from ((str(key), _percent_encoded(_text(inner))) for key, inner in value.items())
        case Mapping():
            parts = (part for key, inner in value.items() for part in (str(key), _text(inner)))
            yield name, separator.join(map(_percent_encoded, parts))
        case list() | tuple() if parameter.explode:
            yield from ((name, _percent_encoded(_text(item))) for item in value)
        case _:
            yield name, separator.join(_percent_encoded(_text(item)) for item in _items(value))


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _text(value: Any) -> str:
    """A scalar as APIs read it: true, 5, 1.5, ready. A whole float loses its point: JSON knows no difference."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value)) if value.is_integer() else repr(value)
    raise ValueError(f"found {type(value).__name__}, expected a text, a finite number, true or false")


def _percent_encoded(text: str) -> str:
    return quote(text, safe="")


def _json(name: str, value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise PermanentError(f"{name} can't be written as JSON: {error}") from error


_SPELLED: Mapping[str, Callable[[Parameter, Any], str]] = {
    "path": _path_text,
    "query": _query_text,
    "header": _header_text,
    "cookie": _cookie_text,
}
