"""JSONPath by the grammar of RFC 9535: every production, with what it allows and what it does not, made by rule.

Where a rule of the RFC can be said in a line of Python (how a slice picks), that line is the answer that is expected,
and the questions are all combinations. The areas are those of the compliance test suite of jsonpath-standard, in the
RFC's order. Filters are in test_jsonpath_filters.py, the tables of the RFC in test_jsonpath_compliance.py.
"""

from itertools import product
from typing import Any

import orjson
import pytest

from reactor.workflows.expressions import ABSENT, ExpressionError
from reactor.workflows.jsonpath import compile_query

BLANKS = {"space": " ", "tab": "\t", "newline": "\n", "return": "\r", "several": " \t\r\n"}
EXACT = 2**53 - 1  # the largest integer that I-JSON has exactly
TEN = list(range(10))


def found(selector: str, document: Any) -> Any:
    return compile_query(selector)(document)


def refused(selector: str) -> bool:
    try:
        compile_query(selector)
    except ExpressionError:
        return True
    return False


def listed(table: str) -> list[str]:
    return table.split()


# 2.3.1 names

ESCAPED = {r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\/": "/", r"\\": "\\"}
UNICODE = {
    r"\u263A": "☺",
    r"\u263a": "☺",
    r"\u0000": "\0",
    r"\u001f": "\x1f",
    r"\uD834\uDD1E": "\U0001d11e",
    r"\ud83d\uDe00": "\U0001f600",
    r"\uD7FF": "\ud7ff",
    r"\uE000": "\ue000",
    r"\uDBFF\uDFFF": "\U0010ffff",
}
PLAIN = {text: text for text in (" ", "\x7f", "☺", "\U0001d11e", "\ue000", "$", "@", "[", "]", ".", "*", "?", "")}
NO_ESCAPES = [
    *(
        rf"\{letter}"
        for letter in ("a", "v", "0", "x12", "?", "$", " ", "\n", "B", "U1234", "U0010FFFF", "N{DIGIT ONE}")
    ),
    *(rf"\u{digits}" for digits in ("", "123", "12G4", "+123", "{1234}", "{10ffff}", " 1234")),
    *(r"\uD800", r"\uDC00", r"\uD800\uD800", r"\uDC00\uD800", r"\uDC00\uDC00", r"\uD800\u1234", r"\uD800x", r"\uDBFF"),
]
QUOTES = {"single": "'", "double": '"'}


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
@pytest.mark.parametrize(("written", "name"), (ESCAPED | UNICODE | PLAIN).items())
def test_a_name_in_quotes_is_what_its_escapes_mean(quote: str, written: str, name: str) -> None:
    assert found(f"$[{quote}{written}{quote}]", {name: "it", f"{name}x": "another"}) == "it"


@pytest.mark.parametrize(("quote", "other"), [("'", '"'), ('"', "'")])
def test_a_quote_is_escaped_in_its_own_quotes_and_nowhere_else(quote: str, other: str) -> None:
    assert found(f"$[{quote}\\{quote}{quote}]", {quote: 1}) == 1
    assert found(f"$[{quote}{other}{quote}]", {other: 1}) == 1
    assert refused(f"$[{quote}\\{other}{quote}]")
    assert refused(f"$[{quote}{quote}{quote}]")
    assert refused(f"$[{quote}\\{quote}]")
    assert refused(f"$[{quote}a{other}]")


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
@pytest.mark.parametrize("control", [chr(code) for code in range(0x20)], ids=lambda control: f"U+{ord(control):04X}")
def test_a_control_character_in_a_name_has_to_be_escaped(quote: str, control: str) -> None:
    assert refused(f"$[{quote}{control}{quote}]")
    assert refused(f"$[?@.a == {quote}{control}{quote}]")


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
@pytest.mark.parametrize("escape", NO_ESCAPES)
def test_what_is_no_escape_is_refused(quote: str, escape: str) -> None:
    assert refused(f"$[{quote}{escape}{quote}]")


@pytest.mark.parametrize("name", ["a", "_", "_a1", "a_b", "☺", "\U0001d11e", "null", "true", "and", "длина", "a1"])
def test_a_short_name_is_a_word(name: str) -> None:
    assert found(f"$.{name}", {name: 1}) == 1
    assert found(f"$..{name}", {"deep": {name: 1}}) == [1]


@pytest.mark.parametrize(
    "name", ["&", "1", "1a", "a-b", "-", "'a'", '"a"', "[0]", "a b", "a$", "@", "", "#", "\x7f", "a,b"]
)
def test_what_is_no_word_needs_brackets(name: str) -> None:
    assert refused(f"$.{name}")


@pytest.mark.parametrize("document", [["a"], {"b": 1}, "a", 1, None, True, []])
def test_a_name_of_what_is_no_object_or_not_there_finds_nothing(document: Any) -> None:
    assert found("$.a", document) is ABSENT
    assert found("$['a']", document) is ABSENT
    assert found("$..a", document) == []


# 2.2, 2.3.2, 2.3.3 root, wildcard, index


@pytest.mark.parametrize("document", [{"a": 1}, [1], [], {}, "text", 7, 1.5, True, False, None])
def test_the_root_is_the_whole_value_whatever_it_is(document: Any) -> None:
    assert found("$", document) == document
    assert found("$", document) is not ABSENT


@pytest.mark.parametrize("document", ["text", 7, True, None])
@pytest.mark.parametrize("selector", ["$.*", "$[*]", "$..*", "$[:]", "$[?@]", "$[0, 1]"])
def test_a_simple_value_has_no_children(selector: str, document: Any) -> None:
    assert found(selector, document) == []


@pytest.mark.parametrize("index", [0, 1, 9, 10, -1, -10, -11, EXACT, -EXACT])
def test_an_index_counts_from_either_end(index: int) -> None:
    expected = TEN[index] if -10 <= index < 10 else ABSENT

    assert found(f"$[{index}]", TEN) == expected
    assert found(f"$[{index}]", {"0": 1, str(index): 1}) is ABSENT


NO_INTEGERS = [
    "- 1",
    *f"01 -0 -01 00 1.0 1e3 +1 1_0 0x1 a 1a --1 \u22121 \u0663 {EXACT + 1} {-EXACT - 1} {2**257} {2**200}text".split(),
]


@pytest.mark.parametrize(
    "place", ["$[{}]", "$[{}:]", "$[:{}]", "$[::{}]", "$[{}::]", "$[:{}:]", "$..[{}]", "$[?@[{}]]"]
)
@pytest.mark.parametrize("text", NO_INTEGERS)
def test_what_is_no_integer_is_no_index_and_no_part_of_a_slice(place: str, text: str) -> None:
    assert refused(place.format(text))


# 2.3.4 slices

BOUNDS = [None, 0, 1, 2, 7, 9, 10, 11, -1, -5, -10, -11, 113667776004, -113667776004, EXACT, -EXACT]


@pytest.mark.parametrize("step", [None, 1, 2, 3, 10, EXACT, -1, -2, -3, -10, -EXACT])
def test_a_slice_picks_as_python_does(step: int | None) -> None:
    for start, end in product(BOUNDS, BOUNDS):
        text = ":".join("" if part is None else str(part) for part in (start, end, step))

        assert found(f"$[{text}]", TEN) == TEN[start:end:step], text


@pytest.mark.parametrize("text", ["::0", "1:2:0", "-1:-5:0"])
def test_a_step_of_nothing_picks_nothing(text: str) -> None:
    assert found(f"$[{text}]", TEN) == []


@pytest.mark.parametrize("text", [":", "::", "0:10", "1:-1", "::-1", "2:2"])
def test_a_slice_needs_no_second_colon_and_is_of_lists_only(text: str) -> None:
    assert found(f"$[{text}]", []) == []
    assert found(f"$[{text}]", {"0": 1, ":": 2}) == []


@pytest.mark.parametrize("text", ["1:2:3:4", ":::", "1:2:a", "a:", "1 2", "'a':", ":'a'", "1.5:"])
def test_what_is_no_slice_is_refused(text: str) -> None:
    assert refused(f"$[{text}]")


# 2.5 segments and several selectors


@pytest.mark.parametrize("first", ["0", "1:3", "-1", "*", "?@ > 7", "'a'"])
@pytest.mark.parametrize("second", ["0", "1:3", "-1", "*", "?@ > 7", "'a'"])
def test_several_selectors_pick_one_after_the_other(first: str, second: str) -> None:
    alone = {"0": [0], "1:3": [1, 2], "-1": [9], "*": TEN, "?@ > 7": [8, 9], "'a'": []}

    assert found(f"$[{first},{second}]", TEN) == alone[first] + alone[second]


@pytest.mark.parametrize("selector", ["*", "'a'", "0", "'a', 'b'", "0, 1", "?@.b", "?@ == 1", "0:1"])
def test_descending_asks_every_value_and_its_parents_first(selector: str) -> None:
    document = {"a": [1, {"a": 2, "b": 1}], "b": {"a": 1}}

    def everywhere(value: Any) -> list[Any]:
        children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        here = found(f"$[{selector}, {selector}]", value) if isinstance(value, dict | list) else []
        return here[: len(here) // 2] + [deep for child in children for deep in everywhere(child)]

    assert sorted(map(orjson.dumps, found(f"$..[{selector}]", document))) == sorted(
        map(orjson.dumps, everywhere(document))
    )


NO_SEGMENTS = listed("""
$.. $...a $. $[] $[,] $[0,] $[,0] $[0;1] $[[0]] $.[0] $a $$ @ $.a. $.a.. $[0 $0] $['a' $[a] $(0) $.a() $..() $.*a $.** $[**]
$.a[ @.a a.b
""")


@pytest.mark.parametrize("text", NO_SEGMENTS)
def test_what_is_no_segment_is_refused(text: str) -> None:
    assert refused(text)
    assert refused(text + " ")


# 2.1.1 blanks: `_` is where they may stand, `^` where they may not

MAY = listed("""
$_['a'] $_.a $_..a $['a']_['b'] $.a_.b $[_'a'] $['a'_] $['a'_,'b'] $['a',_'b'] $[_1] $[1_] $[1_:2] $[1:_2] $[1:2_:3]
$[1:2:_3] $[_:] $[_*] $[_?@.a] $[?_@.a] $[?@.a_] $[?@_.a] $[?@.a_.b] $[?@.a_==1] $[?@.a==_1] $[?@.a_<1] $[?@.a<=_1]
$[?@.a_!=1] $[?@.a>_1] $[?@.a_&&@.b] $[?@.a&&_@.b] $[?@.a_||@.b] $[?@.a||_@.b] $[?!_@.a] $[?!_(@.a)] $[?(_@.a)] $[?(@.a_)]
$[?_(@.a)] $[?count(_@.*)==1] $[?count(@.*_)==1] $[?count(@.*)_==1] $[?search(@_,'a')] $[?search(@,_'a')]
$[?length(@_.a_.b)==3] $[?length(@)==length($_[0]_.a)]
""")
MAY_NOT = listed("""
^$ $^ $.a^ $.^a $..^a $[-^1] $[?count^(@.*)==1] $[?@.a=^=1] $[?@.a&^&@.b] $[?@.a<^=1] $[?@.a==-^1] $[?@.a==1.^0]
""")
SPACED: Any = {"a": {"a": 1, "b": {"b": 1}}, "b": [1, 2, 3, {"a": 1}], "c": "abc"}


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS)
@pytest.mark.parametrize("text", MAY)
def test_blanks_between_tokens_change_nothing(text: str, blank: str) -> None:
    spaced, plain = compile_query(text.replace("_", blank)), compile_query(text.replace("_", ""))

    for document in (SPACED, SPACED["b"]):
        assert spaced(document) == plain(document)


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS)
@pytest.mark.parametrize("text", MAY_NOT)
def test_blanks_around_the_query_and_within_a_token_are_refused(text: str, blank: str) -> None:
    assert refused(text.replace("^", blank))
    assert not refused(text.replace("^", ""))


@pytest.mark.parametrize("blank", ["\x0b", "\x0c", "\xa0", "\u2003", "\ufeff"])
def test_no_other_character_is_a_blank(blank: str) -> None:
    assert refused(f"$[{blank}0]")
    assert refused(f"$[?@.a =={blank}1]")
