"""A run that ended is taken up where it ended: what succeeded stands, what failed begins again."""

from dataclasses import replace

from test_workflow_apis import Story, program, seed

from reactor.workflows.resuming import resumed
from reactor.workflows.run import Run

NESTED = """\
- workflowId: before
  steps: [{stepId: made, operationId: createVolume, outputs: {id: $response.body#/id}}]
- workflowId: within
  steps:
  - {stepId: first, operationId: createDevbox}
  - {stepId: second, operationId: execAsyncCommand}
"""


def again(story: Story) -> Run:
    return resumed(story.program, story.run, generation=40, at=1000.0)


def test_the_failed_step_is_called_again_and_earlier_outputs_stand() -> None:
    story = Story(seed("000"), volumeName="data", snapshot="base", mountPath="/data")
    story.replied({"id": "vol-1", "state": "ready"})
    story.replied({"id": "vol-1", "state": "ready"})
    story.replied({"message": "no"}, status=400)
    assert story.end.status == "failed"

    run = again(story)

    assert (run.status, run.generation, run.top.step, run.outputs, run.because) == (
        "running",
        40,
        "createSandbox",
        {},
        "",
    )
    assert run.top.outputs["createVolume"]["volumeId"] == "vol-1"


def test_retries_that_were_spent_are_fresh() -> None:
    steps = """\
    - stepId: one
      operationId: createVolume
      successCriteria: [{condition: $statusCode == 200}]
      onFailure: [{name: again, type: retry, retryAfter: 1, retryLimit: 1, criteria: [{condition: $statusCode == 500}]}]
    """
    story = Story(program(steps))
    story.replied(status=500)
    story.replied(status=500)
    assert story.end.status == "failed"

    story.run = again(story)

    assert story.replied(status=500) == replace(story.call, not_before=story.clock + 1)


def test_a_dependency_that_failed_begins_again_and_one_that_succeeded_does_not() -> None:
    main = "- {stepId: last, operationId: pay}"
    story = Story(program(main, workflow="dependsOn: [before, within]", rest=NESTED))
    story.replied({"id": "vol-1"})
    story.replied({"id": "dbx-1"})
    story.replied(status=400)
    assert story.end.status == "failed"

    run = again(story)

    assert [frame.workflow for frame in run.frames] == ["main", "within"]
    assert run.top.step == "first"
    assert set(run.finished) == {"before"}


def test_a_cancelled_wait_begins_with_a_read() -> None:
    story = Story(seed("000"), volumeName="data", snapshot="base", mountPath="/data")
    story.replied({"id": "vol-1", "state": "creating"})
    story.replied({"id": "vol-1", "state": "creating"})
    assert story.wait.resource == "vol-1"

    run = again(story)

    assert (run.top.step, run.waiting) == ("pollVolume", None)
