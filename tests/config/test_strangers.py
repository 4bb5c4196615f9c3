"""Documents as strangers write them: which of their steps wait, and what they take for granted."""

from pathlib import Path

import pytest

from reactor.catalog import Catalog
from reactor.cli.demo_given import taken_for_granted
from reactor.config import load_config
from reactor.workflows.load import load_document
from reactor.workflows.program import Program, compile_program

ROOT = Path(__file__).parents[2]
STRANGERS = ROOT / "tests" / "data" / "arazzo" / "strangers"
CATALOG = Catalog(load_config(ROOT / "config").apis)

WAITS = {
    "back-and-forth": {"check"},
    "bring-back": {"again"},
    "finishing": {"wait"},
    "own-outputs": {"poll"},
    "payloads": set(),
    "pausing": {"check"},
    "backup": set(),
    "blueprint": {"pollBuild", "running"},
    "blueprint-as-text": {"built"},
    "build-snapshot": {"waitForBuild"},
    "capture-listed": set(),
    "clean-up": {"up"},
    "cycle": {"waitInactive", "waitActive"},
    "delete-404": {"untilGone"},
    "delete-destroyed": {"untilGone"},
    "delete-volume": {"untilDeleted", "untilRemoved"},
    "exec": {"wait"},
    "exec-by-reads": {"up", "poll"},
    "fork": {"ready"},
    "freeze-and-thaw": {"stopped", "archived", "started"},
    "heard": set(),
    "image-to-sandbox": {"pollSnapshot", "pollSandbox"},
    "nested": {"poll", "up"},
    "object": {"readOnly", "up"},
    "org": set(),
    "pause": {"paused", "started"},
    "pause-and-resume": {"waitUntilRunning", "waitUntilSuspended", "waitUntilResumed"},
    "preview": {"poll"},
    "qualified": {"get-sandbox-step"},
    "recover": {"decide"},
    "resize": {"settle"},
    "restore": {"check"},
    "shared-volume": {"poll", "up"},
    "snapshot-from-sandbox": {"backToStarted", "theSnapshot"},
    "stop-and-archive": {"untilStopped", "untilArchived"},
    "suspend": {"waitSuspended", "waitRunning"},
    "toolbox": {"started"},
    "unquoted": set(),
    "wake-and-use": {"started"},
}


def program(name: str) -> Program:
    [path] = STRANGERS.glob(f"{name}.arazzo.*")
    document = load_document(path.read_bytes(), path.name)
    return compile_program(document, CATALOG.for_document(document))


@pytest.mark.parametrize("name", WAITS)
def test_the_steps_that_poll_wait_and_no_others(name: str) -> None:
    assert {step.step for step in program(name).explained if step.what == "wait"} == WAITS[name]


def test_the_time_that_a_server_holds_a_call_counts_for_each_retry() -> None:
    [running] = [step.why for step in program("blueprint").explained if step.step == "running"]

    assert "gives up after 620 s" in running, "20 retries of up to 30 s, and a second between them"


@pytest.mark.parametrize(
    ("name", "inputs", "granted"),
    [
        ("stop-and-archive", {"id": "web"}, {"sandbox:web=started"}),
        ("restore", {"sandbox": "web"}, {"sandbox:web=started"}),
        ("recover", {"box": "web"}, {"sandbox:web=error"}),
        ("snapshot-from-sandbox", {"sandboxIdOrName": "web", "snapshotName": "new"}, {"sandbox:web=started"}),
        ("delete-volume", {"volume": "v", "snapshot": "s"}, {"volume:v=ready", "snapshot:s=active"}),
        ("build-snapshot", {"name": "new"}, set()),
        ("shared-volume", {"prefix": "p"}, set()),
        ("suspend", {"devboxId": "dbx_1"}, {"devbox:dbx_1=running"}),
        ("toolbox", {"code": "x"}, set()),
        ("freeze-and-thaw", {"sandbox": "web"}, {"sandbox:web=started"}),
        ("cycle", {"snapshotId": "old"}, {"snapshot:old=active"}),
    ],
)
def test_what_inputs_name_is_taken_for_granted(name: str, inputs: dict[str, str], granted: set[str]) -> None:
    found = program(name)
    first = {"shared-volume": "shared", "freeze-and-thaw": "thaw"}.get(name) or next(iter(found.document.workflows))

    assert set(map(str, taken_for_granted(found, first, inputs).values())) == granted
