"""What rules may ask for beside calls and runs: people are told, events are emitted, handlers of one's own perform."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import CONFIG, Opened
from stage import append, eventually, planned, volume, working
from structlog.testing import capture_logs

from reactor.config import Config, load_config
from reactor.dispatch import Dispatcher
from reactor.errors import ConfigError
from reactor.reload import Live
from reactor.store.ledger import Row
from reactor.store.plans import NewRow

HANDLERS = """
import threading

from pydantic import BaseModel
from reactor.errors import PermanentError
from reactor.plugins import Job

class Note(BaseModel):
    text: str
    urgent: bool = False

calls = []
lasting = []

def write_note(note: Note, job: Job) -> dict:
    calls.append((note.text, job.attempt))
    if note.text == "for ever":
        lasting.append(job.id)
        threading.Event().wait()
    if note.text == "forbidden":
        raise PermanentError("nobody may write that")
    if job.attempt == 1 and note.text == "at once":
        raise RuntimeError("the pen is empty")
    return {"text": note.text}

async def write_later(note: Note, job: Job) -> set:
    return {note.text}
"""

ENTRY_POINTS = """\
[reactor.handlers]
write-note = sample_handlers:write_note
write-later = sample_handlers:write_later
"""


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers two handlers."""
    site = tmp_path / "site"
    (site / "sample_handlers-1.0.dist-info").mkdir(parents=True)
    (site / "sample_handlers.py").write_text(HANDLERS)
    (site / "sample_handlers-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-handlers\n")
    (site / "sample_handlers-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Path]:
    def configured(rules: str) -> Path:
        """The shipped configuration with these rules instead of its own, and a target."""
        directory = tmp_path / "config"
        shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"), dirs_exist_ok=True)
        (directory / "rules").mkdir(exist_ok=True)
        (directory / "rules" / "r.yaml").write_text(rules, "utf-8")
        (directory / "targets.yaml").write_text("targets: {ops: {url: OPS_URL}}\n", "utf-8")
        (directory / "queues.yaml").write_text("queues: {heavy: {}}\n", "utf-8")
        secrets = (directory / "secrets.yaml").read_text("utf-8")
        (directory / "secrets.yaml").write_text(secrets + "  OPS_URL: {env: OPS_URL}\n", "utf-8")
        return directory

    return configured


def on_ready(action: str, name: str = "first", on: str = "volume.state.updated") -> str:
    return f"  - name: {name}\n    on: {on}\n    do:\n      - {action}\n"


async def rows_after(opened: Opened, config: Config, count: int) -> list[Row]:
    """What became of a volume's event, once `count` jobs that followed from it are over, after two attempts at most."""
    await append(opened, volume("ready"))
    settings = opened.settings.model_copy(update={"attempts": 2})
    stopping = asyncio.Event()
    dispatching = asyncio.create_task(Dispatcher(opened.store, opened.queue, Live(config), takeover=1.0).run(stopping))

    async def over() -> list[Row]:
        entries = await opened.store.log.entries()
        rows = [row for entry in entries for row in await opened.store.plans.rows_of(entry.entry)]
        return rows if len([row for row in rows if row.ended]) >= count else []

    try:
        async with working(opened, settings, config=config):
            rows: list[Row] = await eventually(over)
            return rows
    finally:
        stopping.set()
        await dispatching


class Listener:
    """A service that takes notifications as JSON; refuses the first `refusals`."""

    def __init__(self, refusals: int) -> None:
        self.told: list[dict[str, str]] = []
        self.refusals = refusals

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        self.refusals -= 1
        if self.refusals < 0:
            self.told.append(body)
        status = b"200 OK" if self.refusals < 0 else b"503 No"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def listening(monkeypatch: pytest.MonkeyPatch, *, refusals: int = 0) -> AsyncIterator[Listener]:
    listener = Listener(refusals)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    monkeypatch.setenv("OPS_URL", f"json://ops:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}/told")
    async with server:
        yield listener


async def test_people_are_told_also_when_the_first_telling_fails(
    opened: Opened, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = on_ready('{notify: ops, title: "${event.name}", text: "is ${event.newState}"}')

    async with listening(monkeypatch, refusals=1) as listener:
        [row] = await rows_after(opened, load_config(configured("rules:\n" + rule)), 1)

    assert [(told["title"], told["message"]) for told in listener.told] == [("build-1", "is ready")]
    assert (row.state, row.attempts) == ("done", 2)


async def test_a_target_that_is_not_to_be_had_is_told_without_its_secret(
    opened: Opened, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_URL", "json://ops:hush@127.0.0.1:1/told?token=hush")
    rule = on_ready("{notify: ops, text: hello}")

    [row] = await rows_after(opened, load_config(configured("rules:\n" + rule)), 1)

    assert row.state == "dead"
    assert "Connection" in (row.error or "")
    assert "hush" not in str(row)


@pytest.mark.parametrize("at_first", ["", "nonsense"])
async def test_people_are_told_once_the_url_of_a_target_is_there_and_waiting_for_it_spends_no_attempt(
    opened: Opened, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, at_first: str
) -> None:
    monkeypatch.setattr("reactor.handlers.notify.REFUSED_KEY_PAUSE", 0.05)
    rule = on_ready('{notify: ops, text: "is ${event.newState}"}')
    refused: list[str] = []

    async with listening(monkeypatch) as listener:
        url = os.environ["OPS_URL"]
        monkeypatch.setenv("OPS_URL", at_first)

        def complain(said: str, **_: object) -> None:
            refused.append(said)
            if len(refused) == 4:  # more often than the two attempts that it has
                monkeypatch.setenv("OPS_URL", url)

        monkeypatch.setattr("reactor.handlers.notify.log", SimpleNamespace(error=complain))
        [row] = await rows_after(opened, load_config(configured("rules:\n" + rule)), 1)

    assert [told["message"] for told in listener.told] == ["is ready"]
    assert (row.state, row.attempts) == ("done", 1)
    assert refused == ["target can't be told"] * 4


async def test_that_a_target_can_not_be_told_is_said_once_for_all_that_wait_for_it(
    opened: Opened, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_URL", "")
    config = load_config(configured("rules: []\n"))
    what = {"target": "ops", "title": "", "text": "hello"}
    ids = await planned(opened, *(NewRow(f"row{number}", "a-rule", "notify", "", what) for number in range(20)))

    async def all_wait() -> bool:
        rows = [await opened.store.ledger.get(id) for id in ids]
        return all(row and row.error and row.state == "due" for row in rows)

    with capture_logs() as logs:
        async with working(opened, config=config):
            await eventually(all_wait)

    complaints = [(line["event"], line["target"]) for line in logs if line["log_level"] == "error"]
    assert complaints == [("target can't be told", "ops")]
    assert [line for line in logs if "job" in line and line["log_level"] != "debug"] == []  # nothing about each


async def test_a_rule_reacts_to_what_another_emits_and_no_rule_to_what_it_caused_itself(
    opened: Opened, configured: Callable[[str], Path]
) -> None:
    rules = (
        "rules:\n"
        + on_ready('{emit: fleet.volume-ready, data: {volume: "${event.id}"}}', "tells")
        + on_ready('{emit: fleet.volume-seen, data: {volume: "${event.data.volume}"}}', "echoes", "fleet.*")
    )

    rows = await rows_after(opened, load_config(configured(rules)), 2)

    entries = await opened.store.log.entries()
    assert [(entry.event().type, entry.lineage) for entry in entries] == [
        ("volume.state.updated", ()),
        ("fleet.volume-ready", ("tells",)),
        ("fleet.volume-seen", ("tells", "echoes")),
    ]
    assert [row.rule for row in rows] == ["tells", "echoes"]
    assert entries[2].event().data["volume"] == "vol-1"


@pytest.mark.usefixtures("handlers")
async def test_a_handler_of_ones_own_is_performed_and_again_after_an_error(
    opened: Opened, configured: Callable[[str], Path]
) -> None:
    rules = "rules:\n" + on_ready("{perform: write-note, arguments: {text: at once}}")

    [row] = await rows_after(opened, load_config(configured(rules)), 1)

    assert (row.state, row.attempts) == ("done", 2)
    assert row.result == {"how": "performed", "data": {"text": "at once"}}


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("action", "state", "said"),
    [
        ("{perform: write-note, arguments: {text: forbidden}}", "dead", "nobody may write that"),
        ("{perform: write-later, arguments: {text: x}}", "done", "its answer is not kept"),
    ],
)
async def test_how_a_handler_ends_is_how_its_job_ends(
    opened: Opened, configured: Callable[[str], Path], action: str, state: str, said: str
) -> None:
    [row] = await rows_after(opened, load_config(configured("rules:\n" + on_ready(action))), 1)

    assert row.state == state
    assert said in f"{row.error} {row.result}"


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ("{notify: opps, text: x}", "did you mean 'ops'?"),
        ("{notify: ops}", "found no 'text'"),
        ("{emit: volume.created}", "which daytona sends"),
        ("{emit: Nothing}", "found 'Nothing'"),
        ("{perform: write-note, queue: hevy, arguments: {text: x}}", "did you mean 'heavy'? (declared in queues.yaml)"),
        ("{perform: write-not, queue: heavy}", "did you mean 'write-note'?"),
        ("{notify: ops, text: x, queue: heavy}", "found 'queue'"),
        ("{perform: write-not}", "did you mean 'write-note'?"),
        ("{perform: write-note, arguments: {text: 1}}", "input should be a valid string"),
        ("{perform: write-note, arguments: {text: x, urgnt: true}}", "extra inputs are not permitted"),
        ('{perform: write-note, arguments: {text: "${size(event.id)}"}}', "(${size(event.id)})"),
    ],
)
def test_a_bad_action_is_told_at_its_place(configured: Callable[[str], Path], action: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(configured("rules:\n" + on_ready(action)))

    [problem] = error.value.problems
    assert problem.line == 5
    assert complaint in problem.message
