"""Reading YAML 1.2 core and naming every mistake at its place."""

import math
import subprocess
import sys
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from reactor.errors import ConfigError, Problem
from reactor.yaml12 import MAX_BYTES, MAX_DEPTH, expected_one_of, load, validate


def problems(content: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(content, "r.yaml")
    return [str(problem) for problem in caught.value.problems]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("2026-01-01", "2026-01-01"),
        ("tRue", "tRue"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+5", 5),
        ("18446744073709551615", 2**64 - 1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("null", None),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("false", False),
        ("'true'", "true"),
        ('"010"', "010"),
        ("|-\n  null", "null"),
    ],
)
def test_scalars_are_what_yaml_1_2_core_says(written: str, value: Any) -> None:
    data = load(f"key: {written}", "r.yaml").data

    assert data == {"key": value}
    assert type(data["key"]) is type(value)


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(load("[.nan]", "r.yaml").data[0])


def test_on_is_a_key_like_any_other() -> None:
    assert load("on: x\nNO: y\n'<<': z", "r.yaml").data == {"on": "x", "NO": "y", "<<": "z"}


def test_an_empty_file_is_nothing() -> None:
    assert load("# only a comment\n", "r.yaml").data is None


def test_a_byte_order_mark_is_passed_over() -> None:
    document = load(b"\xef\xbb\xbfa: 1", "r.yaml")

    assert document.data == {"a": 1}
    assert document.keys["a",] == (1, 1)


def test_every_value_and_key_has_a_place_counted_in_characters() -> None:
    document = load("rules:\n  - {ü😀: 1, match: {newState: ready}}\n", "r.yaml")

    assert document.values["rules", 0, "match", "newState"] == (2, 31)
    assert document.keys["rules", 0, "match", "newState"] == (2, 21)


def test_a_problem_at_a_place_that_does_not_exist_is_put_around_it() -> None:
    document = load("rules:\n  - name: a\n", "r.yaml")

    assert document.problem(("rules", 0, "match", "newState"), "no") == Problem("r.yaml", 2, 5, "no")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: &x 1", "r.yaml:1:4: found the anchor &x, expected a plain value: there are no aliases"),
        ("a: *x", "r.yaml:1:4: found the alias *x, expected the value itself"),
        ("a:\n  <<: {b: 1}", "r.yaml:2:3: found a merge key (<<), expected the fields themselves: merge keys aren't"),
        ("a: !!python/object/apply:os.system [ls]", "r.yaml:1:4: found the tag 'tag:yaml.org,2002:python/object/"),
        ("a: ! x", "r.yaml:1:4: found the tag '!', expected a plain value"),
        ("a: 1\nb: 2\na: 3", "r.yaml:3:1: found the key 'a' again, expected it once (line 1)"),
        ("1: x", "r.yaml:1:1: found the key 1, expected a text: put it in quotes"),
        ("null: x", "r.yaml:1:1: found the key nothing, expected a text: put it in quotes"),
        ("? [a]\n: x", "r.yaml:1:3: found a mapping or a list as a key, expected a text"),
        ("a: 1\n---\nb: 2", "r.yaml:2:1: found a second document (---), expected one document per file"),
        ("%YAML 1.1\n---\na: 1", "r.yaml:1:1: found a directive (%YAML or %TAG), expected none"),
        ("a:\n\tb: 1", "r.yaml:2:1: found a tab, expected spaces: YAML is indented with spaces only"),
        ("a: @x", "r.yaml:1:4: found '@' where a value begins, expected quotes around the text"),
        ("a: b: c", 'r.yaml:1:5: found a second ": " in one value, expected quotes around the text'),
        (
            "a: [1\nb: 2",
            "r.yaml:2:2: found broken YAML, expected it to be well-formed: did not find expected ',' or ']'",
        ),
        ("a: \0", "r.yaml:1:4: found the character U+0000, expected text"),
        ("a: 1\r\nb: '\u2028'", "r.yaml:2:5: found the character U+2028, expected text"),
        ("a: \ud800", "r.yaml:1:4: found the character U+D800, expected text"),
        (b"a: 1\nb: \xff", "r.yaml:2:4: found the byte 0xFF, expected UTF-8"),
        ("a: 1\n".encode("utf-16"), "r.yaml:1:1: found the byte 0xFF, expected UTF-8"),
        ("a: 1e400", "r.yaml:1:4: found the number 1e400, expected one that fits in 64 bits"),
        ("a: " + "9" * 5000, "r.yaml:1:4: found the number 9999"),
        ("[" * (MAX_DEPTH + 1), "r.yaml:1:21: found more than 20 levels, expected fewer"),
        ("x" * (MAX_BYTES + 1), f"r.yaml:1:1: found {MAX_BYTES + 1} bytes, expected at most {MAX_BYTES}"),
    ],
)
def test_a_file_that_is_not_plain_is_refused_at_its_place(content: str | bytes, expected: str) -> None:
    found = problems(content)

    assert len(found) == 1
    assert found[0].startswith(expected)


def test_all_problems_are_told_at_once() -> None:
    found = problems("a: &x 1\nb: *x\na: 2\n3: 4\n")

    assert [problem.split(":")[1] for problem in found] == ["1", "2", "3", "4"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("nested", ["[", "{a: ", "- ", "? ", "[?", "- [", "[["], ids=repr)
def test_deep_nesting_is_refused_at_once(nested: str) -> None:
    assert problems(nested * (MAX_BYTES // len(nested)))


@pytest.mark.timeout(10)
def test_a_billion_laughs_are_refused_unexpanded() -> None:
    lines = ["a0: &a0 [lol, lol]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]

    assert len(problems("\n".join(lines))) == 12 + 11 * 9


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1.- \n\t:{}[],&*!|>'\"%@`#?<~\\\0é\u2028\ud800\ufeff"), max_size=40))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    found: tuple[Problem, ...] = ()
    try:
        load(text, "r.yaml")
    except ConfigError as error:
        found = error.problems

    assert all(problem.line >= 1 and problem.column >= 1 for problem in found)


def test_without_libyaml_the_same_is_read_and_refused() -> None:
    script = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "import yaml; assert not hasattr(yaml, 'CSafeLoader')\n"
        "from reactor.errors import ConfigError\n"
        "from reactor.yaml12 import load\n"
        "print(load('on: [010, NO]', 'r.yaml').data)\n"
        "try: load('a: &x 1\\nb:\\n\\tc: 1', 'r.yaml')\n"
        "except ConfigError as error: print(error)\n"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert result.stdout.splitlines() == [
        "{'on': [10, 'NO']}",
        "r.yaml:1:4: found the anchor &x, expected a plain value: there are no aliases",
        "r.yaml:3:1: found a tab, expected spaces: YAML is indented with spaces only",
    ]


# --- checking ---------------------------------------------------------------------------------------------------------


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Prefix(Strict):
    prefix: str


class Enforce(StrEnum):
    SHADOW = "shadow"
    LIVE = "live"


class Call(Strict):
    call: str
    body: dict[str, object] = {}
    if_exists: Literal["use", "fail"] = "fail"


class Notify(Strict):
    notify: str
    text: str


class Rule(Strict):
    name: Annotated[str, Field(pattern="^[a-z-]+$")]
    on: str
    match: dict[str, str | list[str] | Prefix] = {}
    enforce: Enforce = Enforce.LIVE
    do: list[Call | Notify] = []

    @field_validator("on")
    @classmethod
    def _known(cls, event: str) -> str:
        if event == "typo":
            raise ValueError("found 'typo', expected an event")
        return event


class Rules(Strict):
    rules: list[Rule]


def mistakes(rule: str) -> list[str]:
    """The messages for one rule whose fields are given in flow style, with name and on already there."""
    with pytest.raises(ConfigError) as caught:
        validate(load(f"rules: [{{name: a, on: b, {rule}}}]", "r.yaml"), Rules)
    return [problem.message for problem in caught.value.problems]


def test_a_valid_document_becomes_the_model() -> None:
    rules = validate(load("rules: [{name: a, on: b, do: [{call: c}]}]", "r.yaml"), Rules)

    assert rules == Rules(rules=[Rule(name="a", on="b", do=[Call(call="c")])])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "enforse: live",
            "found 'enforse', expected one of 'do', 'enforce', 'match', 'name', 'on'; did you mean 'enforce'?",
        ),
        ("enforce: shadwo", "found 'shadwo', expected one of 'live', 'shadow'; did you mean 'shadow'?"),
        ("enforce: 5", "found 5, expected one of 'live', 'shadow'"),
        ("match: [x]", "found a list, expected a mapping"),
        ("match: {s: 5}", "found 5, expected a text or a list or a mapping"),
        ("match: {s: [5]}", "found 5, expected a text"),
        (
            "do: [{call: c, boddy: {}}]",
            "found 'boddy', expected one of 'body', 'call', 'if_exists'; did you mean 'body'?",
        ),
        ("do: [{call: c, if_exists: us}]", "found 'us', expected one of 'fail', 'use'; did you mean 'use'?"),
        ("do: [{notify: n}]", "found no 'text', expected it: the field is required"),
        ("do: [5]", "found 5, expected a mapping"),
        ("do: ", "found nothing, expected a list"),
    ],
)
def test_a_mistake_is_told_once_with_what_was_expected(rule: str, expected: str) -> None:
    assert mistakes(rule) == [expected]


def test_every_mistake_of_a_file_is_told_at_its_own_place() -> None:
    document = load(
        "rules:\n  - name: A b\n    on: typo\n    match:\n      newState:\n        prefx: r\n  - nam: x\n", "r.yaml"
    )

    with pytest.raises(ConfigError) as caught:
        validate(document, Rules)

    assert str(caught.value).splitlines() == [
        "r.yaml:2:11: found 'A b', expected it to match pattern '^[a-z-]+$'",
        "r.yaml:3:9: found 'typo', expected an event",
        "r.yaml:6:9: found 'prefx', expected one of 'prefix'; did you mean 'prefix'?",
        "r.yaml:6:9: found no 'prefix', expected it: the field is required",
        "r.yaml:7:5: found 'nam', expected one of 'do', 'enforce', 'match', 'name', 'on'; did you mean 'name'?",
        "r.yaml:7:5: found no 'name', expected it: the field is required",
        "r.yaml:7:5: found no 'on', expected it: the field is required",
    ]


@pytest.mark.parametrize(("content", "found"), [("", "nothing"), ("[]", "a list"), ("true", "true"), ("a", "'a'")])
def test_a_file_that_is_not_a_mapping_is_refused(content: str, found: str) -> None:
    with pytest.raises(ConfigError, match=f"^r.yaml:1:1: found {found}, expected a mapping$"):
        validate(load(content, "r.yaml"), Rules)


def test_of_many_names_only_the_nearest_are_listed_and_nothing_unprintable_is_shown() -> None:
    words = expected_one_of("state\x1b7", [f"state{i}" for i in range(30)])

    assert words.startswith(r"found 'state\x1b7', expected one of 'state7', ")
    assert words.endswith(", …; did you mean 'state7'?")
    assert words.count("state") == 5
