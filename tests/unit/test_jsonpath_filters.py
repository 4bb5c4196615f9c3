"""JSONPath's filters by the grammar of RFC 9535, section 2.3.5 and 2.4: what compares, what is a test, what functions take.

Comparisons are put in all combinations; the answer that is expected is the RFC's rule, said in Python. What is taken or
answered otherwise than the RFC has it is in the declared tables TAKEN_ALL_THE_SAME and ALIKE_INSIDE.
"""

from itertools import product
from typing import Any

import pytest

from reactor.workflows.expressions import ABSENT, ExpressionError
from reactor.workflows.jsonpath import compile_query


def refused(test: str) -> bool:
    try:
        compile_query(f"$[?{test}]")
    except ExpressionError:
        return True
    return False


def beside(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ABSENT}


def listed(table: str) -> list[str]:
    return [test.strip() for test in table.split(";")]


# 2.3.5.2.2 comparisons

LITERALS: list[tuple[str, Any]] = [
    *((text, 1) for text in ("1", "1.0", "10e-1", "0.1E1", "1e+0", "1E0")),
    *(("-0", 0), ("0", 0), ("0.0", 0), ("-1", -1), ("1.5", 1.5), ("-1.5e1", -15), ("100", 100), ("1e2", 100)),
    *(("'1'", "1"), ('"1"', "1"), ("'a'", "a"), ('"b"', "b"), ("''", ""), ("'\\u0061'", "a"), ("'\\''", "'")),
    *(("null", None), ("true", True), ("false", False)),
]
VALUES: list[Any] = [
    *(
        0,
        1,
        -1,
        1.0,
        1.5,
        -15,
        100,
        "1",
        "a",
        "b",
        "",
        "A",
        "'",
        None,
        True,
        False,
        [],
        {},
        [1],
        {"a": 1},
        ["1"],
        ABSENT,
    ),
]
DEEP: list[Any] = [[[1, [2]]], [[[2], 1]], {"x": 1, "y": {"z": 1}}, {"y": {"z": 1}, "x": 1}, {"x": 1}, {"x": "1"}]
OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def equal(left: Any, right: Any) -> bool:
    """Of one type and alike; two that are absent are equal."""
    return kind(left) == kind(right) and bool(left == right)


def less(left: Any, right: Any) -> bool:
    """Numbers and texts have an order; nothing else is less than anything."""
    return kind(left) == kind(right) and kind(left) in ("number", "str") and bool(left < right)


def holds(left: Any, operator: str, right: Any) -> bool:
    return {
        "==": equal(left, right),
        "!=": not equal(left, right),
        "<": less(left, right),
        "<=": less(left, right) or equal(left, right),
        ">": less(right, left),
        ">=": less(right, left) or equal(left, right),
    }[operator]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("literal", "means"), LITERALS, ids=[literal for literal, _ in LITERALS])
def test_a_value_compares_with_a_literal(literal: str, means: Any, operator: str) -> None:
    query, turned = compile_query(f"$[?@.a{operator}{literal}]"), compile_query(f"$[?{literal}{operator}@['a']]")

    for value in VALUES:
        item = beside(a=value)
        assert query([item]) == ([item] if holds(value, operator, means) else []), value
        assert turned([item]) == ([item] if holds(means, operator, value) else []), value


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_value_compares_with_another(operator: str) -> None:
    query, rooted = compile_query(f"$[?@.a {operator} @.b]"), compile_query(f"$.l[?$.a {operator} $.b]")

    for left, right in product([*VALUES, *DEEP], repeat=2):
        item = beside(a=left, b=right)
        assert query([item]) == ([item] if holds(left, operator, right) else []), item
        assert rooted({"l": [1], **item}) == ([1] if holds(left, operator, right) else []), item


ALIKE_INSIDE = [([1], [True]), ({"a": 0}, {"a": False})]
"""Within lists and objects 1 and true are alike, as in Python; no reply has one here and the other there."""


@pytest.mark.parametrize(("left", "right"), ALIKE_INSIDE)
def test_what_is_within_lists_and_objects_compares_as_python_does(left: Any, right: Any) -> None:
    assert compile_query("$[?@.a == @.b]")([{"a": left, "b": right}])


NO_LITERALS = """
True; NULL; None; nul; TRUE; 01; 1.; .1; +1; 1.e1; 1e; 1e1.5; 0x1; 1_0; {}; []; [1]; {'a': 1}; undefined; /a/; a; 'a; `a`; --1;
Infinity; NaN; -; - 1; 1 2
"""


@pytest.mark.parametrize("operator", ["==", "<"])
@pytest.mark.parametrize("text", ["", *listed(NO_LITERALS)])
def test_what_is_no_literal_is_refused(text: str, operator: str) -> None:
    assert refused(f"@.a{operator}{text}")
    assert refused(f"{text}{operator}@.a")


MANY = ["[0, 0]", "['a', 'a']", "[0, 'a']", ".*", "[*]", "[0:0]", "[?@.a]", "..a", "..[0]", ".a[*].a", "..*"]


@pytest.mark.parametrize("origin", ["@", "$"])
@pytest.mark.parametrize("segments", MANY)
def test_only_what_is_one_value_at_most_is_compared(origin: str, segments: str) -> None:
    for operator in OPERATORS:
        assert refused(f"{origin}{segments}{operator}42")
        assert refused(f"(42{operator}{origin}{segments})")
    assert not refused(f"{origin}{segments}"), "whether there is any may be asked"


# 2.3.5.1 and, or, not, existence

ITEM = {"t": 1, "n": None, "l": [1, 2], "z": 0, "e": "", "no": False}
HOLD = """
@.t; !@.f; @.t && @.t; @.t || @.f; @.f && @.f || @.t; @.t || @.f && @.f; !(@.t && @.f); !@.t || @.t; !(!@.f) || @.t;
((@.t)); !(@.t == 2); @.t == 1 || @.f == 1; @.n; @.n == null; @.z; @.e; @.no; @; $; @.*; @.l[?@ > 1]; @.l[?@ > 5] || @.t;
!(!@.t); @.f == @.g; (@.f || @.t) && (@.z || @.g); !@.f && !@.g; @.t==1&&@.z==0; !(@.f) && @['t']; @.l[0] < @.l[1];
@.l[-1] == 2; $.k || @.t; @.t != '1'
"""
FAIL = """
@.f; !@.t; @.t && @.f; @.f || @.f; (@.t || @.f) && @.f; !(@.t || @.f); !(!@.f) && @.t; !(@.t == 1); @.t == 1 && @.f; !@.n;
!@.z; !@.no; @.n && @.n != null; @.l[?@ > 2]; @.t==1&&@.f==null; !(@.t) && (!@.f); @.f[0]; @.t.*; @.n.x; @.f != @.g; !@;
@.l[?@.x]
"""


@pytest.mark.parametrize(
    ("test", "held"), [(test, held) for table, held in ((HOLD, True), (FAIL, False)) for test in listed(table)]
)
def test_and_binds_before_or_and_existence_is_not_truth(test: str, held: bool) -> None:
    assert compile_query(f"$[?{test}]")([ITEM]) == ([ITEM] if held else [])
    assert compile_query(f"$[?({test})]")({"k": ITEM}) == ([ITEM] if held else [])


NO_TESTS = """
1; 'a'; null; true; (1); true && false; @.a && 1; 1 || @.a; @.a && true; !1; !'a'; !(1); !true; !@.a == 1; 1 == !@.a;
@.a == 1 == 1; (@.a == 1) == true; @.a == (@.b && @.c); @.a == (1 == 1); @.l[?@.x && 1]; @.a = 1; @.a === 1; @.a <> 1;
@.a =~ 'b'; @.a in ['b']; @.a & @.b; @.a | @.b; @.a and @.b; not @.a; @.a &&; && @.a; @.a || || @.b; (@.a; @.a); ();
@.a + 1 == 2; @a; @@; @.a ? 1; a; @.a ==; == 1; @.a ==== 1
"""


@pytest.mark.parametrize("test", ["", *listed(NO_TESTS)])
def test_what_asks_nothing_is_refused(test: str) -> None:
    assert refused(test)


TAKEN_ALL_THE_SAME = {
    "!!@.t": "@.t",
    "(@.t) == 1": "@.t == 1",
    "1 == (@.t)": "@.t == 1",
    "(1) == @.t": "@.t == 1",
    "@.t != -01": "@.t != -1",
    "@.l[0:2 1]": "@.l[0:2:1]",
}
"""The RFC has not these; each can only be meant as what stands beside it, and the library reads it so."""


@pytest.mark.parametrize(("test", "meant"), TAKEN_ALL_THE_SAME.items())
def test_what_can_be_meant_one_way_only_is_taken_so(test: str, meant: str) -> None:
    assert compile_query(f"$[?{test}]")([ITEM]) == compile_query(f"$[?{meant}]")([ITEM]) == [ITEM]


# 2.4 functions

CALLS = """
length(@.a) == 2; length(1) == 2; length('ab') == 2; length(null) == 1; length(true) < 1; 2 == length(@.a);
length(value(@..a)) == 2; length(@.a) == length(@.b); count(@.*) == 1; count(@..*) > 2; count(@['a','d']) == 1;
count(@.a) == 1; value(@.*) == 4; match(@.a, 'b'); search(@.a, 'b'); !match(@.a, 'b'); !search('a', @.a); match(@.a, @.b);
match(value(@..a), 'b'); match(1, null); (match(@.a, 'b')); count(@[?match(@.a, 'b')]) > 0; length(@) == length($[0].a);
@.a && match(@.b, 'c')
"""
NO_CALLS = """
length(@.a); length() == 1; length(@.a, @.b) == 1; length(@.*) < 3; length(@[0, 1]) < 3; length(@['a', 'b']) < 3;
length(@..a) < 3; length(@.a) && @.b; @.b || count(@.*); !length(@.a); (length(@.a)); count(@.*) && value(@.a) == 1;
length(@.a == 1) == 1; length((@.a)) == 1; count(1) > 2; count('a') > 2; count(true) > 2; count(null) > 2; count(@.*);
count() == 1; count(@.a, @.b) == 1; count(length(@.a)) == 1; value(@.a); value() == 4; value(@.a, @.b) == 4; value(1) == 4;
match(@.a); match(@.a, 'b', 'c'); match(@.a, 'b') == true; match(@.a 'b'); search(@.a, 'b') == true; search(@.a);
match(@.*, 'b'); match(@.a, @.*); match(@.a, /b/); match(@.a, 'b') < 1; length(match(@.a, 'b')) == 1; nosuch(@.a);
Length(@.a) == 1; length(nosuch(@.a)) == 1; _f(@.a); 1f(@.a); length(@.a; length(@.a) == count; @.length() == 1;
count(@[?length(@)]) == 1; length(@.a) == 1 == 1; match(@.a && @.b, 'c')
"""


@pytest.mark.parametrize("call", listed(CALLS))
def test_a_function_takes_what_it_is_declared_to_take(call: str) -> None:
    assert not refused(call)


@pytest.mark.parametrize("call", listed(NO_CALLS))
def test_a_function_takes_nothing_else_and_what_it_gives_is_compared_or_is_a_test(call: str) -> None:
    assert refused(call)


LENGTHS: list[tuple[Any, int | None]] = [
    *(("", 0), ("ab", 2), ("\u263a\u263a", 2), ("\U0001d11e", 1), ("\u963f\u7f8e", 2)),
    *(
        ([], 0),
        ([1, [2, 3]], 2),
        ({}, 0),
        ({"a": 1, "b": 2}, 2),
        (0, None),
        (12, None),
        (None, None),
        (True, None),
        (ABSENT, None),
    ),
]


@pytest.mark.parametrize(("value", "length"), LENGTHS)
def test_length_is_of_texts_lists_and_objects(value: Any, length: int | None) -> None:
    item = beside(a=value)

    for asked in range(3):
        assert compile_query(f"$[?length(@.a) == {asked}]")([item]) == ([item] if asked == length else [])
    nothing = compile_query("$[?length(@.a) == @.none]")([item])
    assert nothing == ([item] if length is None else []), "nothing equals nothing"


def test_count_and_value_look_at_how_many_were_found() -> None:
    items: list[Any] = [[4], {"foo": 4}, [5], [4, 4], {"foo": 4, "bar": 4}, 4, []]

    assert compile_query("$[?value(@.*) == 4]")(items) == [[4], {"foo": 4}]
    assert compile_query("$[?count(@.*) == 2]")(items) == [[4, 4], {"foo": 4, "bar": 4}]
    assert compile_query("$[?count(@.*) == 0]")(items) == [4, []]
    assert compile_query("$[?count(@['foo', 'bar']) > 1]")(items) == [{"foo": 4, "bar": 4}]
    assert compile_query("$[?count(@['foo', 'foo']) > 1]")(items) == [{"foo": 4}, {"foo": 4, "bar": 4}]
