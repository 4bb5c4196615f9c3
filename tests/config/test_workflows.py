"""The shipped API files as workflows see them: what documents of Daytona and Runloop are understood to do."""

from pathlib import Path
from textwrap import indent

import pytest

from reactor.catalog import Catalog
from reactor.config import load_config
from reactor.errors import ConfigError
from reactor.workflows.document import OperationRef, Source
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program

ROOT = Path(__file__).parents[2]
CATALOG = Catalog(load_config(ROOT / "config").apis)


def compiled(content: str | bytes) -> Program:
    document = load_document(content, "test.arazzo.yaml")
    return compile_program(document, CATALOG.for_document(document))


def seed(name: str) -> Program:
    return compiled((ROOT / "tests" / "data" / "arazzo" / f"{name}.arazzo.yaml").read_bytes())


def told(program: Program) -> dict[str, str]:
    return {step.step: f"{step.what}: {step.why}" for step in program.explained}


BODIES = {
    operation: f"  requestBody: {{payload: {payload}}}\n"
    for operation, payload in {
        "createBlueprint": "{name: x}",
        "execAsyncCommand": "{command: x}",
        "forkSandbox": "{}",
    }.items()
}


def call(operation: str, by: str, rest: str = "") -> str:
    parameters = f"[{{name: {by}, in: path, value: x}}]" if by else "[]"
    return (
        f"- stepId: {operation}\n  operationId: {operation}\n  parameters: {parameters}\n"
        f"{BODIES.get(operation, '')}{rest}"
    )


def poll(operation: str, by: str, field: str, hoped: str, failed: str) -> str:
    """A step as these documents write it: to the end when hoped or failed, else to itself."""
    actions = "".join(
        f"  - {{name: {name}, type: {action}, criteria: [{{context: $response.body, type: jsonpath, "
        f"condition: '{condition}'}}]}}\n"
        for name, action, condition in (
            ("done", "end", f'$.{field} == "{hoped}"'),
            ("failed", "end", f'$.{field} == "{failed}"'),
            ("notYet", f"goto, stepId: {operation}", f'$.{field} != "{hoped}" && $.{field} != "{failed}"'),
        )
    )
    return call(operation, by, f"  successCriteria: [{{condition: $statusCode == 200}}]\n  onSuccess:\n{actions}")


def document(url: str, steps: str) -> str:
    return f"""\
arazzo: 1.0.1
info: {{title: A test, version: 1.0.0}}
sourceDescriptions: [{{name: described, url: {url}, type: openapi}}]
workflows:
- workflowId: main
  steps:
{indent(steps, "  ")}
"""


SANDBOXES = "../openapi/daytona-sandbox-api-openapi.yml"
SNAPSHOTS = "../openapi/daytona-snapshots-api-openapi.yml"
RUNLOOP = "../openapi/runloop-devbox-api-openapi.yml"
EXECUTION = "execution_id, in: path, value: y}, {name: devbox_id"
SANDBOX = ("getSandbox", "sandboxIdOrName", "state")


def test_a_volume_that_is_polled_is_waited_for() -> None:
    said = told(seed("000"))

    assert said["createVolume"] == "call: it calls createVolume"
    for words in (
        "wait: it polls the state of one volume",
        "it leaves to createSandbox when ready",
        "it stays when creating or deleting or pending_create or pending_delete",
        "it fails when deleted",
        "it is woken by volume.created or volume.state.updated",
        "gives up after 900 s",
    ):
        assert words in said["pollVolume"]
    assert said["createSandbox"] == "call: it calls createSandbox"


def test_a_devbox_and_its_command_are_waited_for() -> None:
    program = seed("001")
    said = told(program)

    for words in (
        "wait: it polls the state of one devbox: the server holds the call",
        "it leaves to runCommand when running",
        "it fails when failure or shutdown",
        "it is woken by devbox.state.updated of the id that the parameter id has",
    ):
        assert words in said["waitUntilRunning"]
    for words in (
        "wait: it polls the state of one execution: the server holds the call",
        "it leaves to the end when completed",
        "it is woken by a watch of the id that the parameter execution_id has",
        "it is read once when it leaves",
    ):
        assert words in said["waitForCompletion"]
    assert program.operations["provision-and-run-command", "waitForCompletion"].awaits == ("statuses",)


@pytest.mark.parametrize("name", ["000", "001", "capture"])
def test_the_key_of_a_published_document_is_a_secret(name: str) -> None:
    assert list(seed(name).secrets.values()) == [{"apiToken"}]


def test_a_captured_sandbox_has_moved_and_may_be_waited_for_by_its_name() -> None:
    program = seed("capture")
    capture, read = program.operations["capture", "capture"], program.operations["capture", "pollSandbox"]

    assert capture.moves == read.reads
    assert (capture.by, read.by, read.by_name) == ("sandboxIdOrName", "sandboxIdOrName", True)
    assert "sandbox.created or sandbox.state.updated" in told(program)["pollSandbox"]


@pytest.mark.parametrize(
    ("url", "moving", "by", "waiting", "hoped", "failed"),
    [
        (SANDBOXES, "forkSandbox", "sandboxIdOrName", SANDBOX, "started", "error"),
        (SANDBOXES, "stopSandbox", "sandboxIdOrName", SANDBOX, "stopped", "error"),
        (SANDBOXES, "archiveSandbox", "sandboxIdOrName", SANDBOX, "archived", "error"),
        (SANDBOXES, "startSandbox", "sandboxIdOrName", SANDBOX, "started", "error"),
        (SNAPSHOTS, "activateSnapshot", "id", ("getSnapshot", "id", "state"), "active", "error"),
        (RUNLOOP, "suspendDevbox", "id", ("getDevbox", "id", "status"), "suspended", "failure"),
        (RUNLOOP, "resumeDevbox", "id", ("getDevbox", "id", "status"), "running", "failure"),
    ],
)
def test_a_move_and_its_loop_become_a_move_and_a_wait(
    url: str, moving: str, by: str, waiting: tuple[str, str, str], hoped: str, failed: str
) -> None:
    program = compiled(document(url, call(moving, by) + poll(*waiting, hoped, failed)))
    said, move, read = told(program), program.operations["main", moving], program.operations["main", waiting[0]]

    assert said[moving] == f"call: it calls {moving}"
    assert move.moves == read.reads
    assert move.by == by
    assert said[waiting[0]].startswith(f"wait: it polls the state of one {read.reads and read.reads.name}")
    assert f"it leaves to the end when {' or '.join(sorted([hoped, failed]))}" in said[waiting[0]]
    assert f"it is probed by {waiting[0]}" in said[waiting[0]]


def test_stop_and_archive_are_two_waits_for_one_sandbox() -> None:
    stopped = poll(*SANDBOX, "stopped", "error").replace("stepId: getSandbox", "stepId: untilStopped")
    archived = poll(*SANDBOX, "archived", "error").replace("stepId: getSandbox", "stepId: untilArchived")
    onward = stopped.replace("done, type: end", "done, type: goto, stepId: archiveSandbox")
    steps = (call("stopSandbox", "sandboxIdOrName"), onward, call("archiveSandbox", "sandboxIdOrName"), archived)

    said = told(compiled(document(SANDBOXES, "".join(steps))))

    assert [step.partition(":")[0] for step in said.values()] == ["call", "wait", "call", "wait"]
    assert "it leaves to archiveSandbox when stopped" in said["untilStopped"]
    assert "it leaves to the end when archived or error" in said["untilArchived"]


@pytest.mark.parametrize(
    ("making", "waiting", "hoped", "failed", "event"),
    [
        ("createBlueprint", ("getBlueprint", "id", "status"), "build_complete", "failed", "blueprint.state.updated"),
        (
            "createDiskSnapshotAsync",
            ("queryDiskSnapshotAsync", "id", "status"),
            "complete",
            "error",
            "disk-snapshot.state.updated",
        ),
        ("execAsyncCommand", ("getExecution", EXECUTION, "status"), "completed", "none", "a watch"),
    ],
)
def test_what_is_made_and_polled_is_waited_for(
    making: str, waiting: tuple[str, str, str], hoped: str, failed: str, event: str
) -> None:
    by = "" if making == "createBlueprint" else "id"
    said = told(compiled(document(RUNLOOP, call(making, by) + poll(*waiting, hoped, failed))))

    assert said[making] == f"call: it calls {making}"
    assert said[waiting[0]].startswith("wait: ")
    assert f"it is woken by {event}" in said[waiting[0]]


def test_an_unknown_operation_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"test.arazzo.yaml:7:5: step 'getSandbx': .*did you mean 'getSandbox'\?"):
        compiled(document(SANDBOXES, call("getSandbx", "x")))


SLIPS = """
- {stepId: a, operationId: getSandbox, parameters: [*ID, {name: verbos, in: query, value: 1}]}
- {stepId: b, operationId: createSandbox, requestBody: {payload: {volumes: [{mountPath: /data}], public: yes}}}
- {stepId: c, operationPath: "{$sourceDescriptions.described.url}#/paths/~1sandboxs~1{id}/get"}
- {stepId: d, operationId: startSandbox}
- {stepId: e, operationId: createVolume, requestBody: {payload: 'name: {$inputs.name}'}}
""".replace("*ID", "{name: sandboxIdOrName, in: path, value: x}")


@pytest.mark.parametrize(
    "said",
    [
        "7:5: step 'a': parameter: found 'verbos', .*did you mean 'verbose'",
        "8:5: step 'b': body.volumes.0.: found no 'volumeId', expected it: it is required",
        "8:5: step 'b': body.public: found a string, expected boolean",
        "9:5: step 'c': found 'GET /sandboxs/{id}', expected one of .*did you mean",
        "10:5: step 'd': found no parameter 'sandboxIdOrName', expected it in path",
        "11:5: step 'e': body: found a string, expected object",
    ],
)
def test_a_step_that_could_never_be_called_is_refused(said: str) -> None:
    with pytest.raises(ConfigError, match=f"test.arazzo.yaml:{said}"):
        compiled(document(SANDBOXES, SLIPS.lstrip()))


def test_what_expressions_fill_is_not_judged_before() -> None:
    payload = "{labels: $inputs.labels, volumes: [{volumeId: $inputs.v, mountPath: '/{$inputs.path}'}]}"
    step = f"- {{stepId: a, operationId: createSandbox, requestBody: {{payload: {payload}}}}}\n"

    assert told(compiled(document(SANDBOXES, step))) == {"a": "call: it calls createSandbox"}


NEVER_LEFT = """
- {stepId: early, operationId: getSandbox, parameters: [{name: sandboxIdOrName, in: path, value: $steps.poll.outputs.id}]}
- stepId: poll
  operationId: getSandbox
  parameters: [{name: sandboxIdOrName, in: path, value: x}]
  successCriteria: [{condition: $response.body#/state == 'startd'}]
  onFailure: [{name: again, type: retry}]
  outputs: {id: $response.body#/id}
"""


@pytest.mark.parametrize(
    "said",
    [
        "$steps.poll.outputs.id is of a later step, and nothing comes back here: it is null",
        "no state of a sandbox lets it leave",
        "as a poll it waits for 5400 s",
    ],
)
def test_what_is_odd_about_a_document_that_runs_is_a_warning(said: str) -> None:
    warnings = compiled(document(SANDBOXES, NEVER_LEFT.lstrip())).document.warnings

    assert {warning.severity for warning in warnings} == {"warning"}
    assert any(said in warning.message for warning in warnings)


def test_a_command_of_a_toolbox_is_not_taken_for_one_of_runloop() -> None:
    toolbox = Source("box", "../openapi/daytona-io-toolbox-api-openapi.yml", "openapi")
    reference = OperationRef("box", id="executeCommand")

    inside, anywhere = CATALOG.operation(reference, toolbox), CATALOG.operation(reference, None)

    assert inside
    assert (inside.api, inside.id) == ("daytona-toolbox", "ExecuteCommand")
    assert anywhere
    assert (anywhere.api, anywhere.id) == ("runloop", "executeCommand")


def test_every_wait_has_the_states_of_its_kind_and_an_end() -> None:
    for name, api in CATALOG.apis.items():
        source = Source(name, "", "openapi")
        for resource in api.provider.resources.values():
            found = CATALOG.operation(OperationRef(name, id=resource.read), source)
            assert found
            assert found.reads
            assert found.reads.states > found.reads.settled
            assert 0 < found.deadline <= 7800
