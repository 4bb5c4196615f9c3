"""Turns a vendor's OpenAPI document into the compact one that is kept beside the configuration.

Owns what is kept (the facts needed to call and to check), what is dropped (prose and examples), and how several versions
of a document become one. How a schema is spelled is `dialect`'s; how a file
is read, `reading`'s. Writes nothing, fetches nothing.
"""

import copy
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from reactor.apis.dialect import Json, json_schema, json_schema_of_3_0, without_prose
from reactor.apis.reading import MAX_BYTES, load_document
from reactor.errors import ReactorError

__all__ = ["MAX_BYTES", "compact", "difference", "load_document", "merged", "rendered", "under"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_SCHEMAS = "#/components/schemas/"


def compact(document: Mapping[str, Any]) -> Json:
    """The facts of an OpenAPI 3.0 or 3.1 document, as OpenAPI 3.1.

    Kept: title and version, operations, parameters, the schemas of bodies and answers and whatever they refer to,
    security, webhooks, deprecations. Operations without a name get one from their method and path.
    Raises ReactorError for other versions, and for references that lead out of the document or nowhere.
    """
    _require_openapi_3(document)
    importer = _Importer(document)
    info = document.get("info", {})
    facts: Json = {
        "openapi": "3.1.0",
        "info": {"title": str(info.get("title", "")), "version": str(info.get("version", "")).partition(" ")[0]},
        "security": document.get("security"),
        "paths": importer.items("paths", named=True),
        "webhooks": importer.items("webhooks", named=False),
    }
    components = {
        "schemas": importer.reachable_schemas(facts),
        "securitySchemes": importer.security_schemes(),
    }
    return _without_empty({**facts, "components": _without_empty(components)}, keep=("paths",))


def merged(newest: Mapping[str, Any], *older: Mapping[str, Any]) -> Json:
    """The newest of several compact documents of one API, and as deprecated what only older ones have, newest first.

    An operation is its method and path, whatever the parameters in the path are called. An added operation brings the
    schemas it refers to, under another name where newer documents mean something else by theirs; its own name gets
    `_deprecated` where a newer document has an operation of that name elsewhere.
    """
    merging = _Merging(newest)
    for document in older:
        merging.add(document)
    return merging.document


def under(prefix: str, document: Mapping[str, Any]) -> Json:
    """A compact document whose every path begins with `prefix`, whose parameters all its operations then need.

    For an API that has a server for each resource: `/toolbox/{sandboxId}` makes the sandbox a parameter like any other.
    """
    needed = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([^}]*)}", prefix)
    ]
    paths = {
        prefix + path: {method: {**o, "parameters": [*needed, *o.get("parameters", ())]} for method, o in item.items()}
        for path, item in document["paths"].items()
    }
    return {**document, "paths": paths}


def rendered(document: Mapping[str, Any]) -> str:
    """A compact document as it is kept in a file: one fact a line, sorted, so that a new version is a readable diff."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What a new compact document adds, removes and changes: operations, parameters, bodies, answers, fields, enums."""
    before, after = dict(_facts(old)), dict(_facts(new))
    lines = [f"added: {fact}" for fact in after.keys() - before.keys()]
    lines += [f"removed: {fact}" for fact in before.keys() - after.keys()]
    kept = before.keys() & after.keys()
    lines += [f"changed: {fact}: {before[fact]} -> {after[fact]}" for fact in kept if before[fact] != after[fact]]
    return sorted(lines)


def _require_openapi_3(document: Mapping[str, Any]) -> None:
    if "swagger" in document:
        raise ReactorError(
            f"found Swagger {document['swagger']}, expected OpenAPI 3.0 or 3.1: "
            "convert it (`npx swagger2openapi old.json -o new.json`), or import the vendor's OpenAPI 3 document"
        )
    version = str(document.get("openapi", "no version"))
    if not version.startswith(("3.0", "3.1")):
        raise ReactorError(f"found {version}, expected an OpenAPI 3.0 or 3.1 document")


class _Importer:
    """One document on its way to its facts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.schema = json_schema_of_3_0 if str(document["openapi"]).startswith("3.0") else json_schema

    def items(self, section: str, *, named: bool) -> Json:
        """The path items of `paths` or `webhooks`; the operations of the first need unique names."""
        names: dict[str, str] = {}
        items: Json = {}
        for path, item in self.document.get(section, {}).items():
            resolved = self._resolved(item)
            operations = {method: resolved[method] for method in METHODS if method in resolved}
            items[path] = {m: self._operation(o, resolved.get("parameters", ())) for m, o in operations.items()}
            for method, operation in items[path].items() if named else ():
                name = operation["operationId"] = _callable(operation.get("operationId") or _name(method, path))
                if name in names:
                    place = f"{method.upper()} {path}"
                    raise ReactorError(f"found the operationId {name} at {names[name]} and {place}, expected it once")
                names[name] = f"{method.upper()} {path}"
        return items

    def reachable_schemas(self, facts: Json) -> Json:
        """The schemas that `facts` refer to, directly or through each other."""
        declared = self.document.get("components", {}).get("schemas", {})
        return _reached(_references(facts), {name: self.schema(schema) for name, schema in declared.items()})

    def security_schemes(self) -> Json:
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        return {name: without_prose(self._resolved(scheme)) for name, scheme in schemes.items()}

    def _operation(self, operation: Json, shared: Iterable[Json]) -> Json:
        parameters = {}
        for parameter in map(self._resolved, (*shared, *operation.get("parameters", ()))):
            parameters[parameter["in"], parameter["name"]] = self._parameter(parameter)
        return _without_empty(
            {
                "operationId": operation.get("operationId"),
                "deprecated": operation.get("deprecated"),
                "security": operation.get("security"),
                "parameters": list(parameters.values()),
                "requestBody": self._body(operation["requestBody"]) if "requestBody" in operation else None,
                "responses": {str(s): self._body(response) for s, response in operation.get("responses", {}).items()},
            },
            keep=("security", "responses"),
        )

    def _parameter(self, parameter: Json) -> Json:
        kept = {key: parameter.get(key) for key in ("name", "in", "required", "deprecated", "style", "explode")}
        schema = self.schema(parameter["schema"]) if "schema" in parameter else None
        return _without_empty({**kept, "schema": schema, "content": self._content(parameter)}, keep=("explode",))

    def _body(self, body: Json) -> Json:
        """A request body or a response: what it holds, by content type."""
        body = self._resolved(body)
        return _without_empty({"required": body.get("required"), "content": self._content(body)})

    def _content(self, holder: Json) -> Json:
        return {
            kind: {"schema": self.schema(media["schema"])} if "schema" in media else {}
            for kind, media in holder.get("content", {}).items()
        }

    def _resolved(self, value: Any) -> Any:
        """The thing itself where the document may give a reference instead (a parameter, an answer, a path item)."""
        for _ in range(10):
            if not isinstance(value, dict) or "$ref" not in value:
                return value
            reference, value = value["$ref"], self._at(value["$ref"])
        raise ReactorError(f"found the reference {reference} going in circles, expected it to lead to a value")

    def _at(self, reference: str) -> Any:
        value: Any = self.document
        for step in _local(reference).removeprefix("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or key not in value:
                raise ReactorError(f"found the reference {reference}, expected it to be in the document")
            value = value[key]
        return value


class _Merging:
    """One compact document that grows by what older ones had."""

    def __init__(self, newest: Mapping[str, Any]) -> None:
        self.document: Json = copy.deepcopy(dict(newest))
        self.paths: Json = self.document["paths"]
        self.schemas: Json = self.document.setdefault("components", {}).setdefault("schemas", {})
        self.places = {(_shape(path), method) for path, item in self.paths.items() for method in item}
        self.names = {operation["operationId"] for item in self.paths.values() for operation in item.values()}

    def add(self, older: Mapping[str, Any]) -> None:
        missing = {
            (path, method): operation
            for path, item in older["paths"].items()
            for method, operation in item.items()
            if (_shape(path), method) not in self.places
        }
        needed = _reached(_references(list(missing.values())), older.get("components", {}).get("schemas", {}))
        renamed = self._renamed(needed)
        for name, schema in needed.items():
            self.schemas[renamed.get(name, name)] = _with_references(schema, renamed)
        for (path, method), operation in missing.items():
            name = _free(operation["operationId"], self.names, "_deprecated")
            self.names.add(name)
            self.places.add((_shape(path), method))
            added = {**operation, "operationId": name, "deprecated": True}
            self.paths.setdefault(path, {})[method] = _with_references(added, renamed)

    def _renamed(self, needed: Json) -> dict[str, str]:
        """New names for schemas that mean something else here, directly or through what they refer to."""
        taken = needed.keys() & self.schemas.keys()
        other = {name for name in taken if needed[name] != self.schemas[name]}
        while more := {name for name in taken - other if _references(needed[name]) & other}:
            other |= more
        return {name: _free(name, self.schemas.keys() | needed.keys(), "_deprecated") for name in sorted(other)}


def _shape(path: str) -> str:
    """A path without the names of its parameters: /volumes/{} for /volumes/{volumeId}."""
    return re.sub(r"{[^}]*}", "{}", path)


def _free(name: str, taken: Container[str], suffix: str) -> str:
    while name in taken:
        name += suffix
    return name


def _with_references(value: Any, renamed: Mapping[str, str]) -> Any:
    """A copy of a value whose references to renamed schemas lead to their new names."""
    if isinstance(value, list):
        return [_with_references(member, renamed) for member in value]
    if not isinstance(value, dict):
        return value
    copied = {key: _with_references(member, renamed) for key, member in value.items()}
    if isinstance(reference := value.get("$ref"), str):
        name, slash, rest = reference.removeprefix(_SCHEMAS).partition("/")
        copied["$ref"] = f"{_SCHEMAS}{renamed.get(name, name)}{slash}{rest}"
    return copied


# --- references -------------------------------------------------------------------------------------------------------


def _reached(names: Iterable[str], declared: Mapping[str, Any]) -> Json:
    """The schemas of these names, and those they refer to."""
    reached: Json = {}
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        if name not in declared:
            raise ReactorError(f"found a reference to the schema {name}, expected it in components/schemas")
        if name not in reached:
            reached[name] = declared[name]
            waiting |= _references(reached[name])
    return reached


def _references(value: Any) -> set[str]:
    """The names of the component schemas that a value refers to."""
    if isinstance(value, list):
        return {name for member in value for name in _references(member)}
    if not isinstance(value, dict):
        return set()
    names = {name for member in value.values() for name in _references(member)}
    if isinstance(reference := value.get("$ref"), str):
        if not _local(reference).startswith(_SCHEMAS):
            raise ReactorError(f"found the reference {reference}, expected one to {_SCHEMAS}…")
        names.add(reference.removeprefix(_SCHEMAS).split("/")[0])
    return names


def _local(reference: str) -> str:
    if not reference.startswith("#/"):
        raise ReactorError(f"found the reference {reference} to another document, expected one: bundle them first")
    return reference


# --- words and order --------------------------------------------------------------------------------------------------


def _without_empty(value: Json, keep: Iterable[str] = ()) -> Json:
    """Without what says nothing: None, False, {} and []; `keep` are keys for which these do say something."""
    return {key: inner for key, inner in value.items() if inner or (key in keep and inner is not None)}


def _name(method: str, path: str) -> str:
    """GET /volumes/{id}/files is getVolumesIdFiles."""
    return method + "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", path))


def _callable(name: str) -> str:
    """A name that a rule's `call:` can say: repos/get is repos-get."""
    return re.sub(r"[^\w.-]+", "-", name)


def _facts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every fact of a compact document that a caller may depend on, as a name and a text to compare."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            yield from _operation_facts(f"{method.upper()} {path}", operation)
    for event, item in document.get("webhooks", {}).items():
        yield f"webhook {event}", _line(item)
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield from _schema_facts(f"schema {name}", schema)


def _operation_facts(place: str, operation: Json) -> Iterator[tuple[str, str]]:
    label = f"operation {operation['operationId']}"
    yield label, place + (" (deprecated)" if operation.get("deprecated") else "")
    yield f"{label}, security", _line(operation.get("security"))
    for parameter in operation.get("parameters", ()):
        yield f"{label}, {parameter['in']} parameter {parameter['name']}", _line(parameter)
    if "requestBody" in operation:
        yield f"{label}, request body", _line(operation["requestBody"])
    for status, response in operation.get("responses", {}).items():
        yield f"{label}, answer {status}", _line(response)


def _schema_facts(label: str, schema: Json) -> Iterator[tuple[str, str]]:
    required = schema.get("required", ())
    yield label, _line({key: schema[key] for key in schema if key not in ("properties", "required", "enum")})
    for value in schema.get("enum", ()):
        yield f"{label}, value {_line(value)}", ""
    for name, field in schema.get("properties", {}).items():
        yield f"{label}, field {name}", _line(field) + (" (required)" if name in required else "")


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
