"""A configuration directory is taken whole or refused, every mistake at its place and with what to do about it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.events import Event

SHIPPED = Path(__file__).parents[2] / "config"
SIGNING_SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="

FILES = {
    "secrets.yaml": """\
secrets:
  HOOK: {env: TEST_HOOK}
  KEY: {env: TEST_KEY, hosts: [api.example.com]}
""",
    "sources.yaml": """\
sources:
  daytona:
    api: things
    organization: {env: TEST_ORGANIZATION}
    secrets: [HOOK]
""",
    "apis/things.yaml": """\
openapi: things.json
webhooks: hooks.json
server: {url: "https://api.example.com/v1", env: TEST_URL}
auth: {bearer: KEY}
resources:
  thing:
    read: getThing
    find: {findThing: {name: $.name}}
creates:
  createThing: {resource: thing}
""",
    "rules/things.yaml": """\
rules:
  - name: copy
    on: thing.ready
    match:
      state: done
    do:
      - call: things.getThing
        parameters: {thingId: "${event.id}"}
""",
}


def operation(id: str, *parameters: str) -> dict[str, object]:
    required = [{"name": name, "in": "query", "required": True, "schema": {}} for name in parameters]
    return {"operationId": id, "parameters": required, "responses": {}}


READY = {
    "properties": {
        "event": {"type": "string"},
        "timestamp": {"type": "string"},
        "id": {"type": "string"},
        "state": {"enum": ["new", "done"]},
        "size": {"type": ["integer", "null"]},
    }
}
DOCUMENTS = {
    "apis/things.json": {
        "openapi": "3.1.0",
        "paths": {
            "/thing": {"get": operation("getThing", "thingId"), "post": operation("createThing")},
            "/find": {"get": operation("findThing", "name")},
        },
    },
    "apis/hooks.json": {
        "openapi": "3.1.0",
        "webhooks": {"thing.ready": {"post": {"requestBody": {"content": {"application/json": {"schema": READY}}}}}},
    },
}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small configuration that is right."""
    for name in ("TEST_HOOK", "TEST_KEY", "TEST_ORGANIZATION", "TEST_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, document in DOCUMENTS.items():
        (tmp_path / name).write_bytes(orjson.dumps(document))
    return tmp_path


def test_a_directory_that_is_far_too_large_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.config.reading.LARGEST_SUM", 1000)

    assert any("makes the directory larger than 1000 bytes" in problem for problem in problems(directory))


def problems(directory: Path) -> list[str]:
    """What is wrong, one `file:line:column: message` for each mistake."""
    with pytest.raises(ConfigError) as refused:
        load_config(directory)
    return [str(problem).removeprefix(f"{directory}/") for problem in refused.value.problems]


@dataclass(frozen=True)
class Mistake:
    """One edit that makes the directory wrong, and how the complaint begins."""

    name: str
    file: str
    right: str
    wrong: str
    complaint: str


MISTAKES = (
    Mistake("a rule's field is misspelt", "rules/things.yaml",
            "    match:", "    mach:",
            "rules/things.yaml:4:5: found 'mach', expected one of 'cooldown', 'count', 'debounce', "
            "'description', 'do', 'enforce', 'for', 'key', 'match', 'max_age', 'name', 'on', 'retry', 'stale', "
            "'throttle', 'unless', 'when'; did you mean 'match'?"),
    Mistake("a field of the event is misspelt", "rules/things.yaml",
            "      state: done", "      stat: done",
            "rules/things.yaml:5:7: found 'stat', expected one of 'event', 'id', 'size', 'state', 'timestamp'; "
            "did you mean 'state'?"),
    Mistake("a field in a branch is misspelt", "rules/things.yaml",
            "      state: done", "      $or:\n        - state: done\n        - stat:\n            prefix: d",
            "rules/things.yaml:7:11: found 'stat', expected one of"),
    Mistake("an operator is unknown", "rules/things.yaml",
            "state: done", "state: {starts: done}",
            "rules/things.yaml:5:23: found operator 'starts', expected one of prefix, suffix"),
    Mistake("an expression names an unknown field", "rules/things.yaml",
            "${event.id}", "${event.idd}",
            "rules/things.yaml:8:31: in '${event.idd}': undeclared reference to 'event.idd'"),
    Mistake("an expression does not end", "rules/things.yaml",
            "${event.id}", "${event.id",
            "rules/things.yaml:8:31: in '${event.id': the `${` has no closing `}`"),
    Mistake("a call's API is unknown", "rules/things.yaml",
            "things.getThing", "thing.getThing",
            "rules/things.yaml:7:15: found 'thing', expected one of 'things'; did you mean 'things'?"),
    Mistake("a call's operation is unknown", "rules/things.yaml",
            "things.getThing", "things.getThin",
            "rules/things.yaml:7:15: found 'getThin', expected one of 'createThing', 'findThing', 'getThing'; "
            "did you mean 'getThing'?"),
    Mistake("a call's parameter is unknown and the right one is missing", "rules/things.yaml",
            "{thingId:", "{thingID:",
            "rules/things.yaml:8:9: found no parameters thingId, expected them: getThing requires them"),
    Mistake("two rules have one name", "rules/things.yaml",
            "    do:\n", "    do:\n      - call: things.createThing\n  - name: copy\n    on: thing.ready\n    do:\n",
            "rules/things.yaml:8:11: found 'copy' a second time, expected a name of its own"),
    Mistake("the YAML is broken", "rules/things.yaml",
            "  - name: copy", "  - name: copy: paste",
            'rules/things.yaml:2:15: found a second ": " in one value, expected quotes around the text'),
    Mistake("an operation that reads is unknown", "apis/things.yaml",
            "read: getThing", "read: getThings",
            "apis/things.yaml:7:11: found 'getThings', expected one of 'createThing', 'findThing', 'getThing'"),
    Mistake("an operation that finds is unknown", "apis/things.yaml",
            "{findThing: {", "{findThin: {",
            "apis/things.yaml:8:12: found 'findThin', expected one of 'createThing', 'findThing', 'getThing'"),
    Mistake("an operation that creates is unknown", "apis/things.yaml",
            "  createThing:", "  makeThing:",
            "apis/things.yaml:10:3: found 'makeThing', expected one of"),
    Mistake("a create makes an unknown resource", "apis/things.yaml",
            "{resource: thing}", "{resource: think}",
            "apis/things.yaml:10:27: found 'think', expected one of 'thing'; did you mean 'thing'?"),
    Mistake("a create makes what can't be found", "apis/things.yaml",
            "    find: {findThing: {name: $.name}}\n", "",
            "apis/things.yaml:6:3: found no `find`, expected it, or `list` and `labels`: did createThing act?"),
    Mistake("a path is none", "apis/things.yaml",
            "{name: $.name}", "{name: name}",
            "apis/things.yaml:8:30: found 'name', expected a path like $.id or $.labels.team"),
    Mistake("the key is not declared", "apis/things.yaml",
            "bearer: KEY", "bearer: KEI",
            "apis/things.yaml:4:16: found 'KEI', expected one of 'HOOK', 'KEY'; "
            "did you mean 'KEY'? (declared in secrets.yaml)"),
    Mistake("the key may not go to this host", "apis/things.yaml",
            "//api.example.com", "//evil.example.com",
            "apis/things.yaml:3:9: found host 'evil.example.com', but secret KEY may go to api.example.com only"),
    Mistake("the server is no host", "apis/things.yaml",
            "https://api.example.com/v1", "https://[api/v1",
            "apis/things.yaml:3:9: found 'https://[api/v1', expected a URL like https://"),
    Mistake("the OpenAPI document is missing", "apis/things.yaml",
            "things.json", "thing.json",
            "apis/thing.json: can't be read: No such file or directory; make it with `reactor apis import`"),
    Mistake("the OpenAPI document is no JSON", "apis/things.json",
            '"paths"', "paths",
            "apis/things.json:1:20: found no JSON:"),
    Mistake("the OpenAPI document is an old one", "apis/things.json",
            "3.1.0", "3.0.0",
            "apis/things.json: found no compact OpenAPI 3.1 document, expected one made by `reactor apis import`"),
    Mistake("a source's API is unknown", "sources.yaml",
            "api: things", "api: thingz",
            "sources.yaml:3:10: found 'thingz', expected one of 'things'; did you mean 'things'?"),
    Mistake("a source's secret is not declared", "sources.yaml",
            "[HOOK]", "[HOOK, HUK]",
            "sources.yaml:5:21: found 'HUK', expected one of 'HOOK', 'KEY'"),
    Mistake("a source has no secret", "sources.yaml",
            "[HOOK]", "[]",
            "sources.yaml:5:14: found a list, expected"),
    Mistake("a source's headers are of no family", "sources.yaml",
            "[HOOK]", "[HOOK]\n    headers: svicks",
            "sources.yaml:6:14: found 'svicks', expected one of 'either', 'svix', 'webhook'; did you mean 'svix'?"),
    Mistake("a secret is in two places", "secrets.yaml",
            "{env: TEST_HOOK}", "{env: TEST_HOOK, file: /run/hook}",
            "secrets.yaml:2:3: found both of `env` and `file`, expected one of them"),
    Mistake("a secret is nowhere", "secrets.yaml",
            "{env: TEST_HOOK}", "{}",
            "secrets.yaml:2:3: found neither of `env` and `file`, expected one of them"),
    Mistake("a secret's field is misspelt", "secrets.yaml",
            "{env: TEST_HOOK}", "{enw: TEST_HOOK}",
            "secrets.yaml:2:10: found 'enw', expected one of 'env', 'file', 'hosts'; did you mean 'env'?"),
)  # fmt: skip


@pytest.mark.parametrize("mistake", [pytest.param(mistake, id=mistake.name) for mistake in MISTAKES])
def test_a_mistake_is_told_at_its_place_with_its_remedy(directory: Path, mistake: Mistake) -> None:
    path = directory / mistake.file
    assert path.read_text().count(mistake.right) == 1
    path.write_text(path.read_text().replace(mistake.right, mistake.wrong))

    first, *others = problems(directory)

    assert first.startswith(mistake.complaint)
    assert [other for other in others if not other.startswith(mistake.file)] == []


def test_a_broken_file_does_not_put_the_blame_on_those_that_refer_to_it(directory: Path) -> None:
    for name in ("secrets.yaml", "apis/things.yaml"):
        (directory / name).write_text("- no mapping\n")

    assert problems(directory) == [
        "apis/things.yaml:1:1: found a list, expected a mapping",
        "secrets.yaml:1:1: found a list, expected a mapping",
    ]


def test_the_mistakes_of_all_files_are_told_together(directory: Path) -> None:
    rules, sources = directory / "rules" / "things.yaml", directory / "sources.yaml"
    rules.write_text(rules.read_text().replace("event.id", "event.idd").replace("things.getThing", "x.y"))
    sources.write_text(sources.read_text().replace("[HOOK]", "[HUK]"))

    assert [told.partition(": ")[0] for told in problems(directory)] == [
        "rules/things.yaml:7:15",
        "rules/things.yaml:8:31",
        "sources.yaml:5:15",
    ]


def test_the_sources_of_one_organization_share_the_state_table_of_their_api(directory: Path) -> None:
    sources = directory / "sources.yaml"
    more = "".join(
        f"  {name}:\n    api: things\n    organization: {organization}\n    secrets: [HOOK]\n"
        for name, organization in (("twin", "{env: TEST_ORGANIZATION}"), ("stranger", "other"))
    )
    sources.write_text(sources.read_text() + more)

    config = load_config(directory)

    tables = [config.table(name) for name in ("daytona", "twin", "stranger", "retired")]
    assert tables == ["things", "things", "stranger", "retired"]


def test_a_rule_of_wrong_structure_hides_no_mistake_of_the_others_in_its_file(directory: Path) -> None:
    rules = directory / "rules" / "things.yaml"
    broken, wrong = "  - {name: broken, on: thing.ready}\n", rules.read_text().replace("${event.id}", "${event.idd}")
    rules.write_text(wrong.replace("rules:\n", f"rules:\n{broken}") + broken.replace("broken", "again"))

    found = problems(directory)

    assert [each.partition(": ")[0] for each in found] == [
        "rules/things.yaml:2:5",
        "rules/things.yaml:9:31",
        "rules/things.yaml:10:5",
    ], found
    assert "undeclared reference to 'event.idd'" in found[1]


def test_a_file_that_is_no_list_of_rules_is_told_so_once(directory: Path) -> None:
    (directory / "rules" / "things.yaml").write_text("rules: {a: 1}\n")

    [told] = problems(directory)

    assert told.startswith("rules/things.yaml:1:8: found a mapping")


@pytest.mark.parametrize("name", ["secrets.yaml", "sources.yaml"])
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()

    assert problems(directory) == [f"{name}: can't be read: No such file or directory"]


def test_a_missing_directory_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set REACTOR_CONFIG, or run where `config/` is"):
        load_config(tmp_path / "gone")


def test_a_replaced_server_must_be_a_url(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_URL", "api.example.com/v1")

    [told] = problems(directory)

    assert told == (
        "apis/things.yaml:3:9: found 'api.example.com/v1' in TEST_URL, expected a URL like https://app.daytona.io/api"
    )


def test_a_good_directory_is_compiled(directory: Path) -> None:
    config = load_config(directory)

    [rule] = config.rules.rules
    api = config.api_of("daytona")
    assert api is not None
    assert (rule.name, api.name, api.server) == ("copy", "things", "https://api.example.com/v1")
    assert api.key is config.secrets["KEY"]
    assert config.api_of("gone") is None


def test_an_installation_of_ones_own_may_replace_the_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_URL", "http://127.0.0.1:1234/api/")

    assert load_config(directory).apis["things"].server == "http://127.0.0.1:1234/api"


def test_rules_come_in_the_order_of_the_files_and_tests_of_rules_are_no_rules(directory: Path) -> None:
    text = (directory / "rules/things.yaml").read_text()
    (directory / "rules/a.yaml").write_text(text.replace("copy", "first"))
    (directory / "rules/things.test.yaml").write_text("tests: []\n")

    assert [rule.name for rule in load_config(directory).rules.rules] == ["first", "copy"]


def test_events_that_no_document_describes_may_have_any_field(directory: Path) -> None:
    path = directory / "rules/things.yaml"
    path.write_text(path.read_text().replace("thing.ready", "future.type").replace("event.id", "event.data.x"))

    assert len(load_config(directory).rules.rules) == 1


@pytest.mark.parametrize("name", [*FILES, *DOCUMENTS])
def test_every_file_is_part_of_the_revision(directory: Path, name: str) -> None:
    before = load_config(directory).revision

    (directory / name).write_bytes((directory / name).read_bytes() + b"\n")

    assert load_config(directory).revision != before


def test_the_same_files_elsewhere_are_the_same_revision(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "config"

    shutil.copytree(directory, copy)

    assert load_config(copy).revision == load_config(directory).revision


def test_a_payload_that_does_not_say_its_type_is_recognised(directory: Path) -> None:
    event = Event("m", "daytona", "", "o", {"id": "1", "state": "new", "size": 3}, time=None, received=None)

    assert load_config(directory).recognise(event).type == "thing.ready"


def test_sources_are_ready_when_their_secrets_are_there(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK", SIGNING_SECRET)
    monkeypatch.setenv("TEST_ORGANIZATION", " org-1\n")

    [source] = load_config(directory).sources().values()

    assert (source.name, source.organization, source.family) == ("daytona", "org-1", "svix")
    assert len(source.secrets) == 1


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        ("TEST_HOOK", "source daytona has no secret: set one of TEST_HOOK to the signing secret (whsec_…)"),
        ("TEST_ORGANIZATION", "source daytona has no organization: set TEST_ORGANIZATION"),
    ],
)
def test_a_source_without_its_secret_or_organization_says_what_to_set(
    directory: Path, monkeypatch: pytest.MonkeyPatch, missing: str, remedy: str
) -> None:
    for name, value in {"TEST_HOOK": SIGNING_SECRET, "TEST_ORGANIZATION": "org-1"}.items():
        monkeypatch.setenv(name, "" if name == missing else value)

    with pytest.raises(ConfigError) as refused:
        load_config(directory).sources()

    assert remedy in str(refused.value)


def test_a_wrong_signing_secret_is_refused_and_not_shown(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK", "whsec_notbase64!")
    monkeypatch.setenv("TEST_ORGANIZATION", "org-1")

    with pytest.raises(ConfigError) as refused:
        load_config(directory).sources()

    assert "notbase64" not in str(refused.value)


def test_the_configuration_that_is_shipped_is_right() -> None:
    config = load_config(SHIPPED)

    assert "daytona" in config.apis
    assert config.rules.rules


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("read: getVolume", "read: getVolum", "found 'getVolum', expected one of 'getVolume', "),
        ("resource: volume", "resource: volum", "found 'volum', expected one of "),
    ],
    ids=["an operation that reads", "a kind that is made"],
)
def test_what_workflows_and_rules_rest_on_is_told_where_it_is_wrong(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    directory = shutil.copytree(SHIPPED, tmp_path / "config")
    api = directory / "apis" / "daytona.yaml"
    api.write_text(api.read_text().replace(right, wrong, 1))

    [told] = problems(directory)

    assert told.startswith("apis/daytona.yaml:")
    assert complaint in told
