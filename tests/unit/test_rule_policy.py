"""What `policy.yaml` lets files of rules do, on the shipped APIs and workflows."""

import shutil
from pathlib import Path

import pytest

from reactor.config import inspect
from reactor.config.policy import Grant, policy_faults
from reactor.rules.actions import KINDS, CompiledAction
from reactor.rules.cel import Scope
from reactor.rules.template import template

CONFIG = Path(__file__).parents[2] / "config"

CALL = 'daytona.getVolume\n        parameters: {volumeId: "${event.id}"}'
RULE = "rules:\n  - name: a-rule\n    on: volume.state.updated\n    match: {newState: ready}\n    do:\n      - ACTION\n"
RUN = "run: volume-and-sandbox\n        inputs: {volumeName: a, snapshot: b, mountPath: /c}"


def said(tmp_path: Path, policy: str, action: str = f"call: {CALL}") -> list[str]:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "team-a.yaml").write_text(RULE.replace("ACTION", action), "utf-8")
    (directory / "queues.yaml").write_text("queues: {heavy: {}}\n", "utf-8")
    (directory / "policy.yaml").write_text(f"policy:\n{policy}\n", "utf-8")
    return [str(problem).removeprefix(f"{directory}/") for problem in inspect(directory).problems]


ALLOWED = {
    "everything": '  - files: "*"',
    "by a list of operations": '  - {files: "*", calls: ["daytona.get*"]}',
    "by the first grant that fits": '  - {files: team-*.yaml}\n  - {files: "*", actions: []}',
}


@pytest.mark.parametrize("policy", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_a_policy_grants_is_done(policy: str, tmp_path: Path) -> None:
    assert said(tmp_path, policy) == []


REFUSED = {
    "an operation that is not granted": ('  - {files: "*", calls: ["daytona.list*"]}', "it may use daytona.list*"),
    "an operation that is forbidden": ('  - {files: "*", never: ["daytona.get*"]}', "it is in `never`"),
    "an action that is not granted": (
        '  - {files: "*", actions: [run]}',
        "does not grant to this file: it may use run",
    ),
    "all of them": ('  - {files: "*", calls: []}', "it may use none"),
    "a file that it does not name": ("  - {files: team-b.yaml}", "it may do nothing"),
}


@pytest.mark.parametrize(("policy", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_policy_does_not_grant_is_an_error_at_its_place(policy: str, words: str, tmp_path: Path) -> None:
    [found] = said(tmp_path, policy)

    assert found.startswith(("rules/team-a.yaml:5:5: found", "rules/team-a.yaml:6:15: found"))
    assert words in found


def test_an_operation_that_is_forbidden_may_not_be_called_by_a_workflow_either(tmp_path: Path) -> None:
    [found] = said(tmp_path, '  - {files: "*", never: [daytona.createSandbox]}', RUN)

    assert "found daytona.createSandbox (a step of the workflow), which policy.yaml does not let" in found


def test_a_workflow_that_is_not_granted_is_an_error(tmp_path: Path) -> None:
    [found] = said(tmp_path, '  - {files: "*", workflows: ["safe-*"]}', RUN)

    assert "found 'volume-and-sandbox', which policy.yaml does not let this file run: it may use safe-*" in found


def test_what_an_action_names_is_granted_by_its_own_list(tmp_path: Path) -> None:
    emit = "emit: team.volume-ready\n        data: {}"

    [found] = said(tmp_path, '  - {files: "*", events: ["other.*"]}', emit)

    assert "found 'team.volume-ready', which policy.yaml does not let this file emit: it may use other.*" in found


def test_a_target_that_is_not_granted_is_an_error(tmp_path: Path) -> None:
    [found] = said(tmp_path, '  - {files: "*", targets: [ops-mail]}', "notify: ops-slack\n        text: hello")

    assert "found 'ops-slack', which policy.yaml does not let this file notify: it may use ops-mail" in found


def test_a_handler_that_is_not_granted_is_an_error() -> None:
    action = CompiledAction(KINDS["perform"], "open-ticket", template({}, Scope({}))[0], {})

    [refused] = policy_faults(Grant.model_validate({"files": "*", "handlers": "close-*"}), [action], {})
    granted = list(policy_faults(Grant.model_validate({"files": "*", "handlers": "open-*"}), [action], {}))

    assert refused.path == ("do", 0, "perform")
    assert (
        "found 'open-ticket', which policy.yaml does not let this file perform: it may use close-*" in refused.message
    )
    assert granted == []


def test_a_pattern_that_fits_no_operation_is_an_error(tmp_path: Path) -> None:
    [found] = said(tmp_path, '  - {files: "*", never: ["daytona.delte*"]}')

    assert found.startswith("policy.yaml:2:26: found 'daytona.delte*', which fits no operation")


@pytest.mark.parametrize(
    ("granted", "queue", "refused"),
    [("heavy-*", "heavy-1", False), ("heavy-*", "main", True), ("main", "main", False), (None, "heavy-1", False)],
)
def test_handlers_perform_on_queues_that_are_granted(granted: str | None, queue: str, refused: bool) -> None:
    action = CompiledAction(KINDS["perform"], "open-ticket", template({}, Scope({}))[0], {"queue": queue})

    found = list(policy_faults(Grant.model_validate({"files": "*", "queues": granted}), [action], {}))

    said = f"found the queue {queue!r}, which policy.yaml does not let this file use: it may use heavy-*"
    assert [fault.message for fault in found] == [said] * refused


def test_what_performs_on_no_queue_of_ones_choice_needs_no_grant_of_queues(tmp_path: Path) -> None:
    assert said(tmp_path, '  - {files: "*", queues: [heavy]}', "notify: ops-slack\n        text: hello") == []


def test_a_pattern_that_fits_no_queue_is_an_error(tmp_path: Path) -> None:
    [found] = said(tmp_path, '  - {files: "*", queues: ["hevy"]}')

    assert found == "policy.yaml:2:27: found 'hevy', which fits no queue: queues.yaml declares heavy"


def test_a_kind_of_action_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    found = said(tmp_path, '  - {files: "*", actions: [cal, notify]}', "notify: ops-slack\n        text: hello")

    assert found == [
        "policy.yaml:2:28: found 'cal', which is no kind of action: call, run, notify, emit, perform",
    ]
