"""The JSONPath compliance test suite, whole, put to the JSONPath of workflows with all its limits."""

from pathlib import Path
from typing import Any

import orjson
from jsonpath_rfc9535 import JSONPathError
from npm import package

from reactor.workflows.expressions import ExpressionError
from reactor.workflows.jsonpath import bounded

SUITE = Path("src", "__tests__", "jsonpath-compliance-test-suite", "cts.json")
REFUSED = "refused"


def answer(selector: str, document: Any) -> Any:
    """The values that a query finds, or that it is refused."""
    try:
        return list(bounded(selector).find(document).values())
    except (JSONPathError, ExpressionError):
        return REFUSED


def test_every_question_of_the_suite_is_answered_as_it_should_be() -> None:
    cases = orjson.loads((package("jsonpath-rfc9535") / SUITE).read_bytes())["tests"]

    wrong = {
        case["name"]: answered
        for case in cases
        if (answered := answer(case["selector"], case.get("document")))
        not in ([REFUSED] if case.get("invalid_selector") else case.get("results") or [case["result"]])
    }

    assert wrong == {}
    assert len(cases) == 687
