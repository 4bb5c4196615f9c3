"""What a workflow is given: checked, completed, and its secrets kept out."""

import pytest
from test_workflow_apis import program, seed

from reactor.errors import ConfigError
from reactor.workflows.inputs import accept_inputs


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
