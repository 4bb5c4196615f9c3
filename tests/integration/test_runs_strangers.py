"""Documents as strangers write them, in many styles: they all run, at once, on what they take for granted."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from at_work import ARAZZO, AtWork, at_work
from conftest import Opened

STRANGERS = ARAZZO / "strangers"

INPUTS: dict[str, dict[str, Any]] = {
    "build-snapshot": {"name": "built"},
    "snapshot-from-sandbox": {"sandboxIdOrName": "captured", "snapshotName": "capture"},
    "fork": {"parent": "parent"},
    "stop-and-archive": {"id": "cold", "org": "o-1"},
    "restore": {"sandbox": "archived"},
    "recover": {"box": "broken"},
    "resize": {"sandbox": "small", "cpu": 4},
    "shared-volume": {"prefix": "shared"},
    "delete-404": {"sandboxId": "unwanted"},
    "delete-destroyed": {"sandboxId": "unloved"},
    "delete-volume": {"volume": "old", "snapshot": "old"},
    "image-to-sandbox": {"image": "debian:12"},
    "pause": {"box": "tired"},
    "toolbox": {"code": "print(1)\n"},
    "preview": {"snapshot": "base"},
    "backup": {"sandboxId": "kept"},
    "org": {},
    "blueprint": {"name": "image", "dockerfile": "FROM ubuntu:24.04"},
    "suspend": {"devboxId": "dbx_1"},
    "exec": {"devbox": "dbx_2", "command": "echo hi"},
    "object": {"name": "artifact"},
    "heard": {"imageName": "debian:12"},
    "unquoted": {},
    "qualified": {},
    "nested": {"project": "p"},
    "cycle": {"snapshotId": "resting"},
    "pause-and-resume": {},
    "clean-up": {"volume": "kept-clean"},
    "freeze-and-thaw": {"sandbox": "frozen"},
    "capture-listed": {"sandboxName": "seen", "snapshotName": "listed"},
    "blueprint-as-text": {},
    "wake-and-use": {"sandbox": "asleep"},
    "exec-by-reads": {},
    "back-and-forth": {"box": "busy"},
    "bring-back": {"box": "cold-box"},
    "pausing": {},
    "own-outputs": {},
    "payloads": {"env": {"A": "1"}, "owner": 'O"Reilly'},
    "finishing": {"name": "crossed"},
}
CHOSEN = {
    "shared-volume": "shared",
    "image-to-sandbox": "launch",
    "nested": "environment",
    "clean-up": "provision",
    "freeze-and-thaw": "thaw",
    "wake-and-use": "reviveAndRead",
    "finishing": "main",
}
GIVEN = (
    *(("sandbox", name, "started") for name in ("captured", "parent", "cold", "small", "unwanted", "unloved", "tired")),
    ("sandbox", "kept", "stopped"),
    *(("sandbox", name, "started") for name in ("frozen", "seen", "busy")),
    ("sandbox", "asleep", "stopped"),
    ("snapshot", "resting", ""),
    ("sandbox", "archived", "archived"),
    ("sandbox", "cold-box", "archived"),
    ("sandbox", "broken", "error"),
    ("volume", "old", ""),
    ("snapshot", "old", ""),
    ("devbox", "dbx_1", ""),
    ("devbox", "dbx_2", ""),
)
OUTPUTS: dict[str, dict[str, Any]] = {
    "build-snapshot": {"state": "active", "activated": None},
    "fork": {"said": "hello\n"},
    "stop-and-archive": {"state": "archived"},
    "restore": {"was": "archived", "now": "started", "minutes": 30},
    "recover": {"before": "error", "after": "started"},
    "resize": {"cpu": 4, "memory": 1},
    "shared-volume": {"state": "started"},
    "delete-destroyed": {"state": "destroyed"},
    "delete-volume": {"volume": "deleted"},
    "image-to-sandbox": {"state": "started", "snapshot": "from-image"},
    "pause": {"paused": "paused", "started": "started"},
    "toolbox": {"exitCode": 0, "stdout": "done\n", "content": "print(1)\n"},
    "backup": {"backup": "Completed"},
    "blueprint": {"status": "running"},
    "suspend": {"suspended": "suspended", "resumed": "running"},
    "exec": {"exit": 0, "out": "hi\n", "sync": "sync\n", "text": "run echo hi"},
    "object": {"state": "READ_ONLY", "exit": 0},
    "heard": {"heard": "active", "state": "active"},
    "nested": {"boxState": "started", "cacheState": "ready"},
    "cycle": {"rested": "inactive", "state": "active"},
    "pause-and-resume": {"status": "running"},
    "freeze-and-thaw": {"before": "archived", "after": "started"},
    "capture-listed": {"state": "active", "name": "listed"},
    "blueprint-as-text": {"status": "build_complete"},
    "wake-and-use": {"said": "up\n"},
    "exec-by-reads": {"exit": 0, "out": "done\n"},
    "back-and-forth": {"state": "started"},
    "bring-back": {"was": "archived", "now": "started"},
    "pausing": {"state": "ready"},
    "own-outputs": {"state": "ready"},
    "payloads": {"env": {"A": "1"}, "public": True, "stop": 2, "r": "repl-2", "renv": {"A": "1"}, "rs": 2},
    "finishing": {"labels": {"done": "yes"}},
}


def document(name: str) -> Path:
    [path] = STRANGERS.glob(f"{name}.arazzo.*")
    return path


async def begin(reactor: AtWork, name: str) -> None:
    text = document(name).read_bytes()
    workflow = CHOSEN.get(name) or next(iter(reactor.runner.program(text, name).document.workflows))
    await reactor.runner.start(name, text, workflow, INPUTS[name])


async def test_documents_of_strangers_run_to_their_ends(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(opened, monkeypatch, probe=2.0, time_scale=0.02) as reactor:
        for kind, name, state in GIVEN:
            await reactor.emulator.ask("POST", "/emulator/given", {"kind": kind, "name": name, "state": state})
        for name in INPUTS:
            await begin(reactor, name)
        runs = {name: await reactor.ended(name, within=60) for name in INPUTS}

        assert {name: run.because for name, run in runs.items() if run.status != "succeeded"} == {}
        ended = {name: orjson.loads(run.state)["outputs"] for name, run in runs.items()}
        assert {name: {field: ended[name][field] for field in fields} for name, fields in OUTPUTS.items()} == OUTPUTS
        assert all(made["state"] != "error" for made in await reactor.made("sandboxes"))


async def test_what_failed_is_cleaned_up_by_the_workflow_that_a_failure_goes_to(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, time_scale=0.02, volume_error=1) as reactor:
        await begin(reactor, "clean-up")
        run = await reactor.ended("clean-up", within=60)

        [volume] = await reactor.made("volumes")
        assert (run.status, orjson.loads(run.state)["outputs"]) == ("succeeded", {"removed": volume["id"]})
        assert volume["state"] in ("pending_delete", "deleting", "deleted")


def test_every_document_of_a_stranger_is_tried() -> None:
    assert {path.name.partition(".")[0] for path in STRANGERS.iterdir()} == set(INPUTS)
