"""A worker is killed or paused in the middle of a call that can be neither found nor repeated: it is made at most once."""

import re
import shutil
import signal
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from e2e.machine import CONFIG, Machine, volume_event
from e2e.process import Process, eventually
from reactor.store.keys import Keys

RULE = """
rules:
  - name: fork-for-ready-volume
    on: volume.state.updated
    match: {newState: ready, name: {prefix: fork-}}
    do:
      - call: daytona.forkSandbox
        parameters: {sandboxIdOrName: parent}
        body: {name: "child-of-${event.name}"}
"""

WORKFLOW = """
arazzo: 1.0.1
info: {title: Fork a sandbox, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: daytona.yaml, type: openapi}]
workflows:
- workflowId: fork
  inputs: {properties: {child: {type: string}}}
  steps:
  - stepId: fork
    operationId: forkSandbox
    parameters: [{name: sandboxIdOrName, in: path, value: parent}]
    requestBody: {contentType: application/json, payload: {name: $inputs.child}}
    onFailure: [{name: again, type: retry, retryAfter: 0.1, retryLimit: 5}]
"""

SOON = {"REACTOR_LEASE": "1", "REACTOR_SWEEP_AFTER": "0.5"}

GONE = re.compile("job (lost|stopped)")
"""What a worker says that finds its row taken."""

POINTS = {"once.after_note": 0, "worker.after_call": 1}
"""Where a worker ends, and how many calls it has made then. One that was only paused may make its call yet."""


@pytest.fixture(scope="module", autouse=True)
def web(shared_machine: Machine) -> Process:
    """A reactor with a rule that forks, and a sandbox to fork."""
    config = shutil.copytree(CONFIG, shared_machine.directory / "config")
    (config / "rules" / "forks.yaml").write_text(RULE)
    (shared_machine.directory / "fork.arazzo.yaml").write_text(WORKFLOW)
    shared_machine.environment["REACTOR_CONFIG"] = str(config)
    with shared_machine.emulator as emulator:
        emulator.give("sandbox", "parent")
    return shared_machine.serve(**SOON)


def rule_fires(machine: Machine, web: Process, name: str) -> Callable[[], str]:
    """Have the rule ask for a fork; returns what asks for the state of its job."""
    event, body = f"msg_{name}", volume_event({"id": name, "name": f"fork-{name}"}, "ready")
    assert machine.deliver(web, body, event) == 204
    return lambda: next((job.state for job in machine.jobs(event) if job.ended), "")


def run_starts(machine: Machine, web: Process, name: str) -> Callable[[], str]:
    """Have a run ask for a fork; returns what asks for its status once it is over."""
    document = str(machine.directory / "fork.arazzo.yaml")
    started = machine.run("runs", "start", document, f"--input=child={name}", "--id", name)
    assert started.returncode == 0, started.stderr

    def over() -> str:
        with Redis.from_url(machine.server.url, decode_responses=True) as redis:
            status: Any = redis.hget(Keys("reactor").run(name), "status")
        return "" if status == "running" else str(status)

    return over


ASKING = {"a rule's call": (rule_fires, "unknown"), "a run's step": (run_starts, "failed")}


def forks(machine: Machine) -> int:
    with machine.emulator as emulator:
        return emulator.calls().get("forkSandbox", 0)


@pytest.mark.parametrize(("ask", "end"), ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("action", ["kill", "pause"])
def test_a_call_is_made_at_most_once_and_ends_as_unknown(
    machine: Machine, web: Process, ask: Callable[..., Callable[[], str]], end: str, point: str, action: str
) -> None:
    before = forks(machine)
    over = ask(machine, web, uuid4().hex[:8])
    victim = machine.start("work", REACTOR_FAILPOINT=f"{point}:{action}", **SOON)
    if action == "kill":
        assert victim.wait() == -signal.SIGKILL
    else:
        victim.wait_until_paused()

    machine.start("work", **SOON)
    assert eventually(over) == end
    if action == "pause":
        victim.signal(signal.SIGCONT)
        eventually(lambda: GONE.search(victim.log.read_text("utf-8")))
        victim.stop()

    assert POINTS[point] <= forks(machine) - before <= 1
    assert over() == end
