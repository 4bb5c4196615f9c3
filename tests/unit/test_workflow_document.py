"""Arazzo documents: what they say as values, what is refused with its place, what is noted with the standard form."""

import pytest
from test_workflow_apis import DOCUMENTS, arazzo, document, warnings_of

from reactor.errors import ConfigError
from reactor.workflows.document import OperationRef
from reactor.workflows.expressions import ABSENT, Context, Exchange
from reactor.workflows.load import load_document

STEP = "- {stepId: one, operationId: listSandboxes}"


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_document(text, "test.arazzo.yaml")
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_documents_are_taken_as_they_are(path: object) -> None:
    assert load_document(DOCUMENTS.joinpath(str(path)).read_bytes(), "x").workflows


def test_a_published_document_is_noted_where_it_is_not_standard() -> None:
    found = load_document((DOCUMENTS / "000.arazzo.yaml").read_bytes(), "000.arazzo.yaml")

    assert (50, "found 'createVolume'; the standard form is $sourceDescriptions.<name>.createVolume") in warnings_of(
        found
    )
    assert (54, "found '$inputs.apiToken' within a text; the standard form is '{$inputs.apiToken}'") in warnings_of(
        found
    )
    assert [line for line, message in warnings_of(found) if "type simple" in message] == [86, 92, 99]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- {stepId: one}", ":8:5: found nothing to perform, expected one of operationId"),
        ("- {stepId: one, operationId: a, workflowId: main}", "found operationId and workflowId to perform"),
        ("- {stepId: one, operationid: a}", "found 'operationid', expected one of"),
        (f"{STEP}\n{STEP}", ":9:14: found 'one' again"),
        ("- {stepId: o.ne, operationId: a}", ":8:14: found 'o.ne'"),
        ("- {stepId: one, operationId: a, parameters: [{name: x, value: 1}]}", 'found no "in"'),
        (
            "- {stepId: one, operationId: a, parameters: [{reference: $components.parameters.x}]}",
            "$components.parameters.x",
        ),
        ("- {stepId: one, operationId: a, successCriteria: [{condition: $statusCode = 200}]}", "equality is =="),
        ("- {stepId: one, operationId: a, successCriteria: []}", "at least 1"),
        (
            "- {stepId: one, operationId: a, successCriteria: [{condition: //x, context: $response.body, type: xpath}]}",
            "type xpath",
        ),
        ("- {stepId: one, operationId: a, onSuccess: [{name: x, type: goto, stepId: tow}]}", "found 'tow'"),
        ("- {stepId: one, operationId: a, onSuccess: [{name: x, type: goto}]}", "found no target in the goto action"),
        ("- {stepId: one, operationId: a, onSuccess: [{name: x, type: goto, workflowId: man}]}", "did you mean 'main'"),
        ("- {stepId: one, operationId: a, onSuccess: [{name: x, type: ends}]}", "did you mean 'end'"),
        ("- {stepId: one, workflowId: other}", "found 'other', expected one of 'main'"),
        ("- {stepId: one, workflowId: $sourceDescriptions.api.other}", "a workflow of this document"),
        ("- {stepId: one, operationId: a, outputs: {x: '{$steps.tow.outputs.y}'}}", "found 'tow'"),
        ("- {stepId: one, operationId: a, outputs: {x: '{$step.one}'}}", None),
        ("- {stepId: one, operationId: a, outputs: {x: '{$response.bdy}'}}", "did you mean 'body'"),
        ("- {stepId: one, operationId: a, outputs: {x: {expression: $response.body, selector: $.a}}}", "expected"),
        ("- {stepId: one, operationId: a, dependsOn: [tow]}", "found 'tow'"),
        ("- {stepId: one, operationId: a, dependsOn: []}", "at least 1"),
        ("- {stepId: one, operationId: a, dependsOn: [one]}", "depend on each other"),
        ("- {stepId: one, operationId: a, dependsOn: [$steps.two]}", "found '$steps.two', expected 'two'"),
        ("- {stepId: one, operationId: a, action: send, correlationId: x}", "only with action: receive"),
        ("- {stepId: one, channelPath: created}", "expected with it an action"),
        ("- {stepId: one, operationId: $sourceDescriptions.ap.x}", "did you mean 'api'"),
    ],
)
def test_a_mistake_is_refused_with_what_was_expected(steps: str, said: str | None) -> None:
    if said is None:
        assert document(steps)
    else:
        assert any(said in refusal for refusal in refusals(arazzo(steps)))


SELECTED = "- {{stepId: one, operationId: a, outputs: {{x: {{context: $response.body, selector: '{}', type: {}}}}}}}"


@pytest.mark.parametrize(
    ("selector", "kind", "value"),
    [
        ("$.a[0].b", "jsonpath", 1),
        ("$.a[*].b", "{type: jsonpath, version: rfc9535}", [1, 2]),
        ("/a/1/b", "jsonpointer", 2),
        ("/none", "jsonpointer", ABSENT),
    ],
)
def test_a_selector_picks_a_value(selector: str, kind: str, value: object) -> None:
    step = document(SELECTED.format(selector, kind)).workflows["main"].step("one")

    context = Context(response=Exchange(body={"a": [{"b": 1}, {"b": 2}]}))
    assert step.outputs["x"].render(context) == value
    assert [reference.text for reference in step.outputs["x"].references()] == ["$response.body"]


@pytest.mark.parametrize(
    ("selector", "kind", "said"),
    [
        ("//a", "xpath", "expected jsonpath or jsonpointer"),
        ("$.a[", "jsonpath", "expected a JSONPath query"),
        ("a", "jsonpointer", "to begin with /"),
        ("$.a", "jsonpth", "expected"),
    ],
)
def test_a_selector_that_can_not_be_read_is_refused(selector: str, kind: str, said: str) -> None:
    assert said in refusals(arazzo(SELECTED.format(selector, kind)))[0]


def test_a_broken_selector_of_a_parameter_is_refused() -> None:
    value = "{context: $response.body, selector: $.a, type: [jsonpath]}"
    steps = f"- {{stepId: one, operationId: a, parameters: [{{name: x, in: query, value: {value}}}]}}"

    assert "type jsonpath or jsonpointer" in refusals(arazzo(steps))[0]


def test_expressions_in_a_json_text_keep_their_types_outside_of_quotes_and_break_out_of_none() -> None:
    payload = """{"n": {$inputs.n}, "o": $inputs.o, "t": "{$inputs.t}", "of": "n: {$inputs.n}", "no": {$inputs.no}}"""
    found = document(f"- {{stepId: one, operationId: a, requestBody: {{payload: '{payload}'}}}}")

    body = found.workflows["main"].step("one").body
    assert body
    given = {"n": 5, "o": {"a": [1]}, "t": 'x", "n": "y'}
    assert body.payload.render(Context(inputs=given)) == {**given, "of": "n: 5"}


def test_a_json_text_that_is_none_is_noted_and_sent_as_it_is() -> None:
    found = document("- {stepId: one, operationId: a, requestBody: {payload: '{\"n\": {$inputs.n}'}}")

    body = found.workflows["main"].step("one").body
    assert body
    assert body.payload.render(Context(inputs={"n": 5})) == '{"n": 5'
    [(_, note)] = [each for each in warnings_of(found) if "no JSON" in each[1]]
    assert "it is sent as it is" in note


@pytest.mark.parametrize(
    ("path", "channel"),
    [("'{$sourceDescriptions.events.url}#/channels/created'", "created"), ("created", "created")],
)
def test_a_channel_is_named_in_each_form(path: str, channel: str) -> None:
    text = arazzo(f"- {{stepId: one, channelPath: {path}, action: receive}}", version="1.1.0")
    events = "{name: events, url: e.yaml, type: asyncapi}"

    found = load_document(text.replace("[{name: api", f"[{events}, {{name: api"), "test.arazzo.yaml")

    operation = found.workflows["main"].step("one").operation
    assert operation
    assert operation.channel == str(operation) == channel


def test_a_pointer_to_something_else_than_an_operation_is_refused() -> None:
    steps = "- {stepId: one, operationPath: '{$sourceDescriptions.api.url}#/info/title'}"

    assert "expected /paths/<path>/<method>" in refusals(arazzo(steps))[0]


def test_all_mistakes_are_told_at_once_with_their_places() -> None:
    steps = """
        - stepId: one
          operationId: a
          successCriteria: [{condition: $statusCode == }]
          onSuccess: [{name: x, type: goto, stepId: tow}]
        """

    assert [refusal.partition(": ")[0] for refusal in refusals(arazzo(steps))] == [
        "test.arazzo.yaml:9:5",
        "test.arazzo.yaml:11:35",
    ]


@pytest.mark.parametrize(
    ("field", "reference"),
    [
        ("operationId: getVolume", OperationRef("api", id="getVolume")),
        ("operationId: $sourceDescriptions.api.getVolume", OperationRef("api", id="getVolume")),
        ("operationId: api.getVolume", OperationRef("api", id="getVolume")),
        ("operationId: volumes.getVolume", OperationRef("api", id="volumes.getVolume")),
        ("operationPath: $sourceDescriptions.api.getVolume", OperationRef("api", id="getVolume")),
        (
            "operationPath: '{$sourceDescriptions.api.url}#/paths/~1volumes~1{id}/get'",
            OperationRef("api", path="/volumes/{id}", method="get"),
        ),
        (
            "operationPath: '{$sourceDescriptions.api.url}#/paths/~1volumes~1{id}'",
            OperationRef("api", path="/volumes/{id}"),
        ),
        ("operationPath: GET /volumes/{id}", OperationRef(None, path="/volumes/{id}", method="GET")),
        ("operationPath: somewhere", OperationRef(None, path="somewhere")),
    ],
)
def test_operations_are_named_in_each_form(field: str, reference: OperationRef) -> None:
    found = document(f"- stepId: one\n  {field}")

    assert found.workflows["main"].step("one").operation == reference


def test_steps_inherit_parameters_and_actions_and_override_them() -> None:
    found = document(
        """
        - stepId: one
          operationId: a
          parameters: [{name: x, in: query, value: own}]
          onFailure: [{name: again, type: end}]
        """,
        workflow="""
        parameters: [{name: x, in: query, value: all}, {reference: $components.parameters.page, value: 2}]
        failureActions: [{name: again, type: retry}, {reference: $components.failureActions.stop}]
        """,
        rest="""
        components:
          parameters: {page: {name: page, in: query, value: 1}}
          failureActions: {stop: {name: stop, type: end}}
        """,
    )
    step = found.workflows["main"].step("one")

    assert [(parameter.name, parameter.value) for parameter in step.parameters] == [
        ("x", found.workflows["main"].step("one").parameters[0].value),
        ("page", step.parameters[1].value),
    ]
    assert [parameter.value.render(None) for parameter in step.parameters] == ["own", 2]  # type: ignore[arg-type]
    assert [(action.name, action.kind) for action in step.on_failure] == [("again", "end"), ("stop", "end")]


def test_a_step_comes_after_those_it_depends_on() -> None:
    found = document(
        """
        - {stepId: late, operationId: a, dependsOn: [early]}
        - {stepId: early, operationId: a, dependsOn: [$workflows.main.steps.first]}
        - {stepId: first, operationId: a}
        """
    )

    assert [step.id for step in found.workflows["main"].steps] == ["first", "early", "late"]


def test_values_that_can_never_be_there_are_noted() -> None:
    found = document(
        "- {stepId: one, operationId: a, outputs: {x: $inputs.nam, y: $steps.one.outputs.z}}",
        workflow="inputs: {type: object, properties: {name: {type: string}}}",
    )

    assert [message.partition(":")[0] for _, message in warnings_of(found)] == [
        "$inputs.nam is no declared input",
        "$steps.one.outputs.z is always null",
    ]


def test_extensions_are_passed_over_and_retries_on_success_are_noted() -> None:
    found = document("- {stepId: one, operationId: a, x-team: [ops], onSuccess: [{name: n, type: retry, x-a: 1}]}")

    assert "found a retry in onSuccess; the standard form is a retry in onFailure" in [m for _, m in warnings_of(found)]


def test_a_retry_that_names_its_own_step_names_none() -> None:
    found = document("- {stepId: one, operationId: a, onFailure: [{name: n, type: retry, stepId: one}]}")

    assert found.workflows["main"].step("one").on_failure[0].step is None
