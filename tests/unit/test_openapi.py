"""The index of an API's document, the spelling of requests, and the checking of bodies."""

from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.apis.openapi import OpenApi, build_request
from reactor.errors import ConfigError, PermanentError

CONFIG = Path(__file__).parents[2] / "config" / "apis"
SERVER = "https://api.example/v1/"

few = settings(max_examples=60, deadline=None)


def api_of(path: str = "/things", **operation: Any) -> OpenApi:
    """An API with the one operation `act`, POST unless it has no body."""
    method = "post" if "requestBody" in operation else "get"
    return OpenApi.parse({"openapi": "3.1.0", "paths": {path: {method: {"operationId": "act", **operation}}}})


def url(path: str, parameter: dict[str, Any], value: Any) -> str:
    """The URL of a call whose only parameter has this value."""
    return build_request(
        api_of(path, parameters=[parameter]).operation("act"), {parameter["name"]: value}, None, SERVER
    ).url


@pytest.fixture(scope="module")
def daytona() -> OpenApi:
    return OpenApi.parse(orjson.loads((CONFIG / "daytona.openapi.json").read_bytes()))


@pytest.fixture(scope="module")
def webhooks() -> OpenApi:
    return OpenApi.parse(orjson.loads((CONFIG / "daytona-webhooks.openapi.json").read_bytes()))


# --- the index --------------------------------------------------------------------------------------------------------


def test_an_operation_says_how_it_is_called(daytona: OpenApi) -> None:
    operation = daytona.operation("createVolume")

    assert (operation.method, operation.path, operation.deprecated) == ("POST", "/volumes", False)
    assert [(p.name, p.where, p.required) for p in operation.parameters] == [
        ("X-Daytona-Organization-ID", "header", False)
    ]
    assert operation.body is not None
    assert operation.body.required
    assert operation.body.content_types == ("application/json",)
    assert operation.responses["200"] == {"$ref": "#/components/schemas/VolumeDto"}
    assert {"bearer": []} in operation.security
    assert daytona.security_schemes["bearer"]["scheme"] == "bearer"


def test_every_operation_of_a_real_document_can_check_a_body(daytona: OpenApi) -> None:
    problems = {name: daytona.check_body(operation, {}) for name, operation in daytona.operations.items()}

    assert len(problems) == 292
    assert problems["createVolume"] == ["body: found no 'name', expected it: it is required"]
    assert problems["listVolumes"] == []


def test_a_mistyped_operation_is_answered_with_the_nearest(daytona: OpenApi) -> None:
    with pytest.raises(PermanentError, match=r"found 'createVolum'.*did you mean 'createVolume'"):
        daytona.operation("createVolum")


def test_a_document_that_was_not_imported_is_refused() -> None:
    with pytest.raises(ConfigError, match="reactor apis import"):
        OpenApi.parse({"swagger": "2.0"})


@pytest.mark.parametrize(
    ("path", "parameter", "message"),
    [
        ("/things/{id}", {"name": "other", "in": "query"}, "undeclared parameters: \\['id'\\]"),
        ("/things/{id}", {"name": "id", "in": "path", "style": "matrix"}, "found 'matrix', expected one of 'simple'"),
    ],
)
def test_a_document_that_can_not_be_called_is_refused(path: str, parameter: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        api_of(path, parameters=[parameter])


def test_the_fields_of_an_event_are_resolved_with_their_choices(webhooks: OpenApi) -> None:
    fields = webhooks.event_fields(["volume.state.updated"])

    assert set(fields) == {"event", "timestamp", "id", "organizationId", "newState", "oldState", "name", "updatedAt"}
    assert fields["id"] == {"type": "string"}
    assert {"pending_create", "ready"} <= set(fields["newState"]["enum"])


def test_a_field_of_several_events_may_be_what_any_of_them_says(webhooks: OpenApi) -> None:
    fields = webhooks.event_fields(["volume.state.updated", "sandbox.state.updated", "nobody.knows"])

    assert fields["newState"]["type"] == "string"
    assert {"ready", "started"} <= set(fields["newState"]["enum"])


def test_fields_that_differ_in_more_than_choices_become_alternatives() -> None:
    def webhook(schema: Any) -> Any:
        content = {"application/json": {"schema": {"type": "object", "properties": {"at": schema}}}}
        return {"post": {"requestBody": {"content": content}}}

    described = {"a": webhook({"type": "string"}), "b": webhook({"type": "integer"})}

    fields = OpenApi.parse({"openapi": "3.1.0", "webhooks": described}).event_fields(["a", "b"])

    assert fields == {"at": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}


def test_references_and_compositions_are_merged() -> None:
    schemas = {
        "Named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "Sized": {
            "allOf": [{"$ref": "#/components/schemas/Named"}, {"properties": {"size": {"type": "integer"}}}],
            "required": ["size"],
        },
    }
    api = OpenApi.parse({"openapi": "3.1.0", "components": {"schemas": schemas}})

    resolved = api.resolve({"$ref": "#/components/schemas/Sized"})

    assert resolved == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["name", "size"],
    }


def test_a_schema_defined_by_itself_is_refused() -> None:
    schemas = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}
    api = OpenApi.parse({"openapi": "3.1.0", "components": {"schemas": schemas}})

    with pytest.raises(ConfigError, match="defined by itself"):
        api.resolve({"$ref": "#/components/schemas/A"})


# --- requests ---------------------------------------------------------------------------------------------------------


@few
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_path_parameter_stays_one_segment_and_comes_back_as_it_was(value: str) -> None:
    split = urlsplit(url("/things/{id}/parts", {"name": "id", "in": "path", "required": True}, value))

    assert (split.netloc, split.query, split.fragment) == ("api.example", "", "")
    assert [unquote(segment) for segment in split.path.split("/")] == ["", "v1", "things", value, "parts"]


@few
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_a_query_comes_back_as_it_was(values: list[str]) -> None:
    split = urlsplit(url("/things", {"name": "a b&", "in": "query"}, values))

    assert parse_qsl(split.query, keep_blank_values=True) == [("a b&", value) for value in values]


@pytest.mark.parametrize("value", ["", ".", "..", [], [""]])
def test_a_path_parameter_that_leads_elsewhere_is_refused(value: Any) -> None:
    with pytest.raises(PermanentError, match="would lead elsewhere"):
        url("/things/{id}", {"name": "id", "in": "path"}, value)


@pytest.mark.parametrize(
    ("declared", "value", "query"),
    [
        ({}, "a b/é", "q=a%20b%2F%C3%A9"),
        ({}, True, "q=true"),
        ({}, 10.0, "q=10"),
        ({}, 1.5, "q=1.5"),
        ({}, ["a", "b,c"], "q=a&q=b%2Cc"),
        ({}, [], ""),
        ({"explode": False}, ["a", "b,c"], "q=a,b%2Cc"),
        ({"style": "spaceDelimited", "explode": False}, ["a", "b"], "q=a%20b"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "q=a%7Cb"),
        ({}, {"x": 1, "y": "z&"}, "x=1&y=z%26"),
        ({"explode": False}, {"x": 1, "y": 2}, "q=x,1,y,2"),
        ({"style": "deepObject"}, {"x": 1}, "q%5Bx%5D=1"),
        ({"content": {"application/json": {"schema": {}}}}, {"x": [1]}, "q=%7B%22x%22%3A%5B1%5D%7D"),
    ],
)
def test_a_query_is_spelled_by_its_style(declared: dict[str, Any], value: Any, query: str) -> None:
    spelled = url("/things", {"name": "q", "in": "query", **declared}, value)

    assert spelled == f"https://api.example/v1/things{'?' if query else ''}{query}"


def test_headers_and_cookies_are_spelled_and_a_declared_authorization_is_left_to_the_client() -> None:
    parameters = [
        {"name": "X-Ids", "in": "header"},
        {"name": "Authorization", "in": "header", "required": True},
        {"name": "session", "in": "cookie"},
    ]
    operation = api_of(parameters=parameters).operation("act")

    request = build_request(operation, {"X-Ids": ["a", 1], "session": "a;b"}, None, SERVER)

    assert request.headers == {"X-Ids": "a,1", "Cookie": "session=a%3Bb"}
    assert request.content is None


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0", "é"])
def test_a_header_can_not_begin_another(value: str) -> None:
    operation = api_of(parameters=[{"name": "X-Id", "in": "header"}]).operation("act")

    with pytest.raises(PermanentError, match="line break or a character outside ASCII"):
        build_request(operation, {"X-Id": value}, None, SERVER)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {"b": 1}}, [[1]], "\ud800", object()])
def test_a_value_that_can_not_be_spelled_is_refused(value: Any) -> None:
    with pytest.raises(PermanentError, match="parameter 'q'"):
        url("/things", {"name": "q", "in": "query"}, value)


def test_everything_wrong_with_a_call_is_told_at_once(daytona: OpenApi) -> None:
    with pytest.raises(PermanentError) as caught:
        build_request(daytona.operation("getVolume"), {"volumeID": "v", "limit": 1}, {}, SERVER)

    assert str(caught.value) == (
        "getVolume can't be called: "
        "parameter: found 'volumeID', expected one of 'X-Daytona-Organization-ID', 'volumeId'; "
        "did you mean 'volumeId'?; "
        "parameter: found 'limit', expected one of 'X-Daytona-Organization-ID', 'volumeId'; "
        "found no parameter 'volumeId', expected it: it is required; "
        "found a body, expected none"
    )


def test_a_body_is_sent_as_json(daytona: OpenApi) -> None:
    request = build_request(daytona.operation("createVolume"), {}, {"name": "é"}, SERVER)

    assert (request.method, request.url) == ("POST", "https://api.example/v1/volumes")
    assert request.headers == {"Content-Type": "application/json"}
    assert request.content == '{"name":"é"}'.encode()


def test_a_form_is_sent_with_its_files() -> None:
    upload = OpenApi.parse(orjson.loads((CONFIG / "runloop.openapi.json").read_bytes())).operation("devboxUploadFile")

    request = build_request(upload, {"id": "d"}, {"path": "a.txt", "file": "one\r\n--two", "none": None}, SERVER)

    kind = request.headers["Content-Type"]
    message = message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + (request.content or b""))
    parts = list(message.walk())[1:]
    told = [(part.get_param("name", header="content-disposition"), part.get_filename()) for part in parts]
    assert kind.startswith("multipart/form-data; boundary=")
    assert told == [("path", None), ("file", "file")]
    assert [part.get_payload(decode=True) for part in parts] == [b"a.txt", b"one\r\n--two"]


@pytest.mark.parametrize(
    ("body", "declared", "message"),
    [
        (None, {"required": True, "content": {"application/json": {}}}, "found no body"),
        ({}, {"content": {"text/csv": {}}}, "found a body for text/csv, expected JSON or a form"),
        ([], {"content": {"multipart/form-data": {}}}, "expected the fields of a form"),
        ({'a"': 1}, {"content": {"multipart/form-data": {}}}, "expected no quotes"),
        ({"a": 2**70}, {"content": {"application/json": {}}}, "the body can't be written as JSON"),
    ],
)
def test_a_body_that_can_not_be_sent_is_refused(body: Any, declared: dict[str, Any], message: str) -> None:
    with pytest.raises(PermanentError, match=message):
        build_request(api_of(requestBody=declared).operation("act"), {}, body, SERVER)


# --- bodies -----------------------------------------------------------------------------------------------------------


def body_check(schema: dict[str, Any], body: Any) -> list[str]:
    api = api_of(requestBody={"content": {"application/json": {"schema": schema}}})
    return api.check_body(api.operation("act"), body)


@pytest.mark.parametrize(
    ("schema", "body", "problem"),
    [
        ({"type": "object"}, [], "body: found an array, expected object"),
        (
            {"properties": {"a": {"type": ["string", "null"]}}},
            {"a": 1},
            "body.a: found an integer, expected null or string",
        ),
        ({"items": {"required": ["a"]}}, [{}], "body[0]: found no 'a', expected it: it is required"),
        (
            {"enum": ["fast", "slow", None]},
            "fats",
            "body: found 'fats', expected one of 'fast', 'slow'; did you mean 'fast'?",
        ),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"x": 1},
            "body: found 'x', expected only fields that the schema knows",
        ),
        (
            {"maxLength": 1},
            "secret",
            "body: found a string, expected it to fit the schema: it is longer than 1 character",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_told_by_place_without_its_values(
    schema: dict[str, Any], body: Any, problem: str
) -> None:
    assert body_check(schema, body) == [problem]


def test_the_places_of_a_bodys_problems_can_be_followed(daytona: OpenApi) -> None:
    problems = daytona.body_problems(
        daytona.operation("createSandbox"), {"volumes": [{"volumeId": 1, "mountPath": "/"}]}
    )

    assert [problem.path for problem in problems] == [("volumes", 0, "volumeId")]


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/schema.json", "file:///etc/hostname"])
def test_nothing_is_ever_fetched(reference: str) -> None:
    with pytest.raises(PermanentError, match="nothing is fetched"):
        body_check({"$ref": reference}, {})
