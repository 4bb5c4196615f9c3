"""What rows ask for, in the words of rule files: every kind of action has its words."""

from typing import Any, get_args

import pytest

from reactor.checks.rules import CHECKS
from reactor.handlers.table import HANDLERS
from reactor.rules.actions import KINDS
from reactor.rules.model import AnyAction
from reactor.rules.wording import as_written, subject, summary
from reactor.store.plans import NewRow

CALL = NewRow("1", "r", "call", "daytona", {"parameters": {}, "body": {"name": "b"}}, "createVolume")
USE = NewRow("1", "r", "call", "daytona", {"if_exists": "use", "parameters": {}, "body": None}, "createVolume")
FAIL = NewRow("1", "r", "call", "daytona", {"if_exists": "fail", "parameters": {}, "body": None}, "createVolume")
RUN = NewRow("2", "r", "run", "", {"document": "provision", "workflow": "", "inputs": {"a": 1}})
NOTIFY = NewRow("3", "r", "notify", "", {"target": "ops", "title": "", "text": "look"})
EMIT = NewRow("4", "r", "emit", "", {"type": "fleet.lost", "organization": "o", "lineage": ["r"], "data": {"id": "v"}})
PERFORM = NewRow("5", "r", "perform", "", {"handler": "open-ticket", "arguments": {"summary": "s"}})
WAIT = NewRow("6", "", "step", "", {"run": "order-17", "generation": 2})


@pytest.mark.parametrize(
    ("row", "about", "said", "written"),
    [
        (CALL, "daytona.createVolume", "daytona.createVolume", {"call": "daytona.createVolume", "body": {"name": "b"}}),
        (USE, "daytona.createVolume", "daytona.createVolume", {"call": "daytona.createVolume", "if_exists": "use"}),
        (FAIL, "daytona.createVolume", "daytona.createVolume", {"call": "daytona.createVolume"}),
        (RUN, "provision", "run provision", {"run": "provision", "inputs": {"a": 1}}),
        (NOTIFY, "ops", "notify ops", {"notify": "ops", "text": "look"}),
        (EMIT, "fleet.lost", "emit fleet.lost", {"emit": "fleet.lost", "data": {"id": "v"}}),
        (PERFORM, "open-ticket", "perform open-ticket", {"perform": "open-ticket", "arguments": {"summary": "s"}}),
    ],
)
def test_a_job_is_told_in_the_words_of_its_rule(row: NewRow, about: str, said: str, written: dict[str, object]) -> None:
    assert (subject(row), summary(row), as_written(row)) == (about, said, written)


def test_what_only_an_earlier_result_fills_in_is_told_as_it_is_written() -> None:
    late = {"texts": [[["body", "tags", 1], "of ${box.id}"]], "fields": {}, "values": {}, "rows": {}, "results": {}}
    what = {"parameters": {}, "body": {"none": None, "tags": ["a", None]}, "late": late}

    told = as_written(NewRow("1", "r", "call", "daytona", what, "createVolume"))

    assert told == {"call": "daytona.createVolume", "body": {"none": None, "tags": ["a", "of ${box.id}"]}}


def test_the_move_of_a_run_that_calls_nothing_is_a_step() -> None:
    assert (subject(WAIT), summary(WAIT)) == ("step", "step")


def test_every_action_that_rules_know_has_a_handler_and_words() -> None:
    known = {kind.model for kind in KINDS.values()}

    assert known == set(get_args(AnyAction))
    assert set(KINDS) == set(HANDLERS) - {"step"} == set(CHECKS)


@pytest.mark.parametrize("what", [[], "text", 5, None])
def test_a_row_that_asks_for_nothing_sensible_has_words_too(what: Any) -> None:
    assert subject(NewRow("7", "r", "notify", "", what)) == "notify"
