"""The schemas that editors use are those of the models, accept what is shipped, and refuse what is wrong."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from reactor.config import FILES, file_schema, load_config
from reactor.yaml12 import load

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = {
    "rules": "rules/*.yaml",
    "sources": "sources.yaml",
    "secrets": "secrets.yaml",
    "apis": "apis/*.yaml",
}
HEADER = "# yaml-language-server: $schema="


def schema(kind: str) -> Any:
    return orjson.loads((CONFIG / "schema" / f"{kind}.schema.json").read_bytes())


def data(text: str) -> Any:
    return load(text, "file.yaml").data


@pytest.mark.parametrize("kind", FILES)
def test_a_shipped_schema_is_what_reactor_schema_writes_now(kind: str) -> None:
    config = load_config(CONFIG)

    assert schema(kind) == orjson.loads(orjson.dumps(file_schema(kind, config))), (
        "run `reactor schema --into config/schema`"
    )


@pytest.mark.parametrize("kind", SHIPPED)
def test_shipped_files_are_right_by_their_schema_and_name_it_in_their_first_line(kind: str) -> None:
    validator = jsonschema_rs.validator_for(schema(kind))

    files = [file for file in CONFIG.glob(SHIPPED[kind]) if not file.name.endswith(".test.yaml")]
    assert files
    for file in files:
        text = file.read_text("utf-8")
        named = text.splitlines()[0].removeprefix(HEADER)
        assert (file.parent / named).resolve() == (CONFIG / "schema" / f"{kind}.schema.json").resolve()
        assert [error.message for error in validator.iter_errors(data(text))] == []


RULE = "rules: [{name: a, on: volume.created, match: {MATCH}, do: [{call: daytona.getVolume}]}]"
GOOD = {
    "a list of types": RULE.replace("volume.created", "[volume.created, 'sandbox.*']"),
    "operators": RULE.replace("{MATCH}", '{name: [{prefix: a}, b], size: {numeric: [">", 0]}, id: {exists: false}}'),
    "branches": RULE.replace("{MATCH}", "{$or: [{name: a}, {id: {anything-but: [b]}}]}"),
    "an operation that is not known yet": RULE.replace("getVolume", "tomorrow").replace("{MATCH}", "{}"),
}
BAD = {
    "no rules": "rule: []",
    "an unknown field": RULE.replace("{MATCH}", "{}, matsch: {}"),
    "an unknown operator": RULE.replace("{MATCH}", "{name: {prefixes: a}}"),
    "two operators": RULE.replace("{MATCH}", "{name: {prefix: a, suffix: b}}"),
    "no action": "rules: [{name: a, on: volume.created, do: []}]",
    "a name with a space": RULE.replace("name: a", "name: a b").replace("{MATCH}", "{}"),
    "no duration": RULE.replace("{MATCH}", "{}, cooldown: soon"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_the_schema_of_rules_accepts(text: str) -> None:
    assert jsonschema_rs.validator_for(schema("rules")).is_valid(data(text))


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_the_schema_of_rules_refuses(text: str) -> None:
    assert not jsonschema_rs.validator_for(schema("rules")).is_valid(data(text))


def test_an_editor_is_offered_what_is_configured() -> None:
    definitions = schema("rules")["$defs"]

    assert "daytona.createSandbox" in definitions["CallAction"]["properties"]["call"]["anyOf"][0]["enum"]
    assert "volume.state.updated" in definitions["Rule"]["properties"]["on"]["anyOf"][0]["enum"]
    assert "ops-slack" in definitions["NotifyAction"]["properties"]["notify"]["anyOf"][0]["enum"]
    assert "volume-and-sandbox" in definitions["RunAction"]["properties"]["run"]["anyOf"][0]["enum"]
    assert "newState" in definitions["Patterns"]["properties"]
