"""`reactor demo`: one command shows the main job without a poll, and says so, or says why not."""

import shutil
import signal
from pathlib import Path

import orjson

from e2e.machine import CONFIG, Machine
from e2e.process import descendants, eventually, is_alive


def test_the_demo_makes_one_sandbox_without_a_poll_and_tells_it_as_json(machine: Machine) -> None:
    ended = machine.run("demo", "--json")

    outcome = orjson.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (outcome["ok"], outcome["reason"], outcome["polls"], outcome["sandboxes"]) == (True, "", 0, 1)
    assert 0 < outcome["event_to_call_ms"]["p50"] <= outcome["event_to_call_ms"]["p95"]
    assert {moment["kind"] for moment in outcome["timeline"]} == {"call", "event", "rule", "job"}


def test_the_demo_tells_a_timeline_from_the_volume_to_the_job(machine: Machine) -> None:
    ended = machine.run("demo", "--volumes", "2")

    story = [line.split(maxsplit=4) for line in ended.stdout.splitlines() if " s  " in line]
    assert ended.returncode == 0
    assert story[0][0] == "0.000"
    assert [(kind, name) for _, _, kind, name, _ in story].count(("call", "createSandbox")) == 2
    assert sorted(float(line[0]) for line in story) == [float(line[0]) for line in story]
    assert "2 for 2 volumes" in ended.stdout


def test_the_demo_says_why_it_does_not_work(machine: Machine, tmp_path: Path) -> None:
    config = shutil.copytree(CONFIG, tmp_path / "config")
    rules = config / "rules" / "volumes.yaml"
    rules.write_text(rules.read_text("utf-8").replace("build-}", "other-}"), "utf-8")
    (config / "rules" / "volumes.test.yaml").unlink()  # it would refuse such a rule

    ended = machine.run("demo", "--config", str(config))

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: the demo did not work: no rule fired")
    assert "volume.state.updated" in ended.stdout


def test_ctrl_c_ends_the_demo_and_all_it_started(machine: Machine, tmp_path: Path) -> None:
    demo = machine.start("demo", "--time-scale", "100", TMPDIR=str(tmp_path))
    eventually(lambda: len(descendants(demo.popen.pid)) == 4)
    children = descendants(demo.popen.pid)

    demo.signal(signal.SIGINT)
    status = demo.wait()

    assert (status, demo.log.read_text("utf-8").split()) == (1, ["Aborted!"])
    assert not [pid for pid in children if is_alive(pid)]
    assert not list(tmp_path.iterdir())
