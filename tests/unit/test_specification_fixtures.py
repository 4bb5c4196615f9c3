"""What the OAI's schema fixtures ask (tests/schema in OAI/Arazzo-Specification, version 1.1): each case, written anew.

The names are those of the originals; what the long examples of the specification do that no fixture does is asked under
the example's name, piece by piece.

`shape` cases are refused by the specification's own JSON Schema, and so here before anything else. `meaning` cases have
the right shape, and are refused for what they mean: the specification allows more than can be performed. Fixtures of
version 1.2 (GraphQL, gRPC, SOAP, interactions) are not asked: that version is not published.
"""

from textwrap import indent

import pytest

from reactor.errors import ConfigError
from reactor.workflows.load import load_document, read_structure

CALL = "- {stepId: s, operationId: $sourceDescriptions.api.list}"
CHILD = "- workflowId: child\n  steps:\n  - {stepId: c, operationId: $sourceDescriptions.api.list}\n"
PARENT = "- {{stepId: s, workflowId: child{}}}"


def document(steps: str, *, source: str = "openapi", more: str = "", head: str = "") -> str:
    return (
        f"arazzo: 1.1.0\n{head}info: {{title: t, version: 1.0.0}}\n"
        f"sourceDescriptions: [{{name: api, url: https://example.com/api.yaml, type: {source}}}]\n"
        f"workflows:\n- workflowId: main\n  steps:\n{indent(steps, '  ')}\n{more}"
    )


PASS = {
    "minimal": document("- {stepId: s, operationId: getUsers}"),
    "minimal-json": '{"arazzo": "1.1.0", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [{"name": "a",'
    ' "url": "x"}], "workflows": [{"workflowId": "w", "steps": [{"stepId": "s", "operationId": "o"}]}]}',
    "minimal-with-self": document(CALL, head="$self: https://example.com/w.arazzo.yaml\n"),
    "minimal-async": document("- {stepId: s, operationId: send, action: send}", source="asyncapi"),
    "async-correlation-id-for-receive-action": document(
        "- {stepId: s, operationId: o, action: receive, correlationId: id123}", source="asyncapi"
    ),
    "async-receive-without-correlation-id": document(
        "- {stepId: s, operationId: o, action: receive}", source="asyncapi"
    ),
    "async-depends-on": document(
        "- {stepId: a, operationId: o, action: receive, timeout: 6000, outputs: {id: $message.payload.userId}}\n"
        "- {stepId: b, operationId: o, action: send, dependsOn: [a],"
        " parameters: [{name: id, in: header, value: $steps.a.outputs.id}]}",
        source="asyncapi",
    ),
    "async-depends-on-cross-workflow": document(
        "- {stepId: a, operationId: o, action: receive}",
        source="asyncapi",
        more="- workflowId: other\n  steps:\n"
        "  - {stepId: b, operationId: o, action: send, dependsOn: [$workflows.main.steps.a], parameters: "
        "[{name: id, in: header, value: $workflows.main.steps.a.outputs.id}]}\n",
    ),
    "async-parameter-reusable-reference": document(
        "- {stepId: s, operationId: o, action: send, parameters: [{reference: $components.parameters.id, value: x}]}",
        source="asyncapi",
        more="components: {parameters: {id: {name: id, in: header, value: y}}}\n",
    ),
    "async-parameter-with-in": document(
        "- {stepId: s, operationId: o, action: send, parameters: [{name: id, in: header, value: x}]}", source="asyncapi"
    ),
    "async-with-channel-path": document(
        "- {stepId: s, channelPath: createUser, action: receive, correlationId: id123}", source="asyncapi"
    ),
    "asyncapi-success-criteria": document(
        "- {stepId: s, operationId: o, action: receive, successCriteria: "
        "[{context: $message.payload, condition: $.status == 'accepted', type: jsonpath}]}",
        source="asyncapi",
    ),
    "characterization-async-invalid-channelPath-string": document(
        "- {stepId: s, channelPath: no-expression, action: receive}", source="asyncapi"
    ),
    "characterization-asyncapi-operationId-without-action": document(CALL, source="asyncapi"),
    "characterization-openapi-invalid-operationPath-string": document("- {stepId: s, operationPath: no-expression}"),
    "characterization-openapi-operationId-with-action": document("- {stepId: s, operationId: o, action: send}"),
    "characterization-openapi-receive-with-correlationId": document(
        "- {stepId: s, operationId: o, action: receive, correlationId: x}"
    ),
    "characterization-workflow-step-with-requestBody": document(
        PARENT.format(", requestBody: {payload: {id: 1}}"), more=CHILD
    ),
    "criterion-regex-with-context": document(
        "- {stepId: s, operationId: o, successCriteria: [{context: $response.body, condition: ^ok$, type: regex}]}"
    ),
    "criterion-simple-type-without-context": document(
        "- {stepId: s, operationId: o, successCriteria: [{condition: $statusCode == 200, type: simple}]}"
    ),
    "openapi-operation-path": document("- {stepId: s, operationPath: $sourceDescriptions.api#/paths/~1users/get}"),
    "openapi-parameter-reusable-reference": document(
        "- {stepId: s, operationId: o, parameters: [{reference: $components.parameters.limit}]}",
        more="components: {parameters: {limit: {name: limit, in: query, value: 1}}}\n",
    ),
    "openapi-parameter-with-in": document(
        "- {stepId: s, operationId: o, parameters: [{name: l, in: query, value: 1}]}"
    ),
    "openapi-success-criteria": document(
        "- {stepId: s, operationId: o, successCriteria: [{condition: $statusCode == 200}]}"
    ),
    "parameter-with-querystring-and-runtime-expr": document(
        "- {stepId: s, operationId: o, parameters: [{name: q, in: querystring, value: 'filter={$inputs.filter}&limit=20'}]}"
    ),
    "parameter-with-static-querystring": document(
        "- {stepId: s, operationId: o, parameters: [{name: q, in: querystring, value: filter=active&sort=desc}]}"
    ),
    "parameter-with-selector": document(
        "- {stepId: s, operationId: o, parameters: "
        "[{name: id, in: query, value: {context: $inputs.user, selector: $.id, type: jsonpath}}]}"
    ),
    "workflow-minimal-step": document(PARENT.format(""), more=CHILD),
    "workflow-parameter-reusable-reference": document(
        PARENT.format(", parameters: [{reference: $components.parameters.id, value: 11}]"),
        more=CHILD + "components: {parameters: {id: {name: id, value: 10}}}\n",
    ),
    "workflow-parameter-without-in": document(PARENT.format(", parameters: [{name: id, value: 10}]"), more=CHILD),
    "workflow-success-criteria": document(
        PARENT.format(", successCriteria: [{condition: $workflows.child.outputs.id > 0}]"), more=CHILD
    ),
}

CHILDREN = """- workflowId: place-order
  inputs: {type: object, properties: {pet_id: {type: integer, format: int64}}}
  steps:
  - {stepId: place-order, operationId: placeOrder, outputs: {number: $response.body#/id}}
  outputs: {number: $steps.place-order.outputs.number}
components:
  inputs:
    order: {type: object, properties: {store: {$ref: '#/components/inputs/store'}}}
    store: {type: string}
  parameters: {page: {name: page, in: query, value: 1}, size: {name: size, in: query, value: 100}}
"""

EXAMPLES = {
    "pet-coupons: a called workflow has the name of the step, its last status and its outputs": document(
        "- {stepId: find, operationId: findPets, parameters: [{reference: $components.parameters.page, value: 2},"
        " {reference: $components.parameters.size}], outputs: {pet: $response.body#/0/id}}\n"
        "- stepId: place-order\n  workflowId: place-order\n  parameters: [{name: pet_id, value: $steps.find.outputs.pet}]\n"
        "  successCriteria: [{condition: $statusCode == 200}]\n  outputs: {order: $outputs.number}",
        more=CHILDREN,
    ).replace("workflowId: main\n", "workflowId: main\n  inputs: {$ref: '#/components/inputs/order'}\n"),
    "bnpl: a body as text, filled in": document(
        "- stepId: s\n  operationId: o\n  requestBody:\n    contentType: application/json\n    payload: |\n"
        '      {\n        "customer": "{$inputs.customer}",\n        "name": "{$inputs.customer.firstName}"\n      }'
    ),
    "bnpl: a body as text that is no JSON": document(
        "- stepId: s\n  operationId: o\n  requestBody:\n    contentType: application/json\n    payload: |\n"
        '      {\n        "postalCode": "{$inputs.customer.postalCode}"\n        "accepted": true\n      }'
    ),
    "bnpl: actions by count, by null and by one of two statuses": document(
        "- stepId: s\n  operationId: o\n  successCriteria: [{condition: $statusCode == 200 || $statusCode == 201}]\n"
        "  onSuccess:\n  - {name: none, type: end, criteria: [{condition: '$response.body#/existing == false'}]}\n"
        "  - name: some\n    type: goto\n    stepId: t\n    criteria: [{condition: $statusCode == 200}, "
        "{context: $response.body, type: jsonpath, condition: '$[?count(@.products) > 0]'}]\n"
        "  - {name: token, type: end, criteria: [{condition: '$response.body#/redirectAuthToken != null'}]}\n"
        "  onFailure:\n  - {name: Too many requests, type: retry, retryAfter: 1, retryLimit: 1, stepId: s, "
        "criteria: [{condition: $statusCode == 429}]}\n"
        "- {stepId: t, operationId: o}"
    ),
    "bnpl: outputs by dots, of headers, and of nobody": document(
        "- stepId: s\n  operationId: o\n  parameters: [{name: t, in: query, value: $steps.s.outputs.unknown}]\n"
        "  outputs: {self: $response.body.links.self, location: $response.headers.Location}"
    ),
    "oauth: a form, and a predicate as JSONPath": document(
        "- stepId: s\n  operationId: get-token\n  requestBody:\n    contentType: application/x-www-form-urlencoded\n"
        "    payload: {grant_type: refresh_token, refresh_token: $inputs.refresh_token}\n"
        "  successCriteria: [{context: $response.body, condition: $.access_token != null, type: jsonpath}]"
    ),
    "LoginAndRetrievePets: a path without its method, a key in Authorization": document(
        "- {stepId: login, operationId: $sourceDescriptions.api.loginUser, outputs: {token: $response.body,"
        " until: $response.header.X-Expires-After}}\n"
        "- stepId: find\n  operationPath: '{$sourceDescriptions.api.url}#/paths/~1pet~1findByStatus'\n"
        "  parameters: [{name: Authorization, in: header, value: $steps.login.outputs.token}]"
    ),
    "ExtendedParameters: cookies for a workflow and a step": document(
        "- {stepId: s, operationId: api.postAnimal, parameters: [{in: cookie, name: a, value: b}]}"
    ).replace("workflowId: main\n", "workflowId: main\n  parameters: [{in: cookie, name: one, value: two}]\n"),
    "openapi-and-asyncapi: a message sent, its reply awaited by what was sent": document(
        '- {stepId: "find", operationId: "$sourceDescriptions.api.find", onSuccess: [{name: "none", type: "end",'
        " criteria: [{condition: '$response.body#/0 == null'}]}]}\n"
        '- {stepId: "ask", operationId: "$sourceDescriptions.api.order", action: "send",'
        ' outputs: {id: "$message.header.requestId"}}\n'
        '- {stepId: "hear", operationId: "$sourceDescriptions.api.order", action: "receive", timeout: 6000,'
        ' correlationId: "$steps.ask.outputs.id", outputs: {order: "$message.payload.orderId"}}\n'
        '- {stepId: "read", operationId: "$sourceDescriptions.api.read", dependsOn: ["hear"],'
        ' parameters: [{name: "id", in: "path", value: "$steps.hear.outputs.order"}]}',
        source="asyncapi",
    ),
}

MEANING = {
    "payload-replacement-using-selector": (
        document(
            "- {stepId: s, operationId: o, requestBody: {replacements: [{target: /id, value: "
            "{context: $steps.previous.outputs, selector: $.id, type: {type: jsonpath, version: rfc9535}}}]}}"
        ),
        "found 'previous', expected one of 's'",
    ),
    "criterion-with-extended-xpath": (
        document(
            "- {stepId: s, operationId: o, successCriteria: [{context: $response.body, "
            "condition: \"/E/S[text()='OK']\", type: {type: xpath, version: xpath-31}}]}"
        ),
        "type xpath",
    ),
    "async-depends-on-across-document": (
        document(
            "- {stepId: s, operationId: o, action: send, dependsOn: [$sourceDescriptions.api.remote.steps.x]}",
            source="arazzo",
        ),
        "expected a step of this document",
    ),
}

SHAPE = {
    "async-both-operationId-and-channelPath": document(
        "- {stepId: s, operationId: o, channelPath: c, action: send}", source="asyncapi"
    ),
    "async-channelPath-without-action": document("- {stepId: s, channelPath: orders}", source="asyncapi"),
    "async-depends-on-duplicate-values": document(
        "- {stepId: a, operationId: o}\n- {stepId: b, operationId: o, dependsOn: [a, a]}", source="asyncapi"
    ),
    "async-depends-on-empty": document("- {stepId: s, operationId: o, dependsOn: []}", source="asyncapi"),
    "async-depends-on-invalid-reference": document(
        "- {stepId: a, operationId: o}\n- {stepId: b, operationId: o, dependsOn: [$steps.a]}", source="asyncapi"
    ),
    "channel-path-is-invalid-for-openapi": document("- {stepId: s, channelPath: createUser}"),
    "invalid-async-correlation-id-non-receive-action": document(
        "- {stepId: s, operationId: o, action: send, correlationId: x}", source="asyncapi"
    ),
    "invalid-async-parameter-without-in": document(
        "- {stepId: s, operationId: o, action: send, parameters: [{name: id, value: x}]}", source="asyncapi"
    ),
    "invalid-async": document("- {stepId: s, operationId: o, action: invalid}", source="asyncapi"),
    "invalid-criterion-expression-type-without-context": document(
        "- {stepId: s, operationId: o, successCriteria: "
        "[{condition: '$.users[0].id', type: {type: jsonpath, version: rfc9535}}]}"
    ),
    "invalid-criterion-regex-without-context": document(
        "- {stepId: s, operationId: o, successCriteria: [{condition: ^ok$, type: regex}]}"
    ),
    "invalid-expression-type-object": document(
        "- {stepId: s, operationId: o, outputs: {x: {context: $response.body, selector: $.a, "
        "type: {type: xpath, version: rfc9535}}}}"
    ),
    "invalid-openapi-parameter-without-in": document(
        "- {stepId: s, operationId: o, parameters: [{name: l, value: 1}]}"
    ),
    "invalid-openapi-success-criteria": document("- {stepId: s, operationId: o, successCriteria: []}"),
    "invalid-querystring-without-value": document(
        "- {stepId: s, operationId: o, parameters: [{name: q, in: querystring}]}"
    ),
    "invalid-selector-object": document(
        "- {stepId: s, operationId: o, outputs: {x: {expression: $response.body, selector: $.data.id}}}"
    ),
    "invalid-self-fragment": document(CALL, head="$self: https://example.com/w.yaml#/workflows/main\n"),
    "invalid-step-without-selector": document("- {stepId: s, description: nothing}"),
    "invalid-targetSelectorType": document(
        "- {stepId: s, operationId: o, requestBody: {replacements: "
        "[{target: $.status, targetSelectorType: jmespath, value: x}]}}"
    ),
    "invalid-workflow-step-with-operationId": document(PARENT.format(", operationId: o"), more=CHILD),
    "invalid-workflow-success-criteria": document(PARENT.format(", successCriteria: []"), more=CHILD),
    "openapi-both-operationId-and-operationPath": document("- {stepId: s, operationId: o, operationPath: p}"),
    "openapi-duplicate-parameters": document(
        "- {stepId: s, operationId: o, parameters: [{name: l, in: query, value: 1}, {name: l, in: query, value: 1}]}"
    ),
    "openapi-missing-operation-target": document("- {stepId: s, parameters: [{name: l, in: query, value: 1}]}"),
    "workflow-duplicate-parameters": document(
        PARENT.format(", parameters: [{name: id, value: 1}, {name: id, value: 1}]"), more=CHILD
    ),
    "workflow-missing-workflowId": document("- {stepId: s}", more=CHILD),
    "workflow-step-with-action": document(PARENT.format(", action: send"), more=CHILD),
    "workflow-step-with-channelPath": document(PARENT.format(", channelPath: orders"), more=CHILD),
}


@pytest.mark.parametrize("name", PASS | EXAMPLES)
def test_a_valid_document_is_taken(name: str) -> None:
    assert load_document((PASS | EXAMPLES)[name], f"{name}.arazzo.yaml").workflows


@pytest.mark.parametrize("name", MEANING)
def test_a_valid_document_that_can_not_be_performed_is_refused_for_what_it_means(name: str) -> None:
    text, said = MEANING[name]
    assert read_structure(text, name)

    with pytest.raises(ConfigError, match=r":\d+:\d+: ") as refused:
        load_document(text, name)

    assert said in str(refused.value)


@pytest.mark.parametrize("name", SHAPE)
def test_a_document_of_another_shape_is_refused_at_its_place(name: str) -> None:
    with pytest.raises(ConfigError, match=r":\d+:\d+: "):
        read_structure(SHAPE[name], name)
