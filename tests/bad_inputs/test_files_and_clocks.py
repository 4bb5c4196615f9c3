"""Bad inputs 141 and 150: files that are far too large, and clocks that are an hour off."""

import shutil
import time
from pathlib import Path

import httpx2
import pytest
from commands import Commands
from conftest import CONFIG, ORGANIZATION, SECRET, Opened
from redis import Redis
from stage import append, claimed, planned, refusal, signed, volume

from reactor.app import Web, create_app
from reactor.config import Config, load_config
from reactor.due import DuePoller
from reactor.reload import Live
from reactor.store.ledger import Ending

HOUR = 3600.0
TEN_MEGABYTES = 10_000_000
PATH = "/webhooks/daytona"

FILES = {
    "141 a document to run": ("runs", "start", "{file}", "--input", "volumeName=data"),
    "141 a document to check": ("workflows", "check", "{file}"),
    "141 a body to send": ("apis", "call", "daytona.createVolume", "--yes", "--body", "{file}"),
    "141 a test beside the rules": ("rules", "test", "--config", "{config}"),
}


@pytest.mark.parametrize("words", FILES.values(), ids=FILES)
async def test_a_file_of_ten_megabytes_ends_in_one_sentence_and_leaves_nothing(
    opened: Opened, redis: Redis, tmp_path: Path, words: tuple[str, ...]
) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    large = config / "rules" / "large.test.yaml"
    large.write_bytes(b"tests:\n" + b"  - name: again\n" * (TEN_MEGABYTES // 16))
    cli = Commands(opened, {"DAYTONA_API_URL": "http://127.0.0.1:1", "DAYTONA_API_KEY": SECRET})
    before = set(redis.keys("*"))

    ended = cli(*(word.format(file=large, config=config) for word in words))

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "expected at most 262144: split the file" in said
    assert len(said) < 1000
    assert "Traceback" not in said
    assert SECRET not in said
    assert set(redis.keys("*")) == before


def off_by(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock of this process; the server keeps its own."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)


def configured(monkeypatch: pytest.MonkeyPatch) -> Config:
    """The shipped configuration, with what it reads from the environment."""
    monkeypatch.setenv("DAYTONA_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("DAYTONA_ORGANIZATION_ID", ORGANIZATION)
    return load_config(CONFIG)


CLOCKS = {"150 an hour ahead": (HOUR, "too_old"), "150 an hour behind": (-HOUR, "too_new")}


@pytest.mark.every_server
@pytest.mark.parametrize(("off", "reason"), CLOCKS.values(), ids=CLOCKS)
async def test_150_a_web_process_with_a_wrong_clock_refuses_and_recovers_with_its_clock(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, off: float, reason: str
) -> None:
    app = create_app(Web(opened.settings, opened.store, Live(configured(monkeypatch), receives=True)))
    body = b'{"event": "volume.created", "id": "v", "timestamp": "2026-01-01T00:00:00Z"}'
    headers = signed(body)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://reactor") as http:
        with monkeypatch.context() as wrong:
            off_by(wrong, off)
            refused = await http.post(PATH, content=body, headers=headers)
            recorded = await opened.store.log.length()
        again = await http.post(PATH, content=body, headers=headers)

    assert (refused.status_code, refused.json()["reason"], recorded) == (401, reason, 0)
    assert (again.status_code, await opened.store.log.length()) == (204, 1)


@pytest.mark.every_server
@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_150_leases_times_and_retention_are_the_servers_whatever_the_clock_of_a_process(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    await append(opened, volume("ready"))
    await planned(opened)
    row = await claimed(opened)

    off_by(monkeypatch, off)

    assert await refusal(opened) == "leased"
    assert await DuePoller(opened.store, opened.queue).sweep() == 0
    assert await opened.store.retention.trim() == 0
    assert await opened.store.ledger.renew(row)
    assert await opened.store.ledger.finish(row, Ending("due"))
    assert (await claimed(opened)).attempts == 2
