"""A rule that waits, and then does one thing after the other, does each once: through crashes, and a deploy without it."""

import shutil
import signal
from pathlib import Path

import pytest

from e2e.machine import RECOVERY, Machine
from e2e.process import Process, eventually

CONFIG = Path(__file__).parents[2] / "config"

RULE = """rules:
  - name: sandbox-for-lasting-volume
    on: volume.state.updated
    match: {newState: ready}
    for: 1s
    do:
      - call: daytona.createSandbox
        as: box
        body: {name: "box-${event.name}", volumes: [{volumeId: "${event.id}", mountPath: /data}]}
      - call: daytona.replaceLabels
        parameters: {sandboxIdOrName: "${box.id}"}
        body: {labels: {made: "${box.how}", of: "${event.name}"}}
"""


def configured(directory: Path, rules: str) -> str:
    """The shipped configuration with other rules."""
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text(rules, "utf-8")
    return str(directory)


@pytest.fixture(scope="module")
def web(shared_machine: Machine) -> Process:
    return shared_machine.serve("--no-dispatch")


@pytest.mark.parametrize(
    "point", ["dispatch.after_plan", "timer.after_ripen", "worker.after_finish", "worker.after_call"]
)
def test_a_rule_that_waits_acts_once_whoever_is_killed_and_though_it_was_deleted_meanwhile(
    machine: Machine, web: Process, tmp_path: Path, point: str
) -> None:
    before = configured(tmp_path / "before", RULE)
    after = configured(
        tmp_path / "after", RULE.replace("lasting", "broken").replace("newState: ready", "newState: error")
    )
    volume = machine.ready_volume()
    role = "work" if point.startswith("worker") else "dispatch"
    dispatcher = machine.start(
        "dispatch", REACTOR_CONFIG=before, **({"REACTOR_FAILPOINT": point} if role == "dispatch" else {})
    )
    event = machine.announce(web, volume)
    if role == "work":
        worker = machine.start("work", REACTOR_FAILPOINT=point)
        assert worker.wait() == -signal.SIGKILL
    else:
        assert dispatcher.wait() == -signal.SIGKILL

    machine.start("dispatch", REACTOR_CONFIG=after)
    machine.start("work")

    eventually(lambda: [job.state for job in machine.jobs(event)] == ["done", "done"], 2 * RECOVERY)
    [sandbox] = machine.sandboxes_of(volume)
    assert sandbox["labels"]["of"] == volume["name"]
    assert sandbox["labels"]["made"] in ("created", "adopted")
