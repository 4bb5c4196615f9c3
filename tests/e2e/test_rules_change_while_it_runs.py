"""Ops teams edit rules while everything runs: what is sound comes into force in every process, what is not changes nothing."""

import json
import shutil
from pathlib import Path

import httpx2
import pytest

from e2e.machine import CONFIG, Machine
from e2e.process import eventually


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The shipped rules without the tests beside them, which would keep what is changed here out of force."""
    return Path(shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("*.test.yaml")))


def test_a_changed_rule_is_in_force_in_every_process_and_a_typo_in_none(machine: Machine, directory: Path) -> None:
    here = {"REACTOR_CONFIG": str(directory), "REACTOR_RELOAD": "0.1"}
    web, _ = machine.serve(**here), machine.start("work", **here)
    file, first = directory / "rules" / "volumes.yaml", machine.ready_volume()
    eventually(lambda: machine.run("reload", "--wait", "5s", **here).returncode == 0)

    file.write_text(file.read_text().replace("prefix: build-", "prefix: never-"))
    changed = machine.run("reload", "--wait", "15s", "--json", **here)
    event = machine.announce(web, first)
    file.write_text(file.read_text().replace("newState", "newSate"))
    refused = eventually(lambda: httpx2.get(f"{web.operations_url}/readyz").json()["refused"])

    report = json.loads(changed.stdout)
    assert {process["revision"] for process in report["processes"]} == {report["here"]}
    assert {process["role"] for process in report["processes"]} == {"serve", "work"}
    assert "newSate" in refused
    eventually(lambda: machine.all_is_decided())
    assert machine.jobs(event) == []
    assert httpx2.get(f"{web.operations_url}/readyz").json()["revision"] == report["here"]
    eventually(
        lambda: (
            'reactor_config_last_reload_successful{role="serve"} 0.0'
            in httpx2.get(f"{web.operations_url}/metrics").text
        )
    )
