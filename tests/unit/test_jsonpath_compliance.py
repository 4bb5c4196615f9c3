"""JSONPath as RFC 9535 has it, through the library that is used and with our limits on it.

The rows are the examples of the RFC's own tables (sections 1.5 and 2.3 to 2.6), and for `match()` and `search()`, which
are ours, the questions of the JSONPath compliance test suite (jsonpath-standard/jsonpath-compliance-test-suite), asked anew.
"""

from typing import Any

import pytest

from reactor.workflows.expressions import ABSENT, ExpressionError
from reactor.workflows.jsonpath import compile_query

BOOKS = [
    {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
    {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
    {"category": "fiction", "author": "J. R. R. Tolkien", "title": "LotR", "isbn": "0-395-19395-8", "price": 22.99},
]
BICYCLE = {"color": "red", "price": 399}
STORE: Any = {"store": {"book": BOOKS, "bicycle": BICYCLE}}
NAMED: Any = {"o": {"j j": {"k.k": 3}}, "'": {"@": 2}}
WILD: Any = {"o": {"j": 1, "k": 2}, "a": [5, 3]}
LETTERS: Any = ["a", "b", "c", "d", "e", "f", "g"]
FILTERED: Any = {
    "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
    "e": "f",
}
COMPARED: Any = {"obj": {"x": "y"}, "arr": [2, 3]}
NULLS: Any = {"a": None, "b": [None], "c": [{}], "null": 1}
DEEP: Any = {"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]}
A = FILTERED["a"]

FOUND: list[tuple[str, Any, list[Any]]] = [
    ("$.store.book[*].author", STORE, [book["author"] for book in BOOKS]),
    ("$..author", STORE, [book["author"] for book in BOOKS]),
    ("$.store.*", STORE, [BOOKS, BICYCLE]),
    ("$.store..price", STORE, [8.95, 12.99, 8.99, 22.99, 399]),
    ("$..book[2]", STORE, [BOOKS[2]]),
    ("$..book[2].author", STORE, ["Herman Melville"]),
    ("$..book[2].publisher", STORE, []),
    ("$..book[-1]", STORE, [BOOKS[3]]),
    ("$..book[0,1]", STORE, BOOKS[:2]),
    ("$..book[:2]", STORE, BOOKS[:2]),
    ("$..book[?@.isbn]", STORE, BOOKS[2:]),
    ("$..book[?@.price<10]", STORE, [BOOKS[0], BOOKS[2]]),
    ("$", {"k": "v"}, [{"k": "v"}]),
    ("$.o['j j']", NAMED, [{"k.k": 3}]),
    ("$.o['j j']['k.k']", NAMED, [3]),
    ('$.o["j j"]["k.k"]', NAMED, [3]),
    ('$["\'"]["@"]', NAMED, [2]),
    ("$[*]", WILD, [{"j": 1, "k": 2}, [5, 3]]),
    ("$.o[*]", WILD, [1, 2]),
    ("$.o[*, *]", WILD, [1, 2, 1, 2]),
    ("$.a[*]", WILD, [5, 3]),
    ("$[1]", ["a", "b"], ["b"]),
    ("$[-2]", ["a", "b"], ["a"]),
    ("$[1:3]", LETTERS, ["b", "c"]),
    ("$[5:]", LETTERS, ["f", "g"]),
    ("$[1:5:2]", LETTERS, ["b", "d"]),
    ("$[5:1:-2]", LETTERS, ["f", "d"]),
    ("$[::-1]", LETTERS, LETTERS[::-1]),
    ("$.a[?@.b == 'kilo']", FILTERED, [{"b": "kilo"}]),
    ("$.a[?(@.b == 'kilo')]", FILTERED, [{"b": "kilo"}]),
    ("$.a[?@>3.5]", FILTERED, [5, 4, 6]),
    ("$.a[?@.b]", FILTERED, A[6:]),
    ("$[?@.*]", FILTERED, [A, FILTERED["o"]]),
    ("$[?@[?@.b]]", FILTERED, [A]),
    ("$.o[?@<3, ?@<3]", FILTERED, [1, 2, 1, 2]),
    ("$.a[?@<2 || @.b == 'k']", FILTERED, [1, {"b": "k"}]),
    ("$.a[?match(@.b, '[jk]')]", FILTERED, [{"b": "j"}, {"b": "k"}]),
    ("$.a[?search(@.b, '[jk]')]", FILTERED, [{"b": "j"}, {"b": "k"}, {"b": "kilo"}]),
    ("$.o[?@>1 && @<4]", FILTERED, [2, 3]),
    ("$.o[?@.u || @.x]", FILTERED, [{"u": 6}]),
    ("$.a[?@.b == $.x]", FILTERED, [3, 5, 1, 2, 4, 6]),
    ("$.a[?@ == @]", FILTERED, A),
    ("$.a[?length(@.b) == 4]", FILTERED, [{"b": "kilo"}]),
    ("$.a[?count(@.*) == 1]", FILTERED, [{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]),
    ("$.a[?value(@..b) == 'k']", FILTERED, [{"b": "k"}]),
    ("$[0, 3]", LETTERS, ["a", "d"]),
    ("$[0:2, 5]", LETTERS, ["a", "b", "f"]),
    ("$[0, 0]", LETTERS, ["a", "a"]),
    ("$..j", DEEP, [1, 4]),
    ("$..[0]", DEEP, [5, {"j": 4}]),
    ("$.o..[*, *]", DEEP, [1, 2, 1, 2]),
    ("$.a..[0, 1]", DEEP, [5, 3, {"j": 4}, {"k": 6}]),
    ("$.a", NULLS, [None]),
    ("$.a[0]", NULLS, []),
    ("$.a.d", NULLS, []),
    ("$.b[0]", NULLS, [None]),
    ("$.b[*]", NULLS, [None]),
    ("$.b[?@]", NULLS, [None]),
    ("$.b[?@==null]", NULLS, [None]),
    ("$.c[?@.d==null]", NULLS, []),
    ("$.null", NULLS, [1]),
]

COMPARISONS = [
    ("$.absent1 == $.absent2", True),
    ("$.absent1 <= $.absent2", True),
    ("$.absent == 'g'", False),
    ("$.absent1 != $.absent2", False),
    ("$.absent != 'g'", True),
    ("1 <= 2", True),
    ("1 > 2", False),
    ("13 == '13'", False),
    ("'a' <= 'b'", True),
    ("'a' > 'b'", False),
    ("$.obj == $.arr", False),
    ("$.obj != $.arr", True),
    ("$.obj == $.obj", True),
    ("$.obj != $.obj", False),
    ("$.arr == $.arr", True),
    ("$.obj == 17", False),
    ("$.obj <= $.arr", False),
    ("$.obj < $.arr", False),
    ("$.obj <= $.obj", True),
    ("1 <= $.arr", False),
    ("1 >= $.arr", False),
    ("true <= true", True),
    ("true > true", False),
]

# Function, subject, pattern, whether it holds.
MATCHES: list[tuple[str, Any, str, bool]] = [
    ("match", "ab", "a.*", True),
    ("match", "bc", "a.*", False),
    ("match", "bcabde", "ab", False),
    ("match", "abcd", "ab", False),
    ("match", 1, "a.*", False),
    ("match", None, "a.*", False),
    ("match", "Ж", "\\\\p{Lu}", True),
    ("match", "ж", "\\\\p{Lu}", False),
    ("match", "жЖ", "\\\\p{Lu}", False),
    ("match", "1", "\\\\P{Lu}", True),
    ("match", "a\U00010101b", "a.b", True),
    ("match", "ab", "a.b", False),
    ("match", "\u2028", ".", True),
    ("match", "\u2029", ".", True),
    ("match", "\n", ".", False),
    ("match", "\r", ".", False),
    ("search", "\r", ".", False),
    ("search", "\r\u2028\n", ".", True),
    ("match", "a\\ c", "a\\\\\\\\.c", True),
    ("match", "a.c", "a\\\\\\\\.c", False),
    ("match", "abc", "a[.b]c", True),
    ("match", "a.c", "a[.b]c", True),
    ("match", "axc", "a[.b]c", False),
    ("match", "a.c", "a\\\\.c", True),
    ("match", "axc", "a\\\\.c", False),
    ("match", "a[ c", "a\\\\[.c", True),
    ("match", "a]c", "a[\\\\].]c", True),
    ("match", "a c", "a[\\\\].]c", False),
    ("match", "abc", "^ab.*", True),
    ("match", "xab", "^ab.*", False),
    ("match", "abc", ".*bc$", True),
    ("match", "abcx", ".*bc$", False),
    ("search", "the end is ab", "a.*", True),
    ("search", "bc", "^a.*", False),
    ("search", "contains two matches", "(t.*)(t.*)", True),
    ("search", 1, "a.*", False),
    ("search", "жЖ", "\\\\p{Lu}", True),
    ("search", "ж1", "\\\\p{Lu}", False),
    ("search", "aж", "\\\\P{Lu}", True),
    ("search", "x a.c y", "a\\\\.c", True),
    ("search", "x axc y", "a\\\\.c", False),
]

REFUSED = [
    "",
    "$.",
    "$a",
    "a",
    "$ ",
    " $",
    "$[",
    "$[]",
    "$['a",
    "$.[a]",
    "$[01]",
    "$[-0]",
    "$[1.0]",
    "$.a[?@.b = 1]",
    "$.a[?@.b == {}]",
    "$.a[?1]",
    "$[?length(@) < 3]x",
    "$[?length(@.*) < 3]",
    "$[?count(1) == 1]",
    "$[?count(foo(@.*)) == 1]",
    "$[?match(@.timezone, 'Europe/.*') == true]",
    "$[?value(@..color)]",
    "$[?match(@.a)==1]",
    "$[?match(@.a,@.b,@.c)==1]",
    "$[?@[0, 0] == 42]",
    "$..",
    "$...a",
]


def values(selector: str, document: Any) -> Any:
    return compile_query(selector)(document)


@pytest.mark.parametrize(("selector", "document", "found"), FOUND, ids=[row[0] for row in FOUND])
def test_a_query_finds_what_the_standard_says(selector: str, document: Any, found: list[Any]) -> None:
    picked = values(selector, document)

    one = found[0] if len(found) == 1 else ABSENT
    assert picked in (found, one), "a singular query picks its value, any other the list of them"


@pytest.mark.parametrize(("comparison", "holds"), COMPARISONS)
def test_a_comparison_holds_as_the_standard_says(comparison: str, holds: bool) -> None:
    assert (values(f"$[?{comparison}]", COMPARED) == [COMPARED["obj"], COMPARED["arr"]]) is holds


@pytest.mark.parametrize(("function", "subject", "pattern", "holds"), MATCHES)
def test_a_pattern_matches_as_the_standard_says(function: str, subject: Any, pattern: str, holds: bool) -> None:
    assert bool(values(f"$[?{function}(@.a, '{pattern}')]", [{"a": subject}])) is holds


def test_a_pattern_may_come_from_the_document() -> None:
    document = {"regex": "b.?b", "values": ["abc", "bcd", "bab", "bba", "bbab", "b", True, [], {}]}

    assert values("$.values[?match(@, $.regex)]", document) == ["bab"]
    assert values("$.values[?search(@, $.regex)]", document) == ["bab", "bba", "bbab"]


@pytest.mark.parametrize("selector", REFUSED)
def test_what_is_no_query_is_refused(selector: str) -> None:
    with pytest.raises(ExpressionError):
        compile_query(selector)
