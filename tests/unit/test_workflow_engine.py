"""The engine: stories of the published documents and of waits, told as what happened and what followed."""

import re

import pytest
from test_workflow_apis import KnownApis, Story, arazzo, program, seed

from reactor.workflows.load import load_document
from reactor.workflows.program import compile_program
from reactor.workflows.run import CallFailed, Replied

INPUTS = {"volumeName": "build", "snapshot": "base", "mountPath": "/data"}


def waiting_for_the_volume() -> Story:
    story = Story(seed("000"), **INPUTS)
    story.replied({"id": "vol-1", "state": "pending_create"})
    story.replied({"id": "vol-1", "state": "creating"})
    return story


def test_a_published_workflow_reads_once_waits_and_goes_on() -> None:
    story = Story(seed("000"), **INPUTS)
    assert (story.call.operation.id, story.call.body) == ("createVolume", {"name": "build"})

    story.replied({"id": "vol-1", "state": "pending_create"})
    assert story.call.parameters == {"path": {"volumeId": "vol-1"}}

    story.replied({"id": "vol-1", "state": "creating"})
    assert (story.wait.kind, story.wait.resource, story.wait.may_be_name) == ("volume", "vol-1", False)
    assert (story.wait.state, story.wait.deadline) == ("creating", 3702.0)
    assert story.wait.probe
    assert story.wait.probe.operation.id == "getVolume"

    story.observed("creating")
    assert story.wait.deadline == 3702.0

    story.observed("ready")
    assert story.call.body == {"snapshot": "base", "volumes": [{"volumeId": "vol-1", "mountPath": "/data"}]}

    story.replied({"id": "sb-1", "state": "creating"})
    assert story.end.status == "succeeded"
    assert story.end.outputs == {"volumeId": "vol-1", "sandboxId": "sb-1", "sandboxState": "creating"}


def test_no_call_has_a_credential() -> None:
    story = Story(seed("000"), **INPUTS)

    assert story.call.parameters == {}


def test_an_optional_input_that_is_not_given_is_not_sent() -> None:
    assert Story(seed("001"), command="ls").call.body == {}
    assert Story(seed("001"), command="ls", name="d").call.body == {"name": "d"}


def test_a_volume_in_error_ends_the_run_as_failed_without_a_sandbox() -> None:
    story = waiting_for_the_volume()

    story.observed("error")

    assert story.end.status == "failed"
    assert story.end.because == "step pollVolume: the volume is error"
    assert story.end.outputs == {"volumeId": "vol-1", "sandboxId": None, "sandboxState": None}


def test_a_state_that_no_criterion_lets_leave_fails_the_run_instead_of_waiting_for_ever() -> None:
    story = waiting_for_the_volume()

    story.observed("deleted")

    assert story.end.status == "failed"
    assert "'deleted' rests" in story.end.because


def test_a_wait_fails_at_its_deadline() -> None:
    story = waiting_for_the_volume()

    story.timed_out()

    assert (story.end.status, story.end.because) == ("failed", "step pollVolume timed out after 3600 s")


def test_a_volume_that_is_ready_at_once_is_not_waited_for() -> None:
    story = Story(seed("000"), **INPUTS)
    story.replied({"id": "vol-1", "state": "creating"})

    story.replied({"id": "vol-1", "state": "ready"})

    assert story.call.operation.id == "createSandbox"


def test_a_probe_that_says_nothing_of_the_resource_does_not_end_the_wait() -> None:
    story = waiting_for_the_volume()

    story.replied("busy", 503)
    story.replied("slow down", 429)
    assert story.wait.state == "creating"

    story.replied({"id": "vol-1", "state": "ready"})
    assert story.call.operation.id == "createSandbox"


def test_a_resource_that_is_gone_fails_the_wait() -> None:
    story = waiting_for_the_volume()

    story.replied({"message": "not found"}, 404)

    assert story.end.because == ("step pollVolume failed: status 404, $statusCode == 200 does not hold, not found")


def test_a_failed_call_ends_the_run() -> None:
    story = Story(seed("000"), **INPUTS)

    story.then(CallFailed(101.0, "nobody can tell whether it acted"))

    assert (story.end.status, story.end.because) == ("failed", "nobody can tell whether it acted")


RETRIED = """
- stepId: capture
  operationId: createSandboxSnapshot
  parameters: [{name: sandboxIdOrName, in: path, value: sb-1}]
  onFailure:
    - {name: again, type: retry, retryLimit: 5}
    - {name: tidy, type: goto, stepId: tidy}
- stepId: tidy
  operationId: listSandboxes
"""


@pytest.mark.parametrize(("unknown", "next_step"), [(False, "capture"), (True, "tidy")])
def test_a_call_that_may_have_acted_is_not_retried_whatever_the_document_says(unknown: bool, next_step: str) -> None:
    story = Story(program(RETRIED))

    story.then(CallFailed(101.0, "nobody can tell whether it acted", unknown=unknown))

    assert story.call.step == next_step


def test_a_long_boot_and_a_long_command_are_waited_for_however_often_the_server_says_not_yet() -> None:
    story = Story(seed("001"), command="make")
    story.replied({"id": "dbx-1", "status": "provisioning"})
    assert (story.wait.kind, story.wait.resource, story.wait.api) == ("devbox", "dbx-1", "runloop")

    for _ in range(5):
        story.replied("Timeout waiting for status", 408)
    story.observed("queued")
    assert story.wait.deadline == 3701.0
    story.observed("running")
    assert story.call.operation.id == "execAsyncCommand"

    story.replied({"execution_id": "ex-1", "status": "queued"})
    assert (story.wait.kind, story.wait.resource) == ("execution", "ex-1")
    story.replied("Timeout waiting for status", 408)
    story.replied({"execution_id": "ex-1", "status": "completed", "stdout": "ok\n", "exit_status": 0})
    assert story.end.outputs == {"devboxId": "dbx-1", "executionId": "ex-1", "stdout": "ok\n", "exitStatus": 0}


@pytest.mark.parametrize("state", ["failure", "shutdown"])
def test_a_devbox_that_will_never_run_fails_the_run_and_no_command_is_run(state: str) -> None:
    story = Story(seed("001"), command="make")
    story.replied({"id": "dbx-1", "status": "provisioning"})

    story.observed(state)

    assert story.end.status == "failed"
    assert story.end.outputs["executionId"] is None


def test_outputs_that_an_event_does_not_tell_are_read_when_it_is_over() -> None:
    story = Story(seed("001"), command="make")
    story.replied({"id": "dbx-1", "status": "running"})
    story.observed("running")
    story.replied({"execution_id": "ex-1"})

    story.observed("completed")

    assert story.call.operation.id == "waitForCommandCompletion"
    assert story.replied({"status": "completed", "stdout": "ok"}) == story.end


def test_what_was_just_set_in_motion_is_not_read_before_it_moved() -> None:
    story = Story(seed("capture"), sandbox="web", name="n")

    story.then(Replied(105.0, 200, {}, {"id": "sb-1", "state": "snapshotting"}, asked=103.0))

    assert (story.wait.resource, story.wait.may_be_name, story.wait.after) == ("web", True, 103.0)


def test_a_read_that_disagrees_with_the_event_is_repeated_soon_and_then_sparsely() -> None:
    story = Story(seed("capture"), sandbox="web", name="n")
    story.replied({"id": "sb-1"})

    soon = []
    for _ in range(5):
        story.observed("started")
        assert story.call.operation.id == "getSandbox"
        story.replied({"id": "sb-1", "state": "snapshotting"})
        soon.append(story.wait.probe_in)
    assert soon == [0.2, 1.0, 3.0, 10.0, None]

    story.observed("started")
    story.replied({"id": "sb-1", "state": "started", "cpu": 2})
    assert story.end.outputs == {"state": "started", "cpu": 2}


def test_a_spent_retry_on_success_falls_through_to_the_next_step() -> None:
    story = Story(
        program(
            """
            - stepId: poll
              operationId: getVolume
              onSuccess:
              - {name: go, type: end, criteria: [{condition: $response.body#/state == 'ready'}]}
              - {name: not, type: retry, retryAfter: 2, retryLimit: 5}
            - {stepId: cancel, operationId: pay}
            """
        )
    )
    story.replied({"state": "creating"})
    assert story.wait.deadline == 111.0

    story.timed_out()

    assert story.call.step == "cancel"


def test_a_poll_that_times_out_takes_its_failure_action() -> None:
    story = Story(
        program(
            """
            - stepId: poll
              operationId: getVolume
              timeout: 5000
              successCriteria: [{condition: $response.body#/state == 'ready'}]
              onFailure:
              - {name: again, type: retry, retryAfter: 2}
              - {name: clean, type: goto, stepId: clean}
            - {stepId: clean, operationId: pay}
            """
        )
    )
    story.replied({"state": "creating"})
    assert story.wait.deadline == 106.0

    story.timed_out()

    assert story.call.step == "clean"


def test_a_cycle_of_reads_waits_and_then_begins_again() -> None:
    story = Story(
        program(
            """
            - {stepId: first, operationId: getVolume}
            - stepId: poll
              operationId: getVolume
              onSuccess:
              - {name: go, type: end, criteria: [{condition: $response.body#/state == 'ready'}]}
              - {name: not, type: goto, stepId: first}
            """
        )
    )
    story.replied({"state": "creating"})
    story.replied({"state": "creating"})
    assert story.wait.step == "poll"

    assert story.run.because == "the volume is creating"

    story.observed("ready")
    assert (story.call.step, story.run.because) == ("first", "")


def test_a_poll_whose_criteria_look_deeper_reads_after_each_event() -> None:
    story = Story(
        program(
            """
            - stepId: poll
              operationId: getVolume
              successCriteria: [{condition: $response.body#/size > 1 && $response.body#/state == 'ready'}]
              onFailure: [{name: again, type: retry}]
            """
        )
    )
    story.replied({"state": "creating", "size": 0})

    story.observed("ready")
    assert story.call.step == "poll"
    story.replied({"state": "ready", "size": 0})
    assert story.wait.probe_in is None
    story.observed(body={"state": "ready", "size": 2})
    assert story.end.status == "succeeded"


def test_after_it_arrived_a_moved_resource_is_read_again_at_once() -> None:
    story = Story(
        program(
            """
            - stepId: capture
              operationId: createSandboxSnapshot
              parameters: [{name: sandboxIdOrName, in: path, value: web}]
            - stepId: first
              operationId: getSandbox
              parameters: [{name: sandboxIdOrName, in: path, value: web}]
              successCriteria: [{condition: $response.body#/state == 'started'}]
              onFailure: [{name: again, type: retry}]
            - stepId: second
              operationId: getSandbox
              parameters: [{name: sandboxIdOrName, in: path, value: web}]
              successCriteria: [{condition: $response.body#/state == 'started'}]
              onFailure: [{name: again, type: retry}]
            """
        )
    )
    story.replied({"id": "sb-1"})
    assert story.wait.step == "first"

    story.observed("started")

    assert story.call.step == "second"


def deleted_and_awaited(rest: str) -> Story:
    poll = "- {stepId: gone, operationId: getSandbox, parameters: [{name: sandboxIdOrName, in: path, value: web}], "
    story = Story(
        program(
            "- {stepId: delete, operationId: deleteSandbox, parameters: [{name: sandboxIdOrName, in: path, value: web}]}\n"
            f"{poll}{rest}}}"
        )
    )
    story.replied({"id": "sb-1", "name": "DESTROYED_web", "state": "started"})
    return story


UNTIL_404 = "successCriteria: [{condition: $statusCode == 404}], onFailure: [{name: again, type: retry}]"
UNTIL_DESTROYED = (
    "successCriteria: [{condition: $statusCode == 200}], outputs: {state: $response.body#/state}, "
    "onSuccess: [{name: over, type: end, criteria: [{condition: $response.body#/state == 'destroyed'}]}, "
    "{name: broken, type: end, criteria: [{condition: $response.body#/state == 'error'}]}, "
    "{name: again, type: goto, stepId: gone}]"
)


@pytest.mark.parametrize("rest", [UNTIL_404, UNTIL_DESTROYED])
def test_the_end_of_a_deleted_resource_is_told_by_an_event_or_by_a_404(rest: str) -> None:
    told, read = deleted_and_awaited(rest), deleted_and_awaited(rest)
    assert (told.wait.resource, told.wait.may_be_name) == ("sb-1", False)

    told.observed("destroyed")
    read.replied(status=404)

    assert (told.end.status, read.end.status) == ("succeeded", "succeeded")


def test_a_document_that_waits_for_the_end_fails_in_error() -> None:
    story = deleted_and_awaited(UNTIL_DESTROYED)

    story.observed("error")

    assert (story.end.status, story.end.because) == ("failed", "step gone: the sandbox is error")


def test_a_404_of_what_the_run_has_never_seen_is_no_end() -> None:
    story = Story(
        program(
            "- {stepId: gone, operationId: getSandbox, parameters: [{name: sandboxIdOrName, in: path, value: web}], "
            f"{UNTIL_DESTROYED}}}"
        )
    )

    story.replied(status=404)

    assert (story.end.status, story.end.because) == (
        "failed",
        "step gone failed: status 404, $statusCode == 200 does not hold",
    )


POLL_BY_NAME = """
- {stepId: capture, operationId: createSandboxSnapshot, parameters: [{name: sandboxIdOrName, in: path, value: web}]}
- stepId: ready
  operationId: getSandbox
  parameters: [{name: sandboxIdOrName, in: path, value: web}]
  successCriteria: [{condition: $response.body#/state == 'started'}]
  onFailure: [{name: again, type: retry}]
  outputs: {id: $response.body#/id}
"""


def test_a_resource_that_was_called_by_its_name_is_waited_for_by_its_id() -> None:
    story = Story(program(POLL_BY_NAME))

    story.replied({"id": "sb-1", "name": "web", "state": "started"})
    assert (story.wait.resource, story.wait.may_be_name) == ("sb-1", False)

    story.observed("snapshotting")
    assert story.wait.resource == "sb-1"

    story.observed("started")
    assert story.end.status == "succeeded"
    assert story.run.finished["main"]["steps"]["ready"]["outputs"] == {"id": "sb-1"}


def test_a_message_about_a_resource_that_was_called_by_its_name_is_awaited_by_its_id() -> None:
    hears = """
- stepId: heard
  channelPath: '{$sourceDescriptions.events.url}#/channels/sandbox.state.updated'
  action: receive
  correlationId: web
"""
    sources = "sourceDescriptions: [{name: events, url: events.yaml, type: asyncapi}]"
    text = arazzo(POLL_BY_NAME.partition("- stepId")[0] + hears, version="1.1.0")
    found = load_document(re.sub("sourceDescriptions: .*", sources, text), "test.arazzo.yaml")
    story = Story(compile_program(found, KnownApis()))

    story.replied({"id": "sb-1", "name": "web", "state": "started"})

    assert story.wait.correlation == "sb-1"


def test_a_name_never_passes_for_an_id() -> None:
    story = Story(program(POLL_BY_NAME))

    story.replied({"id": "sb-2", "name": "another", "state": "creating"})
    story.observed("snapshotting")
    assert (story.wait.resource, story.wait.may_be_name) == ("web", True)

    story.observed("started")
    assert story.call.step == "ready"


def test_steps_that_poll_together_are_gone_through_again_when_the_resource_has_left_its_state() -> None:
    look = "operationId: getSandbox, parameters: [{name: sandboxIdOrName, in: path, value: web}]"
    started = "[{condition: $response.body#/state == 'started'}]"
    story = Story(
        program(
            f"""
            - {{stepId: capture, {look.replace("getSandbox", "createSandboxSnapshot")}}}
            - {{stepId: look, {look}}}
            - stepId: decide
              {look.replace(", ", chr(10) + "              ", 1)}
              onSuccess: [{{name: up, type: end, criteria: {started}}}, {{name: more, type: goto, stepId: look}}]
            """
        )
    )
    story.replied({"id": "sb-1", "name": "web"})
    story.replied({"id": "sb-1", "name": "web", "state": "snapshotting"})

    story.observed("snapshotting")
    assert story.wait.step == "decide"

    story.observed("started")
    assert story.call.step == "look"
    story.replied({"id": "sb-1", "state": "started"})
    assert story.call.step == "decide"
    story.replied({"id": "sb-1", "state": "started"})
    assert story.end.status == "succeeded"
