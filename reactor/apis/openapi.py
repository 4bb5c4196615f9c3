"""One API's compact OpenAPI document as an index: its operations, its webhooks, and whether a body fits. Pure.

Reads what `importer.compact` writes: OpenAPI 3.1 whose schemas are JSON Schema 2020-12 and whose references lead to
components/schemas only. Fetches nothing, ever. How a request is spelled is `request`'s.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn

import jsonschema_rs

from reactor.apis.form import FORM
from reactor.apis.request import STYLES, Body, Operation, Parameter, Request, build_request, is_json
from reactor.errors import ConfigError, PermanentError
from reactor.yaml12 import expected_one_of

__all__ = ["Body", "BodyProblem", "OpenApi", "Operation", "Parameter", "Request", "build_request"]

Schema = Mapping[str, Any]

_SCHEMAS = "#/components/schemas/"
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""Declared as parameters these mean nothing (OpenAPI 3.1, section 4.8.12): the client and the API's `auth` set them."""

_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class BodyProblem:
    """Where a body does not fit its schema. The message shows no values, save for mistyped choices."""

    path: tuple[str | int, ...]
    message: str
    keyword: str
    """The word of the schema that is not met: `type`, `enum`, `required` …"""

    def __str__(self) -> str:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"body{place}: {self.message}"


@dataclass(frozen=True)
class OpenApi:
    """An API's operations by operationId and its webhooks' payload schemas by event type."""

    title: str
    version: str
    operations: Mapping[str, Operation]
    webhooks: Mapping[str, Schema]
    schemas: Mapping[str, Schema]
    security_schemes: Mapping[str, Schema]
    _validators: dict[str, jsonschema_rs.Validator] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "OpenApi":
        """Index a compact document. Raises ConfigError if it is something else, with what to do about it."""
        if not str(document.get("openapi", "")).startswith("3.1"):
            raise ConfigError("found no compact OpenAPI 3.1 document, expected one made by `reactor apis import`")
        components = document.get("components", {})
        operations = [
            _operation(path, method, operation, document.get("security", ()), components.get("schemas", {}))
            for path, item in document.get("paths", {}).items()
            for method, operation in item.items()
        ]
        webhooks = {
            event: _json_schema(operation.get("requestBody", {}))[1] or {}
            for event, item in document.get("webhooks", {}).items()
            for operation in item.values()
        }
        return cls(
            title=document.get("info", {}).get("title", ""),
            version=document.get("info", {}).get("version", ""),
            operations=MappingProxyType({operation.id: operation for operation in operations}),
            webhooks=MappingProxyType(webhooks),
            schemas=MappingProxyType(components.get("schemas", {})),
            security_schemes=MappingProxyType(components.get("securitySchemes", {})),
        )

    def operation(self, name: str) -> Operation:
        """The operation with this operationId. Raises PermanentError with the nearest names."""
        if name not in self.operations:
            raise PermanentError(f"{self.title} has no such operation: {expected_one_of(name, self.operations)}")
        return self.operations[name]

    def resolve(self, schema: Schema) -> Schema:
        """The schema with its own references followed and its `allOf` merged; the schemas inside it are left alone."""
        return self._resolved(schema, ())

    def event_fields(self, event_types: Iterable[str]) -> dict[str, Schema]:
        """The fields that events of these types have, with their resolved schemas.

        A field that several events describe differently may be what any of them says. Unknown types have no fields.
        """
        described: dict[str, list[Schema]] = {}
        for event in event_types:
            for name, schema in self.resolve(self.webhooks.get(event, {})).get("properties", {}).items():
                alternatives = described.setdefault(name, [])
                if (resolved := self.resolve(schema)) not in alternatives:
                    alternatives.append(resolved)
        return {name: any_of(alternatives) for name, alternatives in described.items()}

    def body_problems(self, operation: Operation, body: Any) -> list[BodyProblem]:
        """Every way in which a body does not fit the operation's schema, by its place in the body."""
        if operation.body is None or operation.body.schema is None:
            return []
        if operation.id not in self._validators:
            self._validators[operation.id] = self._validator(operation.body.schema)
        errors = self._validators[operation.id].iter_errors(body)
        return [BodyProblem(tuple(error.instance_path), _words(error), error.kind.name) for error in errors]

    def check_body(self, operation: Operation, body: Any) -> list[str]:
        """`body_problems` in words: "body.volumes[0].mountPath: found a number, expected a string"."""
        return [str(problem) for problem in self.body_problems(operation, body)]

    def _validator(self, schema: Schema) -> jsonschema_rs.Validator:
        root = {"$ref": "#/body", "body": schema, "components": {"schemas": dict(self.schemas)}}
        try:
            return jsonschema_rs.Draft202012Validator(root, retriever=_refuse_to_fetch, mask="it")
        except jsonschema_rs.ValidationError as error:
            raise PermanentError(f"{self.title}: a schema of the document can't be used: {error.message}") from error

    def _resolved(self, schema: Schema, followed: tuple[str, ...]) -> Schema:
        reference = schema.get("$ref")
        if reference is None and "allOf" not in schema:
            return schema
        members = list(schema.get("allOf", ()))
        if reference is not None:
            if reference in followed:
                raise ConfigError(f"{self.title}: the schema {reference} is defined by itself")
            followed = (*followed, reference)
            members.insert(0, self.schemas[reference.removeprefix(_SCHEMAS)])
        own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        merged: dict[str, Any] = {}
        for part in (*(self._resolved(member, followed) for member in members), own):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", ()), *part.get("required", ())]
            merged = {**merged, **part}
            merged |= {"properties": properties} if properties else {}
            merged |= {"required": required} if required else {}
        return merged


def _operation(
    path: str, method: str, operation: Mapping[str, Any], security: Any, schemas: Mapping[str, Schema]
) -> Operation:
    parameters = tuple(_parameter(parameter) for parameter in operation.get("parameters", ()) if _counts(parameter))
    declared = {parameter.name for parameter in parameters if parameter.where == "path"}
    if undeclared := set(re.findall(r"{([^}]*)}", path)) - declared:
        raise ConfigError(
            f"{operation['operationId']}: the path {path} has undeclared parameters: {sorted(undeclared)}"
        )
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        parameters=parameters,
        body=_body(operation["requestBody"], schemas) if operation.get("requestBody") else None,
        responses=MappingProxyType({s: _json_schema(r)[1] for s, r in operation.get("responses", {}).items()}),
        deprecated=bool(operation.get("deprecated")),
        security=tuple(operation.get("security", security)),
        replies=_success_types(operation.get("responses", {})),
    )


def _body(body: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Body:
    content_types, schema = _json_schema(body)
    form: Schema = body.get("content", {}).get(FORM, {}).get("schema", {})
    form = schemas.get(form.get("$ref", "").removeprefix(_SCHEMAS), form)
    files = tuple(name for name, field in form.get("properties", {}).items() if field.get("format") == "binary")
    return Body(schema, bool(body.get("required")), content_types, files)


def _success_types(responses: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The content types that a success may have."""
    found = (kind for status, each in responses.items() if status.startswith("2") for kind in each.get("content", {}))
    return tuple(dict.fromkeys(found))


def _counts(parameter: Mapping[str, Any]) -> bool:
    return parameter["in"] != "header" or parameter["name"].lower() not in _IGNORED_HEADERS


def _parameter(parameter: Mapping[str, Any]) -> Parameter:
    name, where = parameter["name"], parameter["in"]
    style = parameter.get("style", STYLES[where][0])
    if style not in STYLES[where]:
        raise ConfigError(f"parameter {name} in {where}: {expected_one_of(style, STYLES[where])}")
    return Parameter(
        name=name,
        where=where,
        required=where == "path" or bool(parameter.get("required")),
        schema=parameter.get("schema") or _json_schema(parameter)[1] or {},
        style="json" if "content" in parameter else style,
        explode=parameter.get("explode", style == "form"),
    )


def _json_schema(holder: Mapping[str, Any]) -> tuple[tuple[str, ...], Schema | None]:
    """The content types of a body, and the schema of the first that is JSON."""
    content = holder.get("content", {})
    schemas = [media.get("schema") for kind, media in content.items() if is_json(kind)]
    return tuple(content), next(iter(schemas), None)


def any_of(schemas: list[Schema]) -> Schema:
    """One schema for what any of several says: of one type, with all their choices, where that is all they say."""
    if len(schemas) == 1:
        return schemas[0]
    kinds = {str(schema.get("type")) for schema in schemas}
    if len(kinds) > 1 or any(schema.keys() - {"type", "enum", "format"} for schema in schemas):
        return {"anyOf": schemas}
    kind = {"type": schemas[0]["type"]} if "type" in schemas[0] else {}
    if not all("enum" in schema for schema in schemas):
        return kind
    choices = [choice for schema in schemas for choice in schema["enum"]]
    return {**kind, "enum": [choice for place, choice in enumerate(choices) if choice not in choices[:place]]}


def _refuse_to_fetch(address: str) -> NoReturn:
    raise ValueError(f"{address} is not in the document, and nothing is fetched")


def _words(error: jsonschema_rs.ValidationError) -> str:
    """Found and expected. A body may hold secrets: only a mistyped choice is shown."""
    found, detail = f"found {_KINDS.get(type(error.instance), 'a value')}", error.kind.as_dict()
    match error.kind.name:
        case "type":
            return f"{found}, expected {' or '.join(sorted(detail['types']))}"
        case "enum" if isinstance(error.instance, str):
            return expected_one_of(error.instance, (str(choice) for choice in detail["options"] if choice is not None))
        case "required":
            return f"found no {detail['property']!r}, expected it: it is required"
        case "additionalProperties":
            return f"found {', '.join(map(repr, detail['unexpected']))}, expected only fields that the schema knows"
        case _:
            return f"{found}, expected it to fit the schema: {error.message}"
