"""The engine from step to step: actions, retries, workflows within workflows, messages, and how every run ends."""

import pytest
from test_workflow_apis import Story, program, seed

from reactor.workflows.engine import advance, new_run
from reactor.workflows.run import Call, Observed, Replied, Started
from reactor.workflows.stepping import MAX_STEPS

INPUTS = {"volumeName": "build", "snapshot": "base", "mountPath": "/data"}


def test_a_retry_is_spent_then_the_next_failure_action_follows() -> None:
    story = Story(
        program(
            """
            - stepId: one
              operationId: pay
              onFailure:
              - {name: busy, type: retry, retryAfter: 5, retryLimit: 2, criteria: [{condition: $statusCode == 503}]}
              - {name: other, type: goto, stepId: two}
            - {stepId: two, operationId: createVolume}
            """
        )
    )

    story.replied(status=503)
    assert (story.call.step, story.call.not_before) == ("one", 106.0)
    story.replied(None, 503, **{"retry-after": "30"})
    assert (story.call.step, story.call.not_before) == ("one", 132.0)
    story.replied(status=503)
    assert (story.call.step, story.call.not_before) == ("two", 0.0)


def test_a_retry_without_a_limit_is_one_retry_and_an_http_date_is_understood() -> None:
    story = Story(program("- {stepId: one, operationId: pay, onFailure: [{name: again, type: retry}]}"))
    story.clock = 1_700_000_000.0

    story.replied(None, 503, **{"Retry-After": "Tue, 14 Nov 2023 22:13:31 GMT"})
    assert story.call.not_before == 1_700_000_011.0
    story.replied(status=503)

    assert story.end.status == "failed"


def test_a_retry_may_do_another_step_first() -> None:
    story = Story(
        program(
            """
            - {stepId: login, operationId: createVolume}
            - {stepId: one, operationId: pay, onFailure: [{name: again, type: retry, stepId: login}]}
            """
        )
    )
    story.replied({})

    steps = [story.call.step]
    for status in (401, 200, 200):
        story.replied({}, status)
        steps.append(story.call.step if isinstance(story.command, Call) else story.end.status)

    assert steps == ["one", "login", "one", "succeeded"]


def test_no_action_matched_falls_through_where_nothing_is_polled() -> None:
    story = Story(
        program(
            """
            - stepId: one
              operationId: pay
              onSuccess: [{name: stop, type: end, criteria: [{condition: $statusCode == 204}]}]
            - {stepId: two, operationId: createVolume}
            """
        )
    )

    story.replied(status=200)

    assert story.call.step == "two"


def test_a_loop_that_names_no_delay_is_paced_and_ends() -> None:
    story = Story(
        program("- {stepId: one, operationId: listSandboxes, onSuccess: [{name: on, type: goto, stepId: one}]}")
    )

    story.replied([])
    assert story.call.not_before == 102.0
    while isinstance(story.command, Call):
        story.replied([])

    assert (story.end.status, story.end.because) == ("failed", f"more than {MAX_STEPS} steps")


def test_a_path_without_its_parameter_is_not_called() -> None:
    story = Story(
        program(
            """
            - {stepId: one, operationId: createVolume, outputs: {id: $response.body#/id}}
            - stepId: two
              operationId: getVolume
              parameters: [{name: volumeId, in: path, value: $steps.one.outputs.id}]
            """
        )
    )

    story.replied({})

    assert story.end.because == "step two: the path parameter volumeId has no value"


def test_workflows_run_within_workflows_and_a_message_is_awaited() -> None:
    story = Story(seed("orders"), volume='say "hi"')
    assert story.call.step == "list"

    story.replied([{"id": "sb-0"}])
    assert story.call.body == {"name": 'say "hi"', "labels": {"for": 'say "hi"'}}

    story.replied(status=503)
    assert story.call.not_before == 107.0
    story.replied({"id": "vol-9"}, 201)
    assert (story.wait.correlation, story.wait.deadline) == ("vol-9", 109.0)
    assert story.wait.operation
    assert story.wait.operation.id == "orderConfirmed"

    story.observed(body={"status": "accepted", "orderId": 7})
    assert story.end.outputs == {"id": "vol-9", "prepared": "sb-0", "order": 7}


def test_a_message_that_its_criteria_refuse_fails_the_step() -> None:
    story = Story(seed("orders"), volume="v")
    story.replied([])
    story.replied({"id": "vol-9"})

    story.observed(body={"status": "refused"})

    assert story.end.status == "failed"


def test_a_called_workflow_that_fails_is_retried_after_another_workflow() -> None:
    story = Story(seed("orders"), volume="v")
    story.replied([])
    story.replied(status=400)
    assert story.call.step == "list"

    story.replied([{"id": "sb-0"}])
    assert story.call.step == "create"
    story.replied(status=400)

    assert story.end.status == "failed"


def test_a_goto_to_a_workflow_does_not_come_back() -> None:
    story = Story(
        program(
            "- {stepId: one, operationId: pay, onSuccess: [{name: other, type: goto, workflowId: other}]}",
            rest="""
            - workflowId: other
              steps:
              - {stepId: two, operationId: createVolume, requestBody: {payload: {name: $inputs.n}}, outputs: {s: $statusCode}}
              outputs: {s: $steps.two.outputs.s}
            """,
        ),
        n="given",
    )

    story.replied({})
    assert story.call.body == {"name": "given"}
    story.replied({})

    assert story.end.outputs == {"s": 200}


def test_workflows_that_call_themselves_end() -> None:
    story = Story(program("- {stepId: one, workflowId: main}"))

    assert story.end.because == "more than 20 workflows within workflows"


def test_what_can_not_happen_is_refused() -> None:
    story = Story(seed("000"), **INPUTS)

    for happened in (Started(1.0), Observed(1.0, "ready")):
        with pytest.raises(ValueError, match="found"):
            advance(story.program, story.run, happened)


def test_a_run_holds_the_findings_of_its_last_step_for_whoever_asks() -> None:
    ready = seed("000")
    run = advance(ready, new_run("provision-volume-and-sandbox", INPUTS), Started(1.0)).run

    after = advance(ready, run, Replied(2.0, 400, {}, {"message": "taken"}))

    assert [(finding.asked, finding.saw, finding.held) for finding in after.findings] == [
        ("$statusCode == 200", {"$statusCode": 400}, False)
    ]


def test_workflows_that_depend_on_each_other_end() -> None:
    story = Story(program("- {stepId: one, operationId: pay}", workflow="dependsOn: [main]"))

    assert story.end.because == "more than 20 workflows within workflows"


def test_a_workflow_that_another_depends_on_runs_first_and_its_failure_ends_the_run() -> None:
    story = Story(seed("orders"), volume="v")

    story.replied(status=500)

    assert story.end.status == "failed"
    assert story.end.because == "the workflow prepare failed: step list failed: status 500"


def test_a_step_whose_dependency_was_passed_over_ends_the_run() -> None:
    story = Story(
        program(
            """
            - {stepId: one, operationId: pay, onSuccess: [{name: skip, type: goto, stepId: three}]}
            - {stepId: two, operationId: pay}
            - {stepId: three, operationId: pay, dependsOn: [two]}
            """
        )
    )

    story.replied()

    assert story.end.because == "step three depends on two, which has not completed"


def test_a_step_may_depend_on_a_step_of_another_workflow() -> None:
    story = Story(
        program(
            """
            - {stepId: one, workflowId: other}
            - stepId: two
              operationId: pay
              dependsOn: [$workflows.other.steps.made]
              requestBody: {payload: {id: $workflows.other.steps.made.outputs.id}}
            """,
            rest="""
            - workflowId: other
              steps:
              - {stepId: made, operationId: createVolume, outputs: {id: $response.body#/id}}
            """,
        )
    )

    story.replied({"id": "vol-1"})

    assert story.call.body == {"id": "vol-1"}


def test_replacements_are_put_into_the_payload_in_order() -> None:
    story = Story(
        program(
            """
            - stepId: one
              operationId: pay
              requestBody:
                payload: {items: [{id: 1}, {id: 2}], keep: true}
                replacements:
                - {target: /items/1/id, value: $inputs.id}
                - {target: /new/deep, value: "x{$inputs.id}"}
                - {target: /keep, value: $inputs.unset}
            """
        ),
        id=7,
    )

    assert story.call.body == {"items": [{"id": 1}, {"id": 7}], "keep": True, "new": {"deep": "x7"}}


def test_the_request_can_be_read_by_criteria_and_outputs() -> None:
    story = Story(
        program(
            """
            - stepId: one
              operationId: pay
              parameters: [{name: X-Trace, in: header, value: 5}, {name: q, in: query, value: $inputs.q}]
              requestBody: {payload: {a: 1}}
              successCriteria: [{condition: "$method == 'POST' && $request.body#/a == 1"}]
              outputs: {trace: $request.header.x-trace, q: $request.query.q, type: $response.header.Content-Type}
            """,
            workflow="outputs: {trace: $steps.one.outputs.trace, q: $steps.one.outputs.q, type: $steps.one.outputs.type}",
        ),
        q="x",
    )

    story.replied({}, 200, **{"content-type": "text/plain"})

    assert story.end.outputs == {"trace": "5", "q": "x", "type": "text/plain"}


def test_what_a_step_leads_to_is_given_its_own_outputs() -> None:
    story = Story(
        program(
            """
            - stepId: one
              operationId: createVolume
              outputs: {id: $response.body#/id}
              onSuccess:
              - {name: on, type: goto, workflowId: other, parameters: [{name: volume, value: $steps.one.outputs.id}]}
            """,
            rest="""
            - workflowId: other
              steps:
              - {stepId: two, operationId: getVolume, parameters: [{name: volumeId, in: path, value: $inputs.volume}]}
            """,
        )
    )

    story.replied({"id": "vol-1"})

    assert story.call.parameters["path"] == {"volumeId": "vol-1"}
