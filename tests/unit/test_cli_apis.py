"""`reactor apis` over the shipped documents: every operation is shown, dry-run and callable by a rule."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner, Result

from reactor.apis.client import Api
from reactor.apis.openapi import OpenApi, Operation
from reactor.cli import reactor
from reactor.cli.apis_call import request_of, shown, typed
from reactor.cli.apis_show import described, told
from reactor.cli.outline import fields, kind, sample
from reactor.config import Config, load_config
from reactor.yaml12 import load

CONFIG = Path(__file__).parents[2] / "config"

NO_JSON = {
    "daytona.uploadFile_deprecated",
    "daytona-toolbox.Initialize",
    "daytona-toolbox.UploadFile",
    "runloop.devboxUploadFile",
}
"""What takes files, or anything: it can be shown, but only JSON can be sent."""


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(CONFIG)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_CONFIG", str(CONFIG))
    monkeypatch.setenv("DAYTONA_API_KEY", "dtn_s3cret")
    monkeypatch.setenv("RUNLOOP_API_KEY", "rl_s3cret")


def every(config: Config) -> Iterator[tuple[Api, Operation]]:
    return ((api, operation) for api in config.apis.values() for operation in api.openapi.operations.values())


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(reactor, ["apis", *words], input=stdin)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def words_of(rule: dict[str, Any]) -> list[str]:
    """The parameters of a rule's action as they are typed."""
    given = rule.get("parameters", {}).items()
    return [f"{k}={text_of(one)}" for k, v in given for one in (v if isinstance(v, list) else [v])]


def test_every_operation_can_be_dry_run_with_what_show_says_of_it(config: Config) -> None:
    refused = set()
    for api, operation in every(config):
        rule = described(api, operation)["rule"]
        if rule is None:
            refused.add(f"{api.name}.{operation.id}")
            continue

        request = request_of(api, operation, typed(api.openapi, operation, words_of(rule)), rule.get("body"))

        assert request["url"].startswith(api.server), operation.id
        assert "{" not in request["url"], operation.id
        assert "s3cret" not in shown(request, False) + shown(request, True), operation.id
    assert refused == NO_JSON


def test_every_operation_is_shown_with_all_that_it_requires(config: Config) -> None:
    for api, operation in every(config):
        lines = list(told(described(api, operation)))

        assert lines[1] == f"  {operation.method} {api.server}{operation.path}"
        for parameter in operation.parameters:
            starred = f"  {parameter.name} *" if parameter.required else f"  {parameter.name} "
            assert any(line.startswith(starred) for line in lines), (operation.id, parameter.name)
        assert "s3cret" not in "\n".join(lines)


def test_every_rule_that_show_suggests_loads(config: Config, tmp_path: Path) -> None:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory)
    suggested = [rule for api, operation in every(config) if (rule := described(api, operation)["rule"])]
    rules = [
        {"name": f"r{number}", "on": "volume.state.updated", "match": {"newState": "ready"}, "do": [rule]}
        for number, rule in enumerate(suggested)
    ]
    (directory / "rules" / "suggested.yaml").write_bytes(orjson.dumps({"rules": rules}))

    reloaded = load_config(directory)

    assert len(reloaded.rules.rules) == len(suggested) + len(config.rules.rules)


def test_the_rule_is_written_as_rule_files_are_read(config: Config) -> None:
    for api, operation in every(config):
        shown_operation = described(api, operation)
        text = "\n".join(told(shown_operation)).partition("\nIn a rule\n")[2]

        assert shown_operation["rule"] is None or load(text, "shown").data == {"do": [shown_operation["rule"]]}


def test_apis_are_listed_with_their_keys_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNLOOP_API_KEY")

    listed = run("ls")
    data = orjson.loads(run("ls", "--json").stdout)

    assert "DAYTONA_API_KEY (set)" in listed.stdout
    assert "RUNLOOP_API_KEY (not set)" in listed.stdout
    assert "s3cret" not in listed.output
    assert {api["api"]: api["secret_set"] for api in data} == {
        "daytona": True,
        "daytona-toolbox": True,
        "runloop": False,
    }


def test_operations_are_listed_by_pattern_and_deprecated_ones_on_demand() -> None:
    current = run("ls", "daytona", "*VOLUME*")
    all_of_them = orjson.loads(run("ls", "daytona", "--deprecated", "--json").stdout)

    assert {line.split()[0] for line in current.stdout.splitlines()} >= {"getVolume", "createVolume", "listVolumes"}
    assert "createSandbox" not in current.stdout
    assert len(all_of_them) == 292
    assert any(operation["deprecated"] for operation in all_of_them)


def test_a_pattern_that_matches_nothing_is_said_to() -> None:
    assert "no operation of daytona is named like 'volume'" in run("ls", "daytona", "volume").stderr


def test_show_says_what_the_provider_file_says() -> None:
    create, poll, read = (
        run("show", name).stdout
        for name in ("daytona.createVolume", "runloop.waitForDevboxStatus", "daytona.getVolume")
    )

    assert "creates a volume, once: what a lost reply made is found again by getVolumeByName" in create
    assert "waits for one of the states at $.statuses, 30 s at most; 408 means: not yet" in poll
    assert "may be sent twice" in poll
    assert "may take 35 s" in poll
    assert "reads the state of a volume" in read


def test_a_dry_run_shows_the_request_without_the_key() -> None:
    plain = run("call", "daytona.createVolume", "--body", '{"name": "build-1"}', "--dry-run")
    data = orjson.loads(run("call", "daytona.getVolume", "volumeId=a/b", "--dry-run", "--json").stdout)

    assert plain.stdout == (
        "POST https://app.daytona.io/api/volumes\n"
        "Content-Type: application/json\n"
        "Authorization: Bearer *** (secret DAYTONA_API_KEY, set)\n"
        '\n{\n  "name": "build-1"\n}\n'
    )
    assert data == {
        "method": "GET",
        "url": "https://app.daytona.io/api/volumes/a%2Fb",
        "headers": {"Authorization": "Bearer *** (secret DAYTONA_API_KEY, set)"},
        "body": None,
    }


@pytest.mark.parametrize("place", ["-", "body.yaml", "body.json"])
def test_a_body_comes_from_a_file_or_from_standard_input(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.yaml").write_text("name: build-1")
    (tmp_path / "body.json").write_text('{"name": "build-1"}')

    asked = run("call", "daytona.createVolume", "--body", place, "--dry-run", "--json", stdin='{"name": "build-1"}')

    assert orjson.loads(asked.stdout)["body"] == {"name": "build-1"}


def test_parameters_are_typed_and_an_array_is_its_parameter_repeated() -> None:
    words = ["daytona.listSandboxes", "limit=5", "isPublic=true", "states=started", "states=error"]

    asked = run("call", *words, "--dry-run", "--json")

    query = orjson.loads(asked.stdout)["url"].partition("?")[2].split("&")
    assert sorted(query) == ["isPublic=true", "limit=5", "states=error", "states=started"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["daytona.getVolme"], "did you mean 'daytona.getVolume'?"),
        (["getVolume"], "'daytona.getVolume'"),
        (["daytona.getVolume"], "found no parameter 'volumeId', expected it: it is required"),
        (["daytona.getVolume", "volumeid=1"], "found 'volumeid', expected one of 'X-Daytona-Organization-ID', 'volumeId'"),
        (["daytona.createVolume", "name=x"], """it is a field of the body: --body '{"name": …}'"""),
        (["daytona.getVolume", "vol-1"], "found 'vol-1', expected a parameter as KEY=VALUE"),
        (["daytona.getVolume", "volumeId=a", "volumeId=b"], "found parameter 'volumeId' 2 times, expected it once"),
        (["daytona.listSandboxes", "limit=many"], "parameter 'limit': found 'many', expected number"),
        (["daytona.listSandboxes", "limit=true"], "parameter 'limit': found 'true', expected number"),
        (["daytona.listSandboxes", "isPublic=1"], "parameter 'isPublic': found '1', expected boolean"),
        (["daytona.listSandboxes", "states=startd"], "did you mean 'started'?"),
        (["daytona.createVolume"], "found no body, expected one"),
        (["daytona.createVolume", "--body", '{"name": 3}'], "body.name: found an integer, expected string"),
        (["daytona.createVolume", "--body", "none.json"], "--body none.json: can't be read: No such file"),
        (["daytona.createVolume", "--body", "{name: [}"], "--body:1:9: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_before_anything_is_sent(words: list[str], message: str) -> None:
    refused = run("call", *words, "--dry-run")

    assert refused.exit_code == 1
    assert message in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("typed_so_far", "completed"),
    [
        ("show day", ["daytona-toolbox.", "daytona."]),
        ("call daytona.getVol", ["daytona.getVolume", "daytona.getVolumeByName"]),
        ("ls run", ["runloop"]),
        ("show nothing.get", []),
        ("call --config /nowhere day", []),
    ],
)
def test_names_are_completed(typed_so_far: str, completed: list[str]) -> None:
    words = f"reactor apis {typed_so_far}"
    asked = {"_REACTOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}

    answered = CliRunner().invoke(reactor, env=asked, prog_name="reactor")

    assert [line.removeprefix("plain,") for line in answered.stdout.split()] == completed


def test_completing_among_broken_files_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis" / "broken.yaml").touch()
    (tmp_path / "apis" / "broken.openapi.json").write_text('{"paths": {"/x": {"get": 3}}}')
    asked = {"REACTOR_CONFIG": str(tmp_path), "_REACTOR_COMPLETE": "bash_complete", "COMP_CWORD": "3"}

    answered = CliRunner().invoke(reactor, env=asked | {"COMP_WORDS": "reactor apis show broken."}, prog_name="reactor")

    assert answered.output.strip() == ""


# --- outlines ---------------------------------------------------------------------------------------------------------

TREE = {
    "type": "object",
    "required": ["value", "children"],
    "properties": {
        "value": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
    },
}
JSON = {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Json"}}, {"type": "string"}]}
SCHEMAS = {"Tree": TREE, "Json": JSON}


def outlined() -> OpenApi:
    return OpenApi.parse({"openapi": "3.1.0", "paths": {}, "components": {"schemas": SCHEMAS}})


def test_a_schema_of_itself_is_shown_as_far_as_it_helps() -> None:
    openapi = outlined()

    listed = [(field.path, field.type) for field in fields(openapi, {"$ref": "#/components/schemas/Tree"})]

    assert listed[:3] == [
        (("value",), "null or integer"),
        (("children",), "array of object"),
        (("children", "value"), "null or integer"),
    ]
    assert max(len(path) for path, _ in listed) == 3
    assert kind(openapi, {"$ref": "#/components/schemas/Json"}).startswith("array of array of array of")
    assert list(fields(openapi, {"$ref": "#/components/schemas/Json"})) == []


def test_a_sample_of_a_schema_of_itself_ends() -> None:
    openapi = outlined()

    tree = sample(openapi, {"$ref": "#/components/schemas/Tree"})

    assert tree["value"] == 3
    assert tree["children"][0]["children"]
    assert isinstance(sample(openapi, {"$ref": "#/components/schemas/Json"}), list)


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (True, "<x>"),
        ({"anyOf": [True, {"type": "null"}]}, "<x>"),
        ({"type": "array", "items": True, "minItems": 10**9}, ["<x>"] * 5),
        ({"type": "string", "minLength": 6}, "<x>xxx"),
        ({"type": "string", "pattern": "^(low|high)$"}, "low"),
        ({"type": "string", "pattern": "\\p{L}("}, "<x>"),
        ({"type": "string", "format": "uuid"}, "00000000-0000-4000-8000-000000000000"),
        ({"type": ["null", "integer"], "exclusiveMinimum": 4}, 5),
        ({"type": "object", "required": ["a"], "properties": {"a": {"enum": [None, "b"]}}}, {"a": "b"}),
    ],
)
def test_a_sample_fits_and_is_small_whatever_a_schema_asks_for(schema: Any, made: Any) -> None:
    assert sample(outlined(), schema, "x") == made


# --- import -----------------------------------------------------------------------------------------------------------

BILLING: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Billing", "version": "1.2"},
    "servers": [{"url": "https://{region}.billing.example.com/v1/", "variables": {"region": {"default": "eu"}}}],
    "paths": {
        "/invoices/{id}": {
            "get": {
                "operationId": "invoices/get",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "one"}},
            }
        },
        "/invoices": {"get": {"operationId": "listInvoices", "responses": {"200": {"description": "all"}}}},
    },
    "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
}


def imported(directory: Path, document: dict[str, Any], *words: str) -> Result:
    source = directory / "billing.yaml"
    source.write_text(yaml.safe_dump(document))
    return run("import", str(source), "--name", "billing", "--into", str(directory / "apis"), *words)


def test_an_import_makes_an_api_that_loads_with_its_server(tmp_path: Path) -> None:
    for name in ("secrets.yaml", "sources.yaml"):
        shutil.copy(CONFIG / name, tmp_path / name)
    shutil.copytree(CONFIG / "apis", tmp_path / "apis")

    done = imported(tmp_path, BILLING)
    api = load_config(tmp_path).apis["billing"]

    assert done.exit_code == 0, done.output
    assert api.server == "https://eu.billing.example.com/v1"
    assert sorted(api.openapi.operations) == ["invoices-get", "listInvoices"]
    starter = (tmp_path / "apis" / "billing.yaml").read_text()
    assert '#   BILLING_KEY: {env: BILLING_KEY, hosts: ["eu.billing.example.com"]}' in starter
    assert "# auth: {bearer: BILLING_KEY}" in starter


def test_importing_again_shows_the_difference_and_wants_a_yes_where_something_goes(tmp_path: Path) -> None:
    imported(tmp_path, BILLING)
    (tmp_path / "apis" / "billing.yaml").write_text("mine")
    less = {**BILLING, "paths": {"/invoices": BILLING["paths"]["/invoices"]}}
    before = (tmp_path / "apis" / "billing.openapi.json").read_bytes()

    refused = imported(tmp_path, less)
    tried = imported(tmp_path, less, "--dry-run")
    unchanged = (tmp_path / "apis" / "billing.openapi.json").read_bytes()
    agreed = imported(tmp_path, less, "--yes", "--json")

    assert refused.exit_code == 1
    assert "removed: operation invoices-get" in refused.stdout
    assert "without a terminal, say --yes" in refused.stderr
    assert (tried.exit_code, unchanged) == (0, before)
    assert orjson.loads(agreed.stdout)["operations"] == 1
    assert orjson.loads(agreed.stdout)["provider"] is None
    assert (tmp_path / "apis" / "billing.yaml").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "apis").iterdir()) == ["billing.openapi.json", "billing.yaml"]


def test_what_is_only_added_needs_no_yes(tmp_path: Path) -> None:
    less = {**BILLING, "paths": {"/invoices": BILLING["paths"]["/invoices"]}}
    imported(tmp_path, less)

    done = imported(tmp_path, BILLING)

    assert done.exit_code == 0, done.output
    assert "added: operation invoices-get" in done.stdout


def test_older_documents_and_a_prefix_become_part_of_it(tmp_path: Path) -> None:
    older = tmp_path / "older.json"
    older.write_bytes(orjson.dumps(BILLING))
    less = {**BILLING, "paths": {"/invoices": BILLING["paths"]["/invoices"]}}

    imported(tmp_path, less, "--also", str(older), "--under", "/tenants/{tenant}")

    document = OpenApi.parse(orjson.loads((tmp_path / "apis" / "billing.openapi.json").read_bytes()))
    assert document.operations["invoices-get"].deprecated
    assert document.operations["listInvoices"].path == "/tenants/{tenant}/invoices"


def broken(**changes: Any) -> dict[str, Any]:
    return {**BILLING, **changes}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"swagger": "2.0", "paths": {}}, "found Swagger 2.0, expected OpenAPI 3.0 or 3.1: convert it"),
        (broken(info={"title": "x"}), 'found 1 error, expected valid OpenAPI:\n  info: "version" is a required property'),
        (broken(paths=[]), "paths: [] is not of type"),
        (broken(components={"schemas": {"A": {"$ref": "http://127.0.0.1:1/a.json"}}}), "expected one within the document"),
        (broken(components={"schemas": {"A": {"$ref": "/etc/passwd"}}}), "expected one within the document"),
        (broken(paths={f"/no{number}": {"get": {}} for number in range(30)}), "found 30 errors, expected valid OpenAPI:"),
        (broken(paths={f"/no{number}": {"get": {}} for number in range(30)}), "… and 10 more"),
    ],
)  # fmt: skip
def test_a_document_that_is_not_valid_is_refused_with_its_errors(
    document: dict[str, Any], message: str, tmp_path: Path
) -> None:
    refused = imported(tmp_path, document)

    assert refused.exit_code == 1
    assert message in refused.stderr
    assert not (tmp_path / "apis").exists()


def test_a_yaml_bomb_is_refused(tmp_path: Path) -> None:
    levels = "\n".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 10))
    source = tmp_path / "bomb.yaml"
    source.write_text(f"openapi: 3.1.0\nl0: &l0 [lol]\n{levels}\n")

    refused = run("import", str(source), "--name", "bomb", "--into", str(tmp_path / "apis"))

    assert refused.exit_code == 1
    assert "found more than 2000000 values" in refused.stderr


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}"])
def test_a_document_that_holds_itself_is_refused(text: str, tmp_path: Path) -> None:
    source = tmp_path / "loop.yaml"
    source.write_text(text)

    assert "or 200 levels" in run("import", str(source), "--name", "loop").stderr


def test_a_title_does_not_become_part_of_the_starter(tmp_path: Path) -> None:
    servers = [{"url": "https://x.example.com\nauth: {bearer: OTHER}"}]
    hostile = broken(info={"title": "x\nauth: {bearer: OTHER}", "version": "1"}, servers=servers)

    imported(tmp_path, hostile)

    starter = load((tmp_path / "apis" / "billing.yaml").read_text(), "starter").data
    assert set(starter) == {"openapi", "server"}
    assert starter["server"]["url"] == "https://server.invalid"


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "apis").touch()

    refused = imported(tmp_path, BILLING, "--into", str(tmp_path / "apis" / "here"))

    assert refused.exit_code == 1
    assert "apis/here/billing.openapi.json: " in refused.stderr


def test_a_bad_name_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    refused = imported(tmp_path, BILLING, "--name", "../billing")

    assert refused.exit_code == 2
    assert "expected small letters, digits and dashes" in refused.stderr


def test_a_file_that_others_read_is_never_half_written(tmp_path: Path) -> None:
    (tmp_path / "apis" / "billing.openapi.json").mkdir(parents=True)  # nothing can take its place

    refused = imported(tmp_path, BILLING)

    assert refused.exit_code == 1
    assert [path.name for path in (tmp_path / "apis").iterdir()] == ["billing.openapi.json"]
