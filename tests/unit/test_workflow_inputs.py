"""What a workflow is given: checked, completed, and its secrets kept out."""

import pytest
from test_workflow_apis import Story, program, seed

from reactor.errors import ConfigError
from reactor.workflows.inputs import accept_inputs, missing_inputs, typed


def accepted(name: str, workflow: str, **given: object) -> dict[str, object]:
    ready = seed(name)
    return accept_inputs(ready.workflow(workflow), given, ready.secrets[workflow], ready.document.components)


@pytest.mark.parametrize(("name", "workflow"), [("000", "provision-volume-and-sandbox"), ("capture", "capture")])
def test_an_input_that_reaches_authorization_is_a_secret(name: str, workflow: str) -> None:
    assert seed(name).secrets[workflow] == {"apiToken"}


def test_an_input_that_reaches_authorization_through_a_called_workflow_is_a_secret() -> None:
    assert seed("orders").secrets == {"order": {"token"}, "prepare": frozenset(), "makeVolume": {"key"}}


def test_an_input_that_reaches_a_declared_key_or_a_cookie_is_a_secret() -> None:
    found = program(
        """
        - stepId: one
          operationId: pay
          parameters:
          - {name: key, in: query, value: $inputs.k}
          - {name: sid, in: cookie, value: "{$inputs.c}"}
          - {name: q, in: query, value: $inputs.q}
        """
    )

    assert found.secrets["main"] == {"k", "c"}


def test_a_required_secret_need_not_be_given_and_is_never_kept() -> None:
    given = {"volumeName": "v", "snapshot": "s", "mountPath": "/d"}

    assert accepted("000", "provision-volume-and-sandbox", **given) == given
    assert accepted("000", "provision-volume-and-sandbox", apiToken="dtn_secret", **given) == given


def test_defaults_are_filled_in() -> None:
    assert accepted("capture", "capture", sandbox="s") == {"sandbox": "s", "name": "captured"}


def test_everything_that_is_wrong_is_told_at_once_without_secrets() -> None:
    with pytest.raises(ConfigError) as refused:
        accepted("000", "provision-volume-and-sandbox", volumeName=5, apiToken="dtn_secret")

    said = str(refused.value)
    assert "input volumeName" in said
    assert '"snapshot" is a required property' in said
    assert "dtn_secret" not in said


def test_the_inputs_of_referred_and_joined_schemas_are_known() -> None:
    found = program(
        "- {stepId: one, operationId: pay, parameters: [{name: key, in: query, value: $inputs.token}]}",
        workflow="""
        inputs:
          allOf:
          - {$ref: '#/components/inputs/key'}
          - {required: [n, m], properties: {n: {type: integer, default: 3}, m: {type: integer}}}
        """,
        rest="components: {inputs: {key: {type: object, required: [token], properties: {token: {type: string}}}}}",
    )
    workflow, secrets = found.workflow("main"), found.secrets["main"]

    assert secrets == {"token"}
    assert missing_inputs(workflow, {}, secrets) == ["m"]
    assert accept_inputs(workflow, {"m": 1}, secrets, found.document.components) == {"n": 3, "m": 1}
    with pytest.raises(ConfigError, match="input m"):
        accept_inputs(workflow, {"m": "x"}, secrets, found.document.components)


CALLED = """
- workflowId: called
  inputs: {type: object, required: [n, m, token], properties: {n: {default: 3}, m: {type: integer}, token: {type: string}}}
  steps:
  - stepId: pay
    operationId: pay
    parameters: [{name: key, in: query, value: $inputs.token}, {name: n, in: query, value: $inputs.n}]
"""


def test_a_called_workflow_has_the_defaults_of_its_inputs() -> None:
    story = Story(program("- {stepId: one, workflowId: called, parameters: [{name: m, value: 1}]}", rest=CALLED))

    assert story.call.parameters["query"] == {"n": 3}


def test_a_call_of_a_workflow_without_an_input_that_it_requires_is_refused() -> None:
    with pytest.raises(ConfigError, match="found no parameter 'm', expected it: the workflow called requires it"):
        program("- {stepId: one, workflowId: called, parameters: [{name: n, value: 1}]}", rest=CALLED)


def test_an_input_that_a_called_workflow_has_not_is_noted() -> None:
    given = "[{name: m, value: 1}, {name: tokn, value: x}]"
    found = program(f"- {{stepId: one, workflowId: called, parameters: {given}}}", rest=CALLED)

    assert any("found 'tokn'" in str(each) and "did you mean 'token'?" in str(each) for each in found.document.warnings)


def test_a_schema_may_refer_to_components_and_to_nothing_else() -> None:
    components = """
        components:
          inputs:
            common: {type: object, properties: {n: {$ref: '#/components/inputs/n'}}}
            n: {type: integer}
        """
    found = program(
        "- {stepId: one, operationId: pay}", workflow="inputs: {$ref: '#/components/inputs/common'}", rest=components
    )

    with pytest.raises(ConfigError, match="input n"):
        accept_inputs(found.workflow("main"), {"n": "x"}, frozenset(), found.document.components)

    for uri in ("https://example.com/x.json", "file:///etc/passwd"):
        found = program(
            "- {stepId: one, operationId: pay}", workflow=f"inputs: {{properties: {{n: {{$ref: '{uri}'}}}}}}"
        )
        with pytest.raises(ConfigError, match="no JSON Schema"):
            accept_inputs(found.workflow("main"), {"n": "x"}, frozenset(), {})


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ("{type: string}", "5", "5"),
        ("{type: string}", "true", "true"),
        ("{type: string}", '"quoted"', "quoted"),
        ("{type: [string, integer]}", "5", 5),
        ("{type: integer}", "5", 5),
        ("{type: integer}", "five", "five"),
        ("{type: object}", '{"a": 1}', {"a": 1}),
        ("{}", "5", 5),
    ],
)
def test_what_is_typed_becomes_what_its_schema_may_be(schema: str, text: str, value: object) -> None:
    found = program(
        "- {stepId: one, operationId: pay}", workflow=f"inputs: {{type: object, properties: {{n: {schema}}}}}"
    )

    assert typed(found.workflow("main"), "n", text) == value


def test_an_input_that_nothing_reads_is_refused_with_the_nearest_name() -> None:
    found = program(
        """
        - {stepId: one, operationId: pay, parameters: [{name: q, in: query, value: $inputs.undeclared}]}
        - {stepId: two, workflowId: called, parameters: [{name: m, value: 1}]}
        """,
        workflow="inputs: {type: object, properties: {name: {type: string}}}",
        rest=CALLED,
    )

    with pytest.raises(
        ConfigError, match=r"workflow main: input: found 'nam', expected one of .*did you mean 'name'\?"
    ):
        found.accept("main", {"nam": "x"})
    assert found.accept("main", {"undeclared": 1, "n": 2}) == {"undeclared": 1, "n": 2}
