"""A step put to its operation: what can only be meant one way is taken so and noted, what can't be called is refused."""

import pytest
from test_workflow_apis import document

from reactor.workflows.apis import Operation, Slot
from reactor.workflows.document import Step
from reactor.workflows.fitting import fit

GET = Operation(
    "api",
    "getBox",
    "GET",
    slots=(Slot("boxIdOrName", "path", True), Slot("verbose", "query"), Slot("X-Org", "header")),
    has_body=False,
)
POST = Operation("api", "makeBox", "POST", slots=(), has_body=True, needs_body=True)


def step(parameters: str, *, workflow: str = "", body: str = "") -> Step:
    found = document(f"- {{stepId: one, operationId: a, parameters: [{parameters}] {body}}}", workflow=workflow)
    return found.workflows["main"].step("one")


@pytest.mark.parametrize(
    ("given", "taken", "noted"),
    [
        ("{name: boxIdOrName, in: path, value: b}", [("boxIdOrName", "path")], []),
        ("{name: boxId, in: path, value: b}", [("boxIdOrName", "path")], ["found 'boxId' in path"]),
        ("{name: boxIdOrName, in: query, value: b}", [("boxIdOrName", "path")], ["found 'boxIdOrName' in query"]),
        (
            "{name: boxIdOrName, in: path, value: b}, {name: x-org, in: header, value: o}",
            [("boxIdOrName", "path"), ("X-Org", "header")],
            ["found 'x-org' in header; getBox takes 'X-Org' in header"],
        ),
        (
            "{name: id, in: path, value: b}, {name: Accept, in: header, value: '*/*'}",
            [("boxIdOrName", "path")],
            ["'id'"],
        ),
        (
            "{name: boxIdOrName, in: path, value: b}, {name: force, in: query, value: true}",
            [("boxIdOrName", "path")],
            ["force in query is not sent"],
        ),
    ],
)
def test_a_parameter_is_taken_as_it_can_only_be_meant(
    given: str, taken: list[tuple[str, str]], noted: list[str]
) -> None:
    fitted, wrong, unusual = fit(step(given), GET)

    assert [(parameter.name, parameter.where) for parameter in fitted.parameters] == taken
    assert wrong == []
    assert len(unusual) == len(noted)
    assert all(words in note for words, note in zip(noted, unusual, strict=True))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "found no parameter 'boxIdOrName', expected it in path: getBox requires it"),
        ("{name: boxIdOrName, in: path, value: b}, {name: verbos, in: query, value: 1}", "did you mean 'verbose'?"),
        ("{name: a, in: path, value: b}, {name: b, in: path, value: c}", "parameter: found 'a'"),
    ],
)
def test_a_step_that_can_not_be_called_is_refused(given: str, said: str) -> None:
    _, wrong, _ = fit(step(given), GET)

    assert any(said in text for text in wrong)


def test_what_a_workflow_gives_to_all_steps_goes_to_those_that_take_it() -> None:
    one = step("", workflow="parameters: [{name: boxIdOrName, in: path, value: b}, {name: trace, in: query, value: 1}]")

    fitted, wrong, unusual = fit(one, GET)

    assert ([parameter.name for parameter in fitted.parameters], wrong, unusual) == (["boxIdOrName"], [], [])


def test_a_body_goes_only_to_an_operation_that_takes_one() -> None:
    sent = step("{name: boxIdOrName, in: path, value: b}", body=", requestBody: {payload: {}}")

    fitted, wrong, unusual = fit(sent, GET)

    assert (fitted.body, wrong, unusual) == (None, [], ["the request body is not sent: getBox takes none"])
    assert fit(step(""), POST)[1] == ["found no requestBody, expected it: makeBox requires one"]


def test_an_operation_of_which_nothing_is_known_takes_everything() -> None:
    one = step("{name: any, in: query, value: 1}")

    assert fit(one, Operation("api", "a", "GET")) == (one, [], [])
