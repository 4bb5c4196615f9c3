"""What an editor with the YAML language server shows for a rule file: the real server, the shipped schema and its line."""

from pathlib import Path

import orjson
import pytest
from language_server import opened

from reactor.config import FILES

CONFIG = Path(__file__).parents[2] / "config"
NEW = CONFIG / "rules" / "new.yaml"
RULE = """\
# yaml-language-server: $schema=../schema/rules.schema.json
rules:
  - name: sandbox-for-ready-volume
    on: volume.created
    match:
      newState: ready
    coldown: 1h
    for: 10m
    do:
      - call: daytona.createSandbox
        if_exists: use
    \n"""


def place(text: str) -> tuple[int, int]:
    """Where the pointer is on a word of RULE, or behind its last line for an empty one."""
    lines = RULE.splitlines()
    number = next(number for number, line in enumerate(lines) if text and text in line) if text else len(lines) - 1
    return number, lines[number].index(text) + 1 if text else 4


async def test_an_editor_offers_what_a_rule_may_say_and_writes_no_more_than_that() -> None:
    async with opened(NEW, RULE) as editor:
        offered = await editor.offered(*place(""))

    assert {"when", "key", "count", "unless", "debounce", "max_age", "cooldown", "throttle", "retry"} <= offered.keys()
    assert not {"name", "on", "for", "do"} & offered.keys(), "what is there is not offered again"
    assert offered["cooldown"]["documentation"] == "Act at most once in this time."
    assert offered["cooldown"]["insertText"] == "cooldown: ${1:10m}"
    assert offered["unless"]["insertText"] == "unless:\n  on: $1\n  within: $2"
    assert not [label for label, item in offered.items() if "null" in item["insertText"] or '""' in item["insertText"]]


async def test_an_editor_offers_what_is_configured() -> None:
    async with opened(NEW, RULE) as editor:
        fields = await editor.offered(*place("newState"))
        events = await editor.offered(place("on:")[0], 8)
        actions = await editor.offered(place("call:")[0], 6)
        operations = await editor.offered(place("call:")[0], 14)

    assert {"newState", "oldState", "name", "$or"} <= fields.keys()
    assert {"volume.created", "volume.state.updated", "sandbox.created"} <= events.keys()
    assert {"daytona.createSandbox", "runloop.createDevbox"} & operations.keys()
    assert "- call: " in [item["insertText"] for item in actions.values()]


MEANINGS = {
    "name: sandbox": "Its name in logs, keys and labels",
    "on:": "* `volume.state.updated`",
    "match:": "Patterns over the payload's fields",
    "newState": "A field of events",
    "for:": "Act if the resource is in that state for so long.",
    "do:": "What follows, one after the other: `call`, `run`, `notify`, `emit` or `perform`.",
    "call:": "API and operation.",
    "if_exists": "A resource of the same name that somebody else made",
}


async def test_an_editor_says_what_the_word_under_the_pointer_means() -> None:
    async with opened(NEW, RULE) as editor:
        shown = {word: await editor.shown(*place(word)) for word in MEANINGS}

    for word, said in MEANINGS.items():
        assert said in shown[word]
        assert shown[word].startswith(f"#### {word.partition(':')[0]}\n")


async def test_an_editor_marks_a_slip_in_its_line_and_nothing_else() -> None:
    async with opened(NEW, RULE) as editor:
        assert await editor.marked() == [(place("coldown")[0], "Property coldown is not allowed.")]


@pytest.mark.parametrize("kind", FILES)
def test_every_field_of_every_file_is_explained(kind: str) -> None:
    schema = orjson.loads((CONFIG / "schema" / f"{kind}.schema.json").read_bytes())
    definitions = schema.get("$defs", {})

    def explained(field: dict[str, str]) -> bool:
        meant = definitions.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
        return bool(field.get("description") or meant.get("description"))

    fields = [
        (name, field) for each in (schema, *definitions.values()) for name, field in each.get("properties", {}).items()
    ]
    assert fields
    assert [name for name, field in fields if not explained(field)] == []
