"""The examples of docs/rules.md that are no rules: a test file and what it prints, the policy, a handler, an editor.

Its rules are loaded by test_docs, their stories are told to a real store by tests/integration/test_rules_document.py.
"""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from reactor.cli import reactor
from reactor.config import inspect, load_config

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.S | re.M)

RULE = """rules:
  - name: ticket-for-failed-volume
    on: volume.state.updated
    match: {newState: error}
    do:
      - perform: open-ticket
        arguments: ARGUMENTS
"""


def block(kind: str, begins: str) -> str:
    found: list[str] = [text for name, text in BLOCKS if name == kind and text.startswith(begins)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped configuration, in the directory where one is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REACTOR_CONFIG", raising=False)
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("recipes")))


def test_the_test_file_passes_and_a_typo_in_it_fails_as_shown(config: Path) -> None:
    written, file = block("yaml", "tests:"), config / "rules" / "volumes.test.yaml"
    file.write_text(written, "utf-8")
    passed = CliRunner().invoke(reactor, ["rules", "test"])
    file.write_text(written.replace("name: build-7,", "name: bild-7,"), "utf-8")

    failed = CliRunner().invoke(reactor, ["rules", "test"])

    assert (passed.exit_code, passed.output.splitlines()[-1]) == (0, "1 passed")
    assert (failed.exit_code, failed.output) == (1, block("", "FAILED"))


def test_a_test_that_tells_results_passes_and_says_what_differs_if_they_are_others(config: Path) -> None:
    written, file = block("yaml", "# config/rules/again.test.yaml"), config / "rules" / "again.test.yaml"
    (config / "rules" / "again.yaml").write_text(block("yaml", "rules:\n  - name: another-volume"), "utf-8")
    file.write_text(written, "utf-8")
    passed = CliRunner().invoke(reactor, ["rules", "test"])
    file.write_text(written.replace("fresh: {id: vol-2", "fresh: {id: vol-3"), "utf-8")

    failed = CliRunner().invoke(reactor, ["rules", "test"])

    assert passed.exit_code == 0, passed.output
    assert failed.exit_code == 1
    assert "body.volumes.0.volumeId: expected vol-2, found vol-3" in failed.output


def test_the_policy_is_sound_and_forbids_what_it_says(config: Path) -> None:
    (config / "policy.yaml").write_text(block("yaml", "policy:"), "utf-8")
    sound = inspect(config).problems
    rule = "rules:\n  - name: r\n    on: volume.state.updated\n    match: {newState: error}\n    do:\n"
    call = '      - call: daytona.deleteVolume\n        parameters: {volumeId: "${event.id}"}\n'
    (config / "rules" / "team-a-volumes.yaml").write_text(rule + call, "utf-8")
    (config / "rules" / "ours.yaml").write_text((rule + call).replace("name: r", "name: s"), "utf-8")

    found = [problem.message for problem in inspect(config).problems]

    assert sound == ()
    assert len(found) == 2
    assert all("found daytona.deleteVolume, which policy.yaml does not let this file call" in each for each in found)


@pytest.mark.parametrize(
    ("arguments", "sound"), [('{summary: "${event.id} has failed"}', True), ("{sumary: x}", False), ("{}", False)]
)
def test_the_handler_of_your_own_is_one_that_rules_may_name(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, sound: bool
) -> None:
    imports = "from pydantic import BaseModel\nfrom reactor.plugins import Job\n"
    (tmp_path / "ours.py").write_text(imports + block("python", "class Ticket"), "utf-8")
    [(group, points)] = tomllib.loads(block("toml", "[project"))["project"]["entry-points"].items()
    installed = tmp_path / "ours-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n", "utf-8")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (installed / "entry_points.txt").write_text(f"[{group}]\n{lines}", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (config / "rules" / "tickets.yaml").write_text(RULE.replace("ARGUMENTS", arguments), "utf-8")

    found = inspect(config)
    sys.modules.pop("ours", None)

    assert (found.config is not None) is sound, found.problems
    assert 'arguments: {summary: "${event.id} has failed"}' in DOCUMENT


def test_the_schema_knows_what_an_editor_is_said_to_offer() -> None:
    shown = block("", "# yaml-language-server")
    schema = (ROOT / "config" / "schema" / "rules.schema.json").read_text("utf-8")

    offered = [name for names in re.findall(r"← offers (.*)", shown) for name in re.findall(r"[\w.]+\w", names)]
    [unknown] = re.findall(r"Property (\w+) is not allowed", shown)

    assert len(offered) >= 6
    for name in offered:
        assert re.search(rf'"(daytona\.)?{re.escape(name)}"', schema), name
    assert f'"{unknown}"' not in schema


def test_the_table_of_events_is_what_the_document_of_webhooks_says() -> None:
    document = load_config(ROOT / "config").apis["daytona"].webhooks
    assert document is not None

    written = {
        event: {*re.findall(r"`(\w+)`", fields), "event", "timestamp", "organizationId"}
        for event, fields in re.findall(r"^\| `([a-z]+\.[a-z.]+)` \| (.*) \|$", DOCUMENT, re.M)
    }

    assert written == {event: set(document.event_fields([event])) for event in document.webhooks}
