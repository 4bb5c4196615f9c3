"""Whatever happens to a run, in whatever order: it replays to the same, survives being stored, and ends."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_workflow_apis import Story, seed

from reactor.workflows.engine import advance, new_run
from reactor.workflows.inputs import accept_inputs
from reactor.workflows.run import Call, CallFailed, Command, End, Happened, Observed, Replied, Run, Started, TimedOut
from reactor.workflows.stepping import MAX_STEPS

INPUTS: dict[str, Any] = {
    "volumeName": "v", "snapshot": "s", "mountPath": "/d", "command": "ls", "sandbox": "web", "volume": "v",
}  # fmt: skip
STATES = ["creating", "ready", "error", "started", "running", "failure", "completed", "unheard-of"]
PROGRAMS = {name: seed(name) for name in ("000", "001", "capture", "orders")}

states = st.sampled_from(STATES)
bodies = st.builds(lambda state: {"id": "r-1", "execution_id": "e-1", "state": state, "status": state}, states)
replies = st.builds(
    Replied, st.just(0.0), st.sampled_from([200, 200, 200, 201, 400, 404, 408, 503]), st.just({}), bodies
)
failures = st.just(CallFailed(0.0, "lost")) | st.just(TimedOut(0.0))
sightings = st.builds(Observed, st.just(0.0), states) | st.builds(Observed, st.just(0.0), st.none(), bodies)
to_calls, to_waits = replies | failures, sightings | replies | failures


def fitting(draw: st.DataObject, command: Command) -> Happened:
    return draw.draw(to_calls if isinstance(command, Call) else to_waits)


def story(name: str, draw: st.DataObject) -> Iterator[tuple[Happened, Run, Command]]:
    run = new_run(next(iter(PROGRAMS[name].document.workflows)), INPUTS)
    happened: Happened = Started(0.0)
    while True:
        after = advance(PROGRAMS[name], run, happened)
        run = after.run
        yield happened, run, after.command
        if isinstance(after.command, End):
            return
        happened = fitting(draw, after.command)


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=40, deadline=None)
@given(draw=st.data())
def test_the_same_happenings_lead_to_the_same_run_however_often_it_is_stored(name: str, draw: st.DataObject) -> None:
    lived = [told for told, _ in zip(story(name, draw), range(60), strict=False)]

    kept = new_run(next(iter(PROGRAMS[name].document.workflows)), INPUTS)
    for generation, (happened, run, command) in enumerate(lived, start=1):
        after = advance(PROGRAMS[name], Run.from_json(kept.to_json()), happened)
        kept = after.run

        assert (after.run, after.command) == (run, command)
        assert kept.generation == generation


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=40, deadline=None)
@given(draw=st.data())
def test_no_run_begins_more_steps_than_allowed_or_ends_with_something_left(name: str, draw: st.DataObject) -> None:
    for _, run, command in (told for told, _ in zip(story(name, draw), range(60), strict=False)):
        assert run.steps <= MAX_STEPS + 1
        assert (run.status == "running") == (not isinstance(command, End))
        assert run.status == "running" or (run.waiting is None and run.because)


HOSTILE = [
    "$inputs.apiToken",
    "{$inputs.apiToken}",
    "$steps.createVolume.outputs.volumeId",
    '", "x": "',
    "{{1+1}}",
    "$$",
]
texts = st.sampled_from(HOSTILE) | st.text(max_size=20).filter(lambda text: text.strip() != "")
SECRET = "dtn_secret_9f27"


@settings(max_examples=60, deadline=None)
@given(volume=texts, snapshot=texts, answered=texts)
def test_a_value_is_sent_as_it_is_and_never_read_as_an_expression(volume: str, snapshot: str, answered: str) -> None:
    story = Story(PROGRAMS["000"], volumeName=volume, snapshot=snapshot, mountPath="/d")
    assert story.call.body == {"name": volume}

    story.replied({"id": answered, "state": "creating"})
    assert story.call.parameters["path"] == {"volumeId": answered}

    story.replied({"id": answered, "state": "ready"})
    assert story.call.body == {"snapshot": snapshot, "volumes": [{"volumeId": answered, "mountPath": "/d"}]}

    story.replied({"id": answered, "state": "started"})
    assert story.end.outputs == {"volumeId": answered, "sandboxId": answered, "sandboxState": "started"}


@settings(max_examples=30, deadline=None)
@given(given=st.fixed_dictionaries({"command": texts}, optional={"name": texts, "blueprintId": texts}))
def test_optional_inputs_are_sent_if_they_are_given_and_left_out_if_not(given: dict[str, str]) -> None:
    story = Story(PROGRAMS["001"], **given)

    body = {"name": given.get("name"), "blueprint_id": given.get("blueprintId")}
    assert story.call.body == {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=25, deadline=None)
@given(draw=st.data())
def test_outputs_of_steps_that_never_ran_are_null_and_no_secret_is_in_a_run(name: str, draw: st.DataObject) -> None:
    program = PROGRAMS[name]
    first = next(iter(program.document.workflows.values()))
    given = {secret: SECRET for secret in program.secrets[first.id]} | INPUTS
    accepted = accept_inputs(first, given, program.secrets[first.id], program.document.components)
    run = new_run(first.id, accepted)
    after = advance(program, run, Started(0.0))
    for number in range(30):
        assert SECRET not in after.run.to_json().decode() + repr(after.command)
        if isinstance(after.command, End):
            break
        happened = fitting(draw, after.command) if number < 10 else CallFailed(0.0, "lost")
        after = advance(program, after.run, happened)

    assert isinstance(after.command, End)
    run = after.run
    assert set(after.command.outputs) == set(first.outputs)
    ran = run.frames[0].outputs
    for output, template in first.outputs.items():
        [reference] = list(template.references())
        if reference.root == "steps" and reference.path[0] not in ran:
            assert after.command.outputs[output] is None
