"""`run:` in a rule: checked when it is loaded, planned once per event, and begun once however often it is performed."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import CONFIG, LOOPBACK, Opened
from emulated import emulating
from stage import append, claimed, context_of, ended, eventually, new_row, planned, volume, working

from reactor.apis.client import ApiClient
from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.emulator import EmulatorSettings
from reactor.errors import ConfigError
from reactor.handlers.context import Context
from reactor.handlers.run import run
from reactor.reload import Live
from reactor.workflows.run import Run

RULE = """\
rules:
  - name: a-rule
    on: volume.state.updated
    match: {newState: error}
    do:
      - run: DOCUMENT
        inputs: INPUTS
"""

INPUTS = '{volumeName: "again-${event.name}", snapshot: base}'

SEVERAL = """\
arazzo: 1.0.1
info: {title: Two, version: 1.0.0}
sourceDescriptions: [{name: daytona, url: a.json, type: openapi}]
workflows:
  - workflowId: one
    inputs: {properties: {token: {type: string}, count: {type: integer}}}
    steps:
      - stepId: list
        operationId: listVolumes
        parameters: [{name: Authorization, in: header, value: Bearer $inputs.token}]
  - workflowId: two
    steps: [{stepId: list, operationId: listVolumes}]
"""


def configured(tmp_path: Path, inputs: str = INPUTS, document: str = "volume-and-sandbox") -> Path:
    """The shipped configuration with one rule, and another document."""
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text(RULE.replace("DOCUMENT", document).replace("INPUTS", inputs), "utf-8")
    (directory / "workflows" / "several.arazzo.yaml").write_text(SEVERAL, "utf-8")
    return directory


def problems(directory: Path) -> list[str]:
    try:
        load_config(directory)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{directory}/rules/") for problem in error.problems]
    return []


GOOD = {
    "inputs that only an event knows": (INPUTS, "volume-and-sandbox"),
    "a workflow of several": ("{}\n        workflow: two", "several"),
    "a secret by its name": ("{token: DAYTONA_API_KEY, count: 2}\n        workflow: one", "several"),
    "no secret": ("{}\n        workflow: one", "several"),
}


@pytest.mark.parametrize(("inputs", "document"), GOOD.values(), ids=GOOD.keys())
def test_a_good_run_loads(inputs: str, document: str, tmp_path: Path) -> None:
    assert problems(configured(tmp_path, inputs, document)) == []


BAD = {
    "an unknown document": (INPUTS, "volume-and-sandbx", "r.yaml:6:14: found 'volume-and-sandbx', expected one of"),
    "an unknown input": (
        "{volumeNam: x, volumeName: y, snapshot: z}",
        "volume-and-sandbox",
        "r.yaml:7:18: found 'volumeNam', expected one of 'mountPath', 'snapshot', 'volumeName'; did you mean",
    ),
    "a missing input": (
        "{volumeName: x}",
        "volume-and-sandbox",
        "r.yaml:7:9: found no inputs snapshot, expected them: volume-and-sandbox requires them",
    ),
    "an input of the wrong type": ("{count: many}\n        workflow: one", "several", "r.yaml:7:17: workflow one: input count"),
    "several workflows": ("{}", "several", "r.yaml:6:14: found 2 workflows, expected `workflow`: one of one, two"),
    "an unknown workflow": ("{}\n        workflow: tow", "several", "r.yaml:8:19: found 'tow', expected one of"),
    "a secret in the open": ("{token: dtn_123}\n        workflow: one", "several", "found a literal for a secret"),
    "a list for a secret": ("{token: [a]}\n        workflow: one", "several", "found a literal for a secret"),
    "an unknown field": ("{volumeName: '${event.nam}', snapshot: s}", "volume-and-sandbox", "event.nam"),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "document", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_bad_run_is_told_at_its_place(inputs: str, document: str, complaint: str, tmp_path: Path) -> None:
    found = problems(configured(tmp_path, inputs, document))

    assert any(complaint in problem for problem in found), found
    assert "dtn_123" not in "".join(found)


def test_a_broken_document_is_told_and_the_rule_is_not_blamed(tmp_path: Path) -> None:
    directory = configured(tmp_path)
    document = directory / "workflows" / "volume-and-sandbox.arazzo.yaml"
    document.write_text(document.read_text("utf-8").replace("operationId: getVolume", "operationId: getVolum"), "utf-8")

    [found] = problems(directory)

    assert "volume-and-sandbox.arazzo.yaml" in found
    assert "did you mean 'getVolume'?" in found


def test_a_document_is_part_of_the_revision(tmp_path: Path) -> None:
    directory = configured(tmp_path)
    before = load_config(directory).revision

    (directory / "workflows" / "several.arazzo.yaml").write_text(SEVERAL.replace("Two", "Three"), "utf-8")

    assert load_config(directory).revision != before


async def test_an_event_starts_a_run_that_begins_its_work(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with emulating() as emulator:
        monkeypatch.setenv("DAYTONA_API_URL", f"{str(emulator.http.base_url).rstrip('/')}/api")
        monkeypatch.setenv("DAYTONA_API_KEY", EmulatorSettings().api_key)
        appended = await append(opened, volume("error", name="data"))
        dispatcher = Dispatcher(opened.store, opened.queue, Live(load_config(configured(tmp_path))), takeover=5.0)

        await dispatcher.react(await opened.store.log.read("reader", block=0.1))
        [row] = await opened.store.plans.rows_of(appended.entry)
        async with working(opened):
            done = await ended(opened, row.id)
            await eventually(lambda: emulator.ask("GET", "/api/volumes"))
            made = await emulator.ask("GET", "/api/volumes")

    assert (done.action, done.state, done.result) == ("run", "done", {"how": "started", "run": row.id})
    assert [each["name"] for each in made] == ["again-data"]


@pytest.fixture
async def context(opened: Opened) -> AsyncIterator[Context]:
    client = ApiClient(connections=1, private=LOOPBACK)
    yield context_of(opened, client)
    await client.close()


async def test_a_run_is_begun_once_however_often_it_is_performed(opened: Opened, context: Context) -> None:
    inputs = {"volumeName": "data", "snapshot": "base"}
    await planned(opened, new_row(action="run", api="", document="volume-and-sandbox", workflow="", inputs=inputs))
    row = await claimed(opened)

    first, second = await run(row, context), await run(row, context)
    [stored] = await opened.store.runs.newest()

    assert (first.state, first.result) == ("done", {"how": "started", "run": "row1"})
    assert (second.state, second.result) == ("done", {"how": "had been started", "run": "row1"})
    assert Run.from_json(stored.state).top.inputs == {"volumeName": "data", "snapshot": "base", "mountPath": "/data"}


@pytest.mark.parametrize(
    ("document", "inputs", "complaint"),
    [
        ("gone", {}, "workflow 'gone' is not configured any more"),
        ("volume-and-sandbox", {"volumeName": "", "snapshot": "base"}, "input volumeName"),
    ],
)
async def test_a_run_that_can_not_begin_is_dead_and_says_why(
    opened: Opened, context: Context, document: str, inputs: dict[str, str], complaint: str
) -> None:
    await planned(opened, new_row(action="run", api="", document=document, workflow="", inputs=inputs))

    ending = await run(await claimed(opened), context)

    assert ending.state == "dead"
    assert complaint in ending.error
    assert await opened.store.runs.newest() == []
