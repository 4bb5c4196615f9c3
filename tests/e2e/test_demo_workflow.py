"""`reactor demo --workflow`: any Arazzo document is tried on real processes, and what became of it is told."""

from pathlib import Path

import orjson
import pytest

from e2e.machine import CONFIG, Machine

GIVEN = ("--input", "volumeName=data", "--input", "snapshot=base")
DOCUMENT = Path(__file__).parents[1] / "data" / "arazzo" / "001.arazzo.yaml"
LONG_POLLS = ("demo", "--config", str(CONFIG), "--workflow", str(DOCUMENT))
SHIPPED = ("demo", "--config", str(CONFIG), "--workflow", "volume-and-sandbox")


def test_a_document_runs_to_its_end_with_one_read_where_a_script_polls(machine: Machine) -> None:
    ended = machine.run(*SHIPPED, *GIVEN, "--json")

    outcome = orjson.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (outcome["ok"], outcome["state"], outcome["polls"]) == (True, "succeeded", 1)
    assert {"createVolume": 1, "getVolume": 1, "createSandbox": 1}.items() <= outcome["calls"].items()
    assert outcome["steps"]["createSandbox"]["sandboxId"] == outcome["outputs"]["sandboxId"]
    assert 0 < outcome["ready_to_next_ms"]["p50"] < 1000
    assert {moment["kind"] for moment in outcome["timeline"]} == {"call", "event", "step"}


def test_the_steps_are_told_as_they_happen_and_the_rules_stay_out_of_it(machine: Machine) -> None:
    ended = machine.run(*SHIPPED, "--input", "volumeName=build-1", "--input", "snapshot=base")

    said = " ".join(ended.stdout.split())
    assert ended.returncode == 0
    assert "step volumeReady waiting: the volume is" in said
    assert 'step createSandbox done: {"sandboxId":' in said
    assert "createSandbox 1, createVolume 1" in said
    assert "volume-and-sandbox succeeded, in" in said


def test_a_fault_ends_the_run_as_the_document_says(machine: Machine) -> None:
    ended = machine.run(*SHIPPED, *GIVEN, "--fault", "volume_error=1", "--json")

    outcome = orjson.loads(ended.stdout)
    assert ended.returncode == 1
    assert (outcome["ok"], outcome["state"], outcome["ready_to_next_ms"]) == (False, "failed", None)
    assert outcome["because"] == "step volumeReady: the volume is error"
    assert "createSandbox" not in outcome["calls"]
    assert "Error: the workflow failed: step volumeReady" in ended.stderr


def test_a_run_keeps_to_a_rate_limit_and_succeeds(machine: Machine) -> None:
    ended = machine.run(*SHIPPED, *GIVEN, "--rate-limit", "authenticated=2/1", "--json")

    outcome = orjson.loads(ended.stdout)
    assert (ended.returncode, outcome["state"]) == (0, "succeeded")
    assert outcome["seconds"] >= 1.0, "more than two calls need more than one second, however short the states are"


def test_patience_is_limited(machine: Machine) -> None:
    ended = machine.run(*SHIPPED, *GIVEN, "--time-scale", "100", "--timeout", "1", "--json")

    outcome = orjson.loads(ended.stdout)
    assert ended.returncode == 1
    assert outcome["state"] == "waiting"
    assert outcome["because"].startswith("it took longer than --timeout; the volume is")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--workflow", "volume-and-sandbox", "--input", "volumeName=x"], "not given: --input snapshot=…"),
        (
            ["--workflow", "volume-and-sandbx"],
            "did you mean 'volume-and-sandbox'?; a document elsewhere is named by its path",
        ),
        (["--workflow", "volume-and-sandbox", "--workflow-id", "other"], "found 'other', expected one of"),
        (["--workflow", "volume-and-sandbox", "--fault", "drip=1"], "the faults are drop, twin"),
        (["--workflow", "volume-and-sandbox", "--rate-limit", "sandbox-creat=5/1"], "did you mean 'sandbox-create'?"),
        (
            ["--workflow", "volume-and-sandbox", "--rate-limit", "authenticated=5/s"],
            "expected calls and seconds, as in",
        ),
        (["--input", "a=b"], "--given are for a document: name it by --workflow"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(machine: Machine, words: list[str], complaint: str) -> None:
    ended = machine.run("demo", "--config", str(CONFIG), *words)

    assert ended.returncode != 0
    assert complaint in ended.stderr
    assert ended.stdout == ""


def test_a_document_of_long_polls_holds_one_for_each_of_its_waits(machine: Machine) -> None:
    ended = machine.run(*LONG_POLLS, "--input", "command=echo hello", "--json")

    outcome = orjson.loads(ended.stdout)
    assert (ended.returncode, outcome["state"], outcome["outputs"]["stdout"]) == (0, "succeeded", "hello\n")
    assert outcome["calls"].items() >= {"waitForDevboxStatus": 1, "waitForCommandCompletion": 1}.items()
    assert 0 < outcome["ready_to_next_ms"]["p50"] < 1000
