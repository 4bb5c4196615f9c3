"""The poll detector: which steps wait, for what, what each state leads to, and which loops are no polls."""

import pytest
from test_workflow_apis import KnownApis, Story, arazzo, program, seed

from reactor.errors import ConfigError
from reactor.workflows.load import load_document
from reactor.workflows.polls import Poll
from reactor.workflows.program import Program, compile_program
from reactor.workflows.run import Call

READ = "stepId: poll\n  operationId: getVolume\n  parameters: [{name: volumeId, in: path, value: v}]"
READY = "{condition: $response.body#/state == 'ready'}"


def poll_of(found: Program, step: str = "poll") -> Poll | None:
    [workflow] = found.document.workflows
    return found.polls.get((workflow, step))


def outcomes(poll: Poll | None) -> dict[str, str]:
    assert poll
    return {state: outcome for state, outcome, _ in poll.outcomes}


def test_a_published_loop_waits_and_says_what_each_state_leads_to() -> None:
    poll = poll_of(seed("000"), "pollVolume")

    assert poll
    assert (poll.kind.name, poll.shape, poll.blind, poll.confirm) == ("volume", "A", False, False)
    assert outcomes(poll) == {
        "ready": "leaves",
        "error": "leaves",
        "deleted": "fails",
        **dict.fromkeys(["pending_create", "creating", "pending_delete", "deleting"], "stays"),
    }


def test_a_published_long_poll_waits_for_the_states_it_asks_for() -> None:
    found = seed("001")

    running, done = poll_of(found, "waitUntilRunning"), poll_of(found, "waitForCompletion")

    assert running
    assert running.shape == "F"
    assert outcomes(running) == {
        "running": "leaves",
        "failure": "fails",
        "shutdown": "fails",
        **dict.fromkeys(["queued", "provisioning", "initializing", "suspended"], "stays"),
    }
    assert done
    assert done.confirm
    assert outcomes(done) == {"queued": "stays", "running": "stays", "completed": "leaves"}


@pytest.mark.parametrize(
    ("shape", "rest"),
    [
        ("A", f"onSuccess: [{{name: go, type: end, criteria: [{READY}]}}, {{name: not, type: goto, stepId: poll}}]"),
        (
            "B",
            f"successCriteria: [{READY}]\n  onFailure: [{{name: again, type: retry, retryAfter: 2, retryLimit: 30}}]",
        ),
        ("C", f"onSuccess: [{{name: go, type: end, criteria: [{READY}]}}, {{name: again, type: retry}}]"),
        ("D", f"successCriteria: [{READY}]\n  onFailure: [{{name: again, type: goto, stepId: poll}}]"),
    ],
)
def test_each_shape_of_a_poll_is_found(shape: str, rest: str) -> None:
    poll = poll_of(program(f"- {READ}\n  {rest}"))

    assert poll
    assert poll.shape == shape
    assert outcomes(poll)["ready"] == "leaves"
    assert outcomes(poll)["creating"] == "stays"
    assert outcomes(poll)["deleted"] == "fails"


def test_a_cycle_of_nothing_but_reads_is_a_poll() -> None:
    found = program(
        f"""
        - {{stepId: first, operationId: getVolume}}
        - stepId: poll
          operationId: getVolume
          onSuccess:
          - {{name: go, type: end, criteria: [{READY}]}}
          - {{name: not, type: goto, stepId: first}}
        """
    )

    assert (poll := poll_of(found))
    assert (poll.shape, poll.back) == ("E", "first")


FAILED = "{name: bad, type: end, criteria: [{condition: $response.body#/state == 'error'}]}"
BUSY = "{condition: $response.body#/state != 'ready'}"


@pytest.mark.parametrize(
    "rest",
    [
        "onSuccess: [{name: not, type: goto, stepId: poll, criteria: [{condition: $response.body#/state == 'creating'}]}]",
        f"onSuccess: [{FAILED}, {{name: again, type: retry, retryAfter: 1, retryLimit: 9, criteria: [{BUSY}]}}]",
        "onSuccess: [{name: not, type: goto, stepId: poll, criteria: [{condition: $response.body#/state != $inputs.x}]}]",
        "onSuccess: [{name: not, type: goto, stepId: poll, criteria: [{condition: $response.body#/size == 0}]}, "
        "{name: not, type: goto, stepId: poll, criteria: [{condition: $response.body#/state == 'creating'}]}]",
    ],
)
def test_a_loop_that_says_only_when_it_stays_goes_on_with_the_next_step_and_never_in_a_failed_state(rest: str) -> None:
    found = program(f"- {READ}\n  {rest}\n- {{stepId: use, operationId: createSandbox}}")

    poll = poll_of(found)
    assert poll
    assert poll.falls
    for state, call in (("ready", ["use"]), ("creating", []), ("error", [])):
        story = Story(found, x="ready")
        story.replied({"state": state, "id": "v"})
        assert ([story.command.step] if isinstance(story.command, Call) else []) == call


@pytest.mark.parametrize(
    "actions",
    [
        f"[{{name: go, type: goto, stepId: use, criteria: [{READY}]}}, {{name: not, type: goto, stepId: poll, criteria: "
        "[{condition: $response.body#/state == 'creating'}]}]",
        "[{name: go, type: goto, stepId: use, criteria: [{condition: $response.body#/size > 0}]}, {name: not, type: goto, "
        "stepId: poll, criteria: [{condition: $response.body#/state == 'creating'}]}]",
    ],
)
def test_the_gate_of_a_poll_that_says_when_it_goes_on_stays_shut_for_what_it_does_not_name(actions: str) -> None:
    story = Story(program(f"- {READ}\n  onSuccess: {actions}\n- {{stepId: use, operationId: createSandbox}}"))

    story.replied({"state": "error", "id": "v", "size": 0})

    assert story.end.status == "failed"


@pytest.mark.parametrize(
    ("actions", "pause", "shape"),
    [
        (
            f"onSuccess: [{{name: go, type: end, criteria: [{READY}]}}, {{name: not, type: goto, stepId: pause}}]",
            True,
            "A",
        ),
        (f"successCriteria: [{READY}]\n  onFailure: [{{name: not, type: goto, stepId: pause}}]", True, "D"),
        (
            f"successCriteria: [{READY}]\n  onSuccess: [{{name: go, type: end}}]\n"
            "  onFailure: [{name: not, type: retry, stepId: pause, retryAfter: 2, retryLimit: 9}]",
            False,
            "B",
        ),
    ],
)
def test_a_poll_waits_instead_of_pausing_in_a_step_that_only_comes_back(actions: str, pause: bool, shape: str) -> None:
    back = "\n  onSuccess: [{name: back, type: goto, stepId: poll}]" * pause
    found = program(f"- {READ}\n  {actions}\n- stepId: pause\n  operationId: listSandboxes{back}")

    poll = poll_of(found)
    assert poll
    assert (poll.shape, poll.back) == (shape, "poll")
    assert "it does without the pause in pause" in next(step.why for step in found.explained if step.step == "poll")
    story = Story(found)
    story.replied({"state": "creating", "id": "v"})
    assert story.wait.step == "poll"


@pytest.mark.parametrize(
    "pause",
    [
        "{stepId: pause, operationId: pay, onSuccess: [{name: back, type: goto, stepId: poll}]}",
        "{stepId: pause, operationId: listSandboxes, outputs: {all: $response.body}, "
        "onSuccess: [{name: back, type: goto, stepId: poll}]}",
        "{stepId: pause, operationId: listSandboxes, "
        "onSuccess: [{name: back, type: goto, stepId: poll, criteria: [{condition: $statusCode == 200}]}]}",
        "{stepId: pause, operationId: listSandboxes}",
    ],
)
def test_a_step_that_does_more_than_pass_the_time_is_no_pause(pause: str) -> None:
    actions = f"[{{name: go, type: end, criteria: [{READY}]}}, {{name: not, type: goto, stepId: pause}}]"

    assert poll_of(program(f"- {READ}\n  onSuccess: {actions}\n- {pause}")) is None


def test_a_cycle_that_also_looks_at_something_else_is_a_poll() -> None:
    found = program(
        f"""
        - {{stepId: first, operationId: listSandboxes, outputs: {{all: $response.body}}}}
        - stepId: poll
          operationId: getVolume
          onSuccess: [{{name: go, type: end, criteria: [{READY}]}}, {{name: not, type: goto, stepId: first}}]
        """
    )

    assert (poll := poll_of(found))
    assert (poll.shape, poll.back) == ("E", "first")


@pytest.mark.parametrize(
    "steps",
    [
        "- {stepId: poll, operationId: pay, onFailure: [{name: x, type: retry, criteria: [{condition: $statusCode == 503}]}]}",
        f"- {READ}\n  onFailure: [{{name: visible, type: retry, criteria: [{{condition: $statusCode == 404}}]}}]",
        f"- {READ}\n  onSuccess: [{{name: forever, type: goto, stepId: poll}}]",
        f"- {READ}\n  onSuccess: [{{name: go, type: end, criteria: [{READY}]}}]",
        "- {stepId: poll, operationId: listSandboxes, onSuccess: [{name: x, type: goto, stepId: poll}]}",
        f"""- {{stepId: first, operationId: createVolume}}
- {READ}
  onSuccess: [{{name: not, type: goto, stepId: first, criteria: [{READY}]}}]""",
    ],
)
def test_other_loops_are_no_polls(steps: str) -> None:
    assert poll_of(program(steps)) is None


@pytest.mark.parametrize(
    ("timeout", "action", "seconds"),
    [
        ("timeout: 6000", "{name: again, type: retry, retryAfter: 2, retryLimit: 30}", 6.0),
        ("description: x", "{name: again, type: retry, retryAfter: 2, retryLimit: 30}", 60.0),
        ("description: x", "{name: again, type: retry}", 3600.0),
    ],
)
def test_a_wait_always_has_a_deadline(timeout: str, action: str, seconds: float) -> None:
    poll = poll_of(program(f"- {READ}\n  {timeout}\n  successCriteria: [{READY}]\n  onFailure: [{action}]"))

    assert poll
    assert poll.patience == seconds


@pytest.mark.parametrize(
    ("criterion", "blind"),
    [
        ("{context: $response.body, condition: $.state == 'ready', type: jsonpath}", False),
        ("{context: $response.body, condition: \"$[?@.state == 'ready']\", type: jsonpath}", False),
        ("{context: $response.body#/state, condition: ^ready$, type: regex}", False),
        ("{condition: $response.body.state == 'ready'}", False),
        ("{context: $response.body, condition: $.state == 'ready' && $.size > 1, type: jsonpath}", True),
        ("{context: $response.body, condition: '$..state', type: jsonpath}", True),
        ("{condition: $response.body#/size > 1 && $response.body#/state == 'ready'}", True),
        ("{condition: $response.header.x == '1' || $response.body#/state == 'ready'}", True),
    ],
)
def test_criteria_that_an_event_can_not_answer_need_a_read(criterion: str, blind: bool) -> None:
    poll = poll_of(program(f"- {READ}\n  successCriteria: [{criterion}]\n  onFailure: [{{name: again, type: retry}}]"))

    assert poll
    assert poll.blind is blind


def test_outputs_that_an_event_does_not_tell_need_a_read() -> None:
    assert (poll := poll_of(seed("capture"), "pollSandbox"))
    assert poll.confirm
    assert not poll.blind


def test_every_step_is_explained() -> None:
    explained = {step.step: step for step in seed("000").explained}

    assert [step.what for step in explained.values()] == ["call", "wait", "call"]
    for words in (
        "it polls the state of one volume: on success it goes to itself",
        "it leaves to createSandbox when ready",
        "it fails when deleted",
        "volume.created or volume.state.updated of the id that $response.body#/id",
        "probed by getVolume, and gives up after 3600 s",
    ):
        assert words in explained["pollVolume"].why
    assert [step.what for step in seed("orders").explained] == ["workflow", "receive", "call", "call"]


def test_an_unknown_operation_is_refused_with_the_nearest_name() -> None:
    document = load_document(arazzo("- {stepId: one, operationId: getVolum}"), "test.arazzo.yaml")

    with pytest.raises(
        ConfigError, match=r"test.arazzo.yaml:8:5: step 'one': found 'getVolum'.*did you mean 'getVolume'"
    ):
        compile_program(document, KnownApis())


GONE = "{condition: $statusCode == 404}"


@pytest.mark.parametrize(
    "rest",
    [
        f"successCriteria: [{GONE}]\n  onFailure: [{{name: again, type: retry, retryAfter: 1, retryLimit: 9}}]",
        f"successCriteria: [{GONE}]\n  onFailure: [{{name: again, type: goto, stepId: poll}}]",
        f"onSuccess: [{{name: again, type: goto, stepId: poll}}]\n  onFailure: [{{name: gone, type: end, criteria: [{GONE}]}}]",
    ],
)
def test_a_loop_until_404_waits_for_the_end_of_the_resource(rest: str) -> None:
    poll = poll_of(program(f"- {READ}\n  {rest}"))

    assert poll
    assert poll.shape == "G"
    assert outcomes(poll) == {
        "deleted": "leaves",
        "error": "fails",
        **dict.fromkeys(["pending_create", "creating", "ready", "pending_delete", "deleting"], "stays"),
    }


@pytest.mark.parametrize(
    "rest",
    [
        "successCriteria: [{condition: $statusCode == 200}]\n  onFailure: [{name: again, type: retry, retryLimit: 9}]",
        f"successCriteria: [{GONE}]\n  onFailure: [{{name: stop, type: end}}]",
    ],
)
def test_a_loop_until_it_is_there_is_no_poll(rest: str) -> None:
    assert poll_of(program(f"- {READ}\n  {rest}")) is None


@pytest.mark.parametrize(
    ("outputs", "condition"),
    [
        ("{now: $response.body#/state}", "{condition: $steps.poll.outputs.now == 'ready'}"),
        ("{all: $response.body}", "{condition: $steps.poll.outputs.all#/state == 'ready'}"),
        ("{all: $response.body}", "{context: $steps.poll.outputs.all, type: jsonpath, condition: $.state == 'ready'}"),
        ("{now: $response.body#/state}", "{condition: \"'{$steps.poll.outputs.now}' == 'ready'\"}"),
    ],
)
@pytest.mark.parametrize("by", ["successCriteria", "onSuccess"])
def test_a_poll_that_asks_its_own_outputs_asks_for_the_state(outputs: str, condition: str, by: str) -> None:
    rest = {
        "successCriteria": f"successCriteria: [{condition}]\n  onFailure: [{{name: again, type: retry}}]",
        "onSuccess": f"onSuccess: [{{name: go, type: end, criteria: [{condition}]}}, "
        "{name: not, type: goto, stepId: poll}]",
    }[by]

    poll = poll_of(program(f"- {READ}\n  outputs: {outputs}\n  {rest}"))

    assert outcomes(poll)["ready"] == "leaves"
    assert outcomes(poll)["creating"] == "stays"
