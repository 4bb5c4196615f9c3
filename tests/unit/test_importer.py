"""What the importer keeps of a vendor's document, how it rewrites it, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from reactor.apis.importer import MAX_BYTES, compact, difference, load_document, merged, rendered, under
from reactor.apis.openapi import OpenApi
from reactor.errors import ReactorError

CONFIG = Path(__file__).parents[2] / "config" / "apis"


def document(*, version: str = "3.0.3", schemas: dict[str, Any] | None = None, **operation: Any) -> dict[str, Any]:
    """A document with one operation that answers with the schema `Thing`."""
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    operation = {"operationId": "getThing", "responses": {"200": answer}, **operation}
    return {
        "openapi": version,
        "info": {"title": "Things", "version": "1"},
        "paths": {"/things": {"get": operation}},
        "components": {"schemas": {"Thing": {"type": "object"}} if schemas is None else schemas},
    }


def rewritten(schema: dict[str, Any], version: str = "3.0.3") -> Any:
    return compact(document(version=version, schemas={"Thing": schema, "Other": {}}))["components"]["schemas"]["Thing"]


def test_prose_and_examples_are_dropped_but_fields_of_that_name_are_kept() -> None:
    schema = {
        "type": "object",
        "description": "prose",
        "example": {"description": "x"},
        "x-internal": True,
        "properties": {
            "description": {"type": "string", "description": "prose"},
            "x-trace": {"type": "string", "title": "Trace"},
            "example": {"type": "string", "default": "description", "examples": ["a"]},
        },
        "required": ["description"],
    }

    assert rewritten(schema) == {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "x-trace": {"type": "string"},
            "example": {"type": "string", "default": "description"},
        },
        "required": ["description"],
    }


def test_only_schemas_that_are_reached_are_kept() -> None:
    schemas = {
        "Thing": {"properties": {"parts": {"items": {"$ref": "#/components/schemas/Part"}}}},
        "Part": {"properties": {"whole": {"$ref": "#/components/schemas/Thing"}}},
        "Unused": {"type": "string"},
    }

    assert set(compact(document(schemas=schemas))["components"]["schemas"]) == {"Thing", "Part"}


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"$ref": "#/components/schemas/Other", "nullable": True, "type": "string"},
            {"anyOf": [{"$ref": "#/components/schemas/Other"}, {"type": "null"}]},
        ),
        (
            {"allOf": [{"$ref": "#/components/schemas/Other"}], "nullable": True},
            {"anyOf": [{"allOf": [{"$ref": "#/components/schemas/Other"}]}, {"type": "null"}]},
        ),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
        (
            {"additionalProperties": {"type": "string", "nullable": True}},
            {"additionalProperties": {"type": ["string", "null"]}},
        ),
    ],
)
def test_the_dialect_of_openapi_3_0_becomes_json_schema(schema: dict[str, Any], plain: dict[str, Any]) -> None:
    assert rewritten({"type": "array", "items": schema})["items"] == plain


def test_json_schema_of_openapi_3_1_stays_as_it_is() -> None:
    schema = {"$ref": "#/components/schemas/Other", "type": ["string", "null"], "const": None, "exclusiveMinimum": 0}

    assert rewritten(schema, version="3.1.0") == schema


def test_references_to_parameters_and_answers_are_followed_and_shared_parameters_are_joined() -> None:
    source = document(
        parameters=[{"$ref": "#/components/parameters/Page"}], responses={404: {"$ref": "#/components/responses/a~1b"}}
    )
    source["paths"]["/things"]["parameters"] = [
        {"name": "page", "in": "query", "schema": {"type": "string"}},
        {"name": "org", "in": "header", "description": "prose", "schema": {"type": "string"}},
    ]
    source["components"]["parameters"] = {
        "Page": {"name": "page", "in": "query", "explode": False, "schema": {"type": "integer"}}
    }
    source["components"]["responses"] = {"a/b": {"description": "prose"}}

    operation = compact(source)["paths"]["/things"]["get"]

    assert operation["parameters"] == [
        {"name": "page", "in": "query", "explode": False, "schema": {"type": "integer"}},
        {"name": "org", "in": "header", "schema": {"type": "string"}},
    ]
    assert operation["responses"] == {"404": {}}


def test_an_operation_without_a_name_gets_one_from_its_method_and_path() -> None:
    source = document()
    operation = source["paths"]["/things"]["get"]
    source["paths"] = {"/things/{id}/sub-parts": {"post": {**operation, "operationId": None}}}

    named = compact(source)["paths"]["/things/{id}/sub-parts"]["post"]

    assert named["operationId"] == "postThingsIdSubParts"


def test_no_security_is_not_the_same_as_security_unsaid() -> None:
    assert compact(document(security=[]))["paths"]["/things"]["get"]["security"] == []
    assert "security" not in compact(document())["paths"]["/things"]["get"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"swagger": "2.0"}, "found Swagger 2.0, expected OpenAPI 3.0 or 3.1: convert it"),
        ({"openapi": "4.0.0"}, "found 4.0.0, expected an OpenAPI 3.0 or 3.1 document"),
        ({"components": {}}, "found a reference to the schema Thing, expected it in components/schemas"),
        ({"paths": {"/a": {"$ref": "other.yaml"}}}, "found the reference other.yaml to another document"),
        ({"paths": {"/a": {"$ref": "#/paths/~1a"}}}, "going in circles"),
        ({"paths": {"/a": {"$ref": "#/nowhere"}}}, "found the reference #/nowhere, expected it to be in the document"),
        (
            {"paths": {"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}}},
            "found the operationId x at GET /a and GET /b, expected it once",
        ),
    ],
)
def test_a_document_that_can_not_be_used_is_refused_with_the_remedy(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ReactorError, match=message):
        compact({**document(), **changed})


def test_a_yaml_document_is_read_as_yaml_1_2(tmp_path: Path) -> None:
    source = tmp_path / "api.yaml"
    source.write_text(
        "openapi: 3.1.0\nversion: 2024-01-01\nresponses: {200: &ok {}, 404: *ok}\nenum: [NO, on, 1.5, null, true]\n"
    )

    read = load_document(source)

    assert read == {
        "openapi": "3.1.0",
        "version": "2024-01-01",
        "responses": {"200": {}, "404": {}},
        "enum": ["NO", "on", 1.5, None, True],
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "can't be read"),
        ("a.yaml", b"a: [", "can't be read"),
        ("a.yaml", b"\xff", "can't be read"),
        ("a.yaml", b"!!python/object/apply:os.getcwd []", "can't be read"),
        ("a.json", b"[]", "found no mapping, expected an OpenAPI document"),
        ("a.json", b" " * (MAX_BYTES + 1), f"expected at most {MAX_BYTES}"),
    ],
)
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ReactorError, match=message):
        load_document(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReactorError, match="can't be read"):
        load_document(tmp_path / "absent.json")


def test_a_difference_names_operations_parameters_fields_and_choices() -> None:
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    before = document(parameters=[limit], schemas={"Thing": {"enum": ["small", "large"]}})
    after = document(
        deprecated=True, schemas={"Thing": {"enum": ["small", "huge"], "properties": {"name": {"type": "string"}}}}
    )

    lines = difference(compact(before), compact(after))

    assert lines == [
        "added: schema Thing, field name",
        'added: schema Thing, value "huge"',
        "changed: operation getThing: GET /things -> GET /things (deprecated)",
        "removed: operation getThing, query parameter limit",
        'removed: schema Thing, value "large"',
    ]
    assert difference(compact(before), compact(before)) == []


def version(paths: dict[str, dict[str, str]], **schemas: Any) -> dict[str, Any]:
    """A compact document: operationIds by path and method; each answers with the schema `Thing`."""
    answers = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "paths": {
            path: {method: {"operationId": name, "responses": answers} for method, name in item.items()}
            for path, item in paths.items()
        },
        "components": {"schemas": {"Thing": {"type": "object"}, **schemas}},
    }


def test_operations_that_only_an_older_document_has_are_kept_as_deprecated() -> None:
    newest = version({"/things/{thing}": {"get": "getThing"}})
    older = version({"/things/{id}": {"get": "readThing", "delete": "deleteThing"}, "/old": {"get": "getOld"}})
    oldest = version({"/old": {"get": "getOldest"}})

    paths = merged(newest, older, oldest)["paths"]

    assert paths.keys() == {"/things/{thing}", "/things/{id}", "/old"}
    assert paths["/things/{thing}"]["get"] == newest["paths"]["/things/{thing}"]["get"]
    assert paths["/things/{id}"] == {
        "delete": {**older["paths"]["/things/{id}"]["delete"], "deprecated": True},
    }
    assert paths["/old"]["get"] == {**older["paths"]["/old"]["get"], "deprecated": True}


def test_an_older_operation_whose_name_is_taken_gets_another() -> None:
    newest = version({"/a": {"get": "getThing"}, "/b": {"get": "getThing_deprecated"}})

    paths = merged(newest, version({"/c": {"get": "getThing"}}))["paths"]

    assert paths["/c"]["get"]["operationId"] == "getThing_deprecated_deprecated"
    assert paths["/a"]["get"]["operationId"] == "getThing"


def test_schemas_come_along_and_are_renamed_only_where_they_mean_something_else() -> None:
    part = {"$ref": "#/components/schemas/Part"}
    newest = version({"/a": {"get": "a"}}, Thing={"items": part}, Part={"type": "string"}, Same={"enum": ["x"]})
    older = version(
        {"/b": {"get": "b"}},
        Thing={"items": part, "not": {"$ref": "#/components/schemas/Same"}},
        Part={"type": "integer"},
        Same={"enum": ["x"]},
        Unused={"type": "null"},
    )

    document = merged(newest, older)

    assert document["components"]["schemas"] == {
        **newest["components"]["schemas"],
        "Thing_deprecated": {
            "items": {"$ref": "#/components/schemas/Part_deprecated"},
            "not": {"$ref": "#/components/schemas/Same"},
        },
        "Part_deprecated": {"type": "integer"},
    }
    [(_, media)] = document["paths"]["/b"]["get"]["responses"]["200"]["content"].items()
    assert media["schema"] == {"$ref": "#/components/schemas/Thing_deprecated"}


def test_a_schema_is_renamed_also_if_only_what_it_refers_to_means_something_else() -> None:
    part = {"$ref": "#/components/schemas/Part"}
    newest = version({"/a": {"get": "a"}}, Thing={"items": part}, Part={"type": "string"})
    older = version({"/b": {"get": "b"}}, Thing={"items": part}, Part={"type": "integer"})

    schemas = merged(newest, older)["components"]["schemas"]

    assert schemas["Thing_deprecated"] == {"items": {"$ref": "#/components/schemas/Part_deprecated"}}
    assert schemas["Thing"] == {"items": part}


def test_merging_changes_none_of_its_documents_and_a_second_time_nothing() -> None:
    newest, older = version({"/a": {"get": "a"}}), version({"/a": {"post": "b"}}, Thing={"type": "string"})
    before = json.dumps([newest, older])

    once = merged(newest, older)

    assert json.dumps([newest, older]) == before
    assert merged(once, older) == once
    assert compact(once) == once


def test_a_prefix_brings_its_parameters_to_every_operation() -> None:
    source = version({"/files/{id}": {"get": "getFile"}})
    source["paths"]["/files/{id}"]["get"]["parameters"] = [{"name": "id", "in": "path", "required": True}]

    paths = under("/boxes/{box}", source)["paths"]

    assert list(paths) == ["/boxes/{box}/files/{id}"]
    assert paths["/boxes/{box}/files/{id}"]["get"]["parameters"] == [
        {"name": "box", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "id", "in": "path", "required": True},
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIG.glob("*.openapi.json")))
def test_a_shipped_document_is_as_the_importer_writes_it_and_holds_valid_schemas(name: str) -> None:
    text = (CONFIG / name).read_text(encoding="utf-8")
    shipped = json.loads(text)

    assert rendered(compact(shipped)) == text
    for schema in OpenApi.parse(shipped).schemas.values():
        jsonschema_rs.meta.validate(dict(schema))
