"""The catalog: which API and operation a document means, and what is said of it."""

from collections.abc import Mapping
from typing import Any

import pytest
from test_workflow_apis import arazzo

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi
from reactor.apis.provider import Provider
from reactor.catalog import Catalog
from reactor.errors import ConfigError
from reactor.workflows.apis import DEFAULT_DEADLINE, Operation
from reactor.workflows.document import OperationRef, Source
from reactor.workflows.load import load_document
from reactor.workflows.program import compile_program

STATE = {"anyOf": [{"type": "string", "enum": ["new", "ready", "broken"]}, {"type": "null"}]}
THING = {"properties": {"about": {"properties": {"id": {"type": "string"}, "state": STATE}}}}


def api(name: str, operations: Mapping[str, str], schemes: Mapping[str, Any] | None = None, **provider: Any) -> Api:
    """An API whose operations, by id, are at `METHOD /path/{parameter}` and answer with a thing."""
    paths: dict[str, dict[str, Any]] = {}
    for id, at in operations.items():
        method, path = at.split()
        parameters = [
            {"name": part.strip("{}"), "in": "path", "required": True} for part in path.split("/") if part[:1] == "{"
        ]
        answer = {"content": {"application/json": {"schema": THING}}}
        paths.setdefault(path, {})[method.lower()] = {
            "operationId": id,
            "parameters": parameters,
            "responses": {"200": answer, "404": {}},
        }
    openapi = {"openapi": "3.1.0", "paths": paths, "components": {"securitySchemes": schemes or {}}}
    file = Provider.model_validate({"openapi": f"{name}.json", "server": "https://example.com", **provider})
    return Api(name, OpenApi.parse(openapi), None, file, "https://example.com")


THINGS = api(
    "things",
    {
        "makeThing": "POST /things",
        "getThing": "GET /things/{thing}",
        "findThing": "GET /things/by-name/{name}",
        "stopThing": "POST /things/{thing}/stop",
        "getJob": "GET /things/{thing}/jobs/{job}",
        "awaitJob": "POST /things/{thing}/jobs/{job}/wait",
        "list": "GET /things",
    },
    {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "Key"},
    },
    resources={
        "thing": {
            "read": "getThing",
            "find": {"findThing": {"name": "$.name"}},
            "id": "$.about.id",
            "state": "$.about.state",
            "settled": ["ready", "broken"],
            "failed": ["broken"],
            "terminal": ["gone"],
            "moves": ["stopThing"],
            "deadline": 60,
            "events": {"thing.made": {"state": "new"}, "thing.moved": {"state": "$.state"}},
        },
        "job": {"read": "getJob", "by": "job"},
    },
    creates={"makeThing": {"resource": "thing"}},
    long_poll={
        "awaitJob": {"resource": "job", "states": "$.until.states", "seconds": "$.s", "hold": 9, "still_waiting": [408]}
    },
    arazzo={"urls": ["*things*.json"], "names": ["stuff"], "operations": {"readThing": "getThing"}},
)
OTHERS = api(
    "others",
    {"readThing": "GET /other", "GetOther": "GET /others/{id}", "list": "GET /others"},
    arazzo={"urls": ["*others*.json"]},
)
CATALOG = Catalog({"things": THINGS, "others": OTHERS})


def operation(name: str) -> Operation:
    found = CATALOG.operation(OperationRef("x", id=name), Source("x", "https://x/things.json", "openapi"))
    assert found
    return found


def meant(reference: OperationRef, source: Source | None = None, catalog: Catalog = CATALOG) -> str:
    found = catalog.operation(reference, source)
    return f"{found.api}.{found.id}" if found else "nothing"


@pytest.mark.parametrize(
    ("name", "url", "found"),
    [
        ("x", "../openapi/things-v1.json", "things.list"),
        ("x", "../openapi/others-v1.json", "others.list"),
        ("stuff", "api.yaml", "things.list"),
        ("others", "api.yaml", "others.list"),
        ("stuff", "../openapi/others-v1.json", "others.list"),
        ("stuff", "things-and-others.json", "things.list"),
    ],
)
def test_a_source_means_the_api_that_knows_its_url_or_else_its_name(name: str, url: str, found: str) -> None:
    assert meant(OperationRef(name, id="list"), Source(name, url, "openapi")) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("getThing", "things.getThing"),
        ("readThing", "others.readThing"),
        ("getother", "others.GetOther"),
        ("absent", "nothing"),
    ],
)
def test_without_a_source_the_exact_name_comes_first(name: str, found: str) -> None:
    assert meant(OperationRef(None, id=name)) == found
    assert meant(OperationRef("x", id=name), Source("x", "nobody-knows.yaml", "openapi")) == found


def test_in_the_api_of_its_source_another_name_is_known_and_other_apis_are_not_asked() -> None:
    source = Source("x", "things.json", "openapi")

    assert meant(OperationRef("x", id="readThing"), source) == "things.getThing"
    assert meant(OperationRef("x", id="GetOther"), source) == "nothing"


def test_what_a_resource_offers_on_a_server_of_its_own_is_of_the_api_that_tells_it() -> None:
    server = {"url": "https://example.com", "told_by": {"operation": "things.getThing", "parameter": "thing"}}
    inside = api("inside", {"run": "POST /things/{thing}/run", "list": "GET /files"}, server=server)
    outside = api("outside", {"run": "POST /run"})
    catalog = Catalog({"things": THINGS, "inside": inside, "outside": outside})
    source = Source("x", "things.json", "openapi")

    assert meant(OperationRef("x", id="run"), source, catalog) == "inside.run"
    assert meant(OperationRef("x", id="list"), source, catalog) == "things.list"
    assert meant(OperationRef("x", path="/run", method="POST"), source, catalog) == "nothing"
    assert {"run", "makeThing"} <= set(catalog.names(OperationRef("x", id="rnu"), source))


def test_only_names_of_where_it_was_looked_for_are_offered() -> None:
    source = Source("x", "things.json", "openapi")

    assert "GetOther" not in set(CATALOG.names(OperationRef("x", id="GetOther"), source))


def test_the_apis_of_a_document_come_before_all_others() -> None:
    sources = "sourceDescriptions: [{name: a, url: things.json}, {name: b, url: unknown.json}]"
    text = arazzo("- {stepId: one, operationId: readThing}").replace(
        "sourceDescriptions: [{name: api, url: api.yaml, type: openapi}]", sources
    )
    catalog = CATALOG.for_document(load_document(text, "test.arazzo.yaml"))

    assert meant(OperationRef(None, id="readThing"), None, catalog) == "things.getThing"
    assert meant(OperationRef(None, id="list"), None, catalog) == "things.list"
    assert meant(OperationRef(None, id="GetOther"), None, catalog) == "others.GetOther"


def test_an_operation_of_several_apis_is_refused_with_the_way_to_say_which() -> None:
    with pytest.raises(
        ConfigError, match=r"found list in things and others, expected \$sourceDescriptions.<name>.list"
    ):
        meant(OperationRef(None, id="list"))


def test_every_step_whose_operation_is_ambiguous_or_unknown_is_told_with_its_place() -> None:
    steps = "- {stepId: one, operationId: list}\n- {stepId: two, operationId: lsit}\n- {stepId: three, operationId: makeThing}"
    text = arazzo(steps).replace("name: api, url: api.yaml", "name: nobody, url: unknown.yaml")
    document = load_document(text, "test.arazzo.yaml")

    with pytest.raises(ConfigError) as caught:
        compile_program(document, CATALOG.for_document(document))

    first, second = map(str, caught.value.problems)
    assert first.startswith("test.arazzo.yaml:8:5: step 'one': found list in things and others")
    assert second.startswith("test.arazzo.yaml:9:5: step 'two': found 'lsit', expected one of")


@pytest.mark.parametrize(
    ("path", "method", "found"),
    [
        ("/things/{id}", "get", "things.getThing"),
        ("/things/{thing}/stop", "POST", "things.stopThing"),
        ("/things/{id}", "delete", "nothing"),
        ("/elsewhere", "get", "nothing"),
        ("/things/{id}", "", "things.getThing"),
        ("/things", "", "nothing"),
    ],
    ids=lambda text: text or "without a method",
)
def test_an_operation_is_found_by_its_path_whatever_its_parameters_are_called(
    path: str, method: str, found: str
) -> None:
    assert meant(OperationRef("x", path=path, method=method), Source("x", "things.json", "openapi")) == found


def test_a_channel_is_no_operation() -> None:
    assert meant(OperationRef(None, channel="things/made")) == "nothing"


def test_a_read_knows_its_kind_with_the_states_that_its_reply_can_show() -> None:
    kind = operation("getThing").reads

    assert kind
    assert (kind.name, kind.state, kind.id) == ("thing", ("about", "state"), ("about", "id"))
    assert kind.states == {"new", "ready", "broken"}
    assert kind.hopeless == {"broken", "gone"}
    assert kind.events == ("thing.made", "thing.moved")


@pytest.mark.parametrize(
    ("name", "does", "by", "by_name", "deadline"),
    [
        ("makeThing", "creates thing", "", False, DEFAULT_DEADLINE),
        ("getThing", "reads thing", "thing", False, 60),
        ("findThing", "reads thing", "name", True, 60),
        ("stopThing", "moves thing", "thing", False, 60),
        ("getJob", "reads job", "job", False, DEFAULT_DEADLINE),
        ("awaitJob", "reads job", "job", False, DEFAULT_DEADLINE),
        ("list", "", "", False, DEFAULT_DEADLINE),
    ],
)
def test_what_an_operation_does_to_which_resource(
    name: str, does: str, by: str, by_name: bool, deadline: float
) -> None:
    found = operation(name)

    kinds = {"reads": found.reads, "creates": found.creates, "moves": found.moves}
    assert " ".join(f"{verb} {kind.name}" for verb, kind in kinds.items() if kind) == does
    assert (found.by, found.by_name, found.deadline) == (by, by_name, deadline)


def test_a_long_poll_holds_and_says_where_it_asks_for_states() -> None:
    found = operation("awaitJob")

    assert found.holds
    assert found.awaits == ("until", "states")
    assert not operation("getJob").holds


def test_the_keys_of_the_document_authenticate() -> None:
    found = operation("list")

    assert found.authenticates("header", "x-key")
    assert found.authenticates("header", "X-Key")
    assert found.authenticates("header", "Authorization")
    assert found.authenticates("query", "Key")
    assert not found.authenticates("query", "limit")


def test_the_names_are_those_of_all_operations_once() -> None:
    names = list(CATALOG.names(OperationRef(None, id="x"), None))

    assert names.count("list") == 1
    assert {"makeThing", "GetOther"} < set(names)
