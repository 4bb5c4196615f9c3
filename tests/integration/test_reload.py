"""A changed configuration comes into force whole, while everything runs; a bad one changes nothing and says so."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, ORGANIZATION, SECRET, Opened
from stage import logged, said, volume
from structlog.testing import capture_logs

from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.reload import Live, Reloader, kept_config

OTHER_SECRET = "whsec_" + "b3RoZXItb2YtdGhlLXRlc3RzLTI0LWJ5dGVzLWxvbmc="

RULE = """\
  - name: {name}
    on: volume.state.updated
    match: {{newState: ready, name: {{prefix: {name}}}}}
    do:
      - call: daytona.createSandbox
        body: {{name: "sandbox-for-${{event.name}}", snapshot: base}}
"""


def rules(*names: str) -> str:
    return "rules:\n" + "".join(RULE.format(name=name) for name in names) if names else "rules: []\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped configuration, with one rule."""
    monkeypatch.setenv("DAYTONA_ORGANIZATION_ID", ORGANIZATION)
    monkeypatch.setenv("DAYTONA_WEBHOOK_SECRET", SECRET)
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("*.test.yaml"))
    (tmp_path / "config" / "rules" / "volumes.yaml").write_text(rules("first"))
    return tmp_path / "config"


def watching(opened: Opened, directory: Path, *, receives: bool = False) -> tuple[Live, Reloader]:
    live = Live.load(directory, receives=receives)
    return live, Reloader(live, directory, opened.store, role="serve", every=0.01)


def names(live: Live) -> list[str]:
    return [rule.name for rule in live.config.rules.rules]


async def twice(look: Callable[[], Awaitable[None]]) -> None:
    """One look sees that something has changed, the next one that it stays so."""
    await look()
    await look()


async def test_a_changed_rule_is_in_force_after_the_directory_was_still_for_one_look(
    opened: Opened, directory: Path
) -> None:
    live, reloader = watching(opened, directory)

    (directory / "rules" / "volumes.yaml").write_text(rules("second"))
    await reloader.look()
    half_way = names(live)
    await reloader.look()

    assert half_way == ["first"]
    assert names(live) == ["second"]


async def test_a_file_that_is_still_being_written_is_left_alone(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)
    file = directory / "rules" / "volumes.yaml"

    seen = []
    for length in (20, 60, 120):  # every look finds it longer than the last
        file.write_text(rules("second", "third")[:length])
        await reloader.look()
        seen.append((names(live), live.now.refused))
    file.write_text(rules("second", "third"))
    await twice(reloader.look)

    assert seen == [(["first"], "")] * 3
    assert names(live) == ["second", "third"]


async def test_a_mounted_config_map_is_followed_through_its_swaps(
    opened: Opened, directory: Path, tmp_path: Path
) -> None:
    shutil.rmtree(directory / "rules")
    mounted(directory / "rules", "..1", rules("first"))
    live, reloader = watching(opened, directory)

    seen = []
    for number, name in enumerate(("second", "third"), start=2):
        mounted(directory / "rules", f"..{number}", rules(name))
        await twice(reloader.look)
        seen += names(live)

    assert seen == ["second", "third"]


def mounted(folder: Path, version: str, text: str) -> None:
    """Bring a version of a ConfigMap into a mount as the kubelet does: one link is renamed over another."""
    (folder / version).mkdir(parents=True)
    (folder / version / "volumes.yaml").write_text(text)
    os.symlink(version, folder / "..data_tmp")
    os.replace(folder / "..data_tmp", folder / "..data")
    if not (folder / "volumes.yaml").is_symlink():
        os.symlink("..data/volumes.yaml", folder / "volumes.yaml")


def _typo(directory: Path) -> None:
    (directory / "rules" / "volumes.yaml").write_text(rules("second").replace("newState", "newSate"))


def _gone(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))


def _link_to_nothing(directory: Path) -> None:
    (directory / "rules" / "volumes.yaml").unlink()
    (directory / "rules" / "volumes.yaml").symlink_to("nowhere.yaml")


def _pipe(directory: Path) -> None:
    os.mkfifo(directory / "rules" / "more.yaml")


def _folder(directory: Path) -> None:
    (directory / "rules" / "more.yaml").mkdir()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_typo, "volumes.yaml:4:13: found 'newSate', expected one of"),
        (_gone, "is no directory"),
        (_link_to_nothing, "volumes.yaml: can't be read: No such file"),
        (_pipe, "more.yaml: can't be read: is no regular file"),
        (_folder, "more.yaml: can't be read: "),
    ],
)
async def test_what_is_wrong_with_a_directory_is_said_once_and_the_last_good_one_stays(
    opened: Opened, directory: Path, harm: Callable[[Path], None], reason: str
) -> None:
    live, reloader = watching(opened, directory)

    harm(directory)
    with capture_logs() as logs:
        for _ in range(4):
            await reloader.look()

    assert names(live) == ["first"]
    assert reason in live.now.refused
    assert [line["event"] for line in logs] == ["configuration refused"]


async def test_a_test_beside_the_rules_that_fails_keeps_a_change_out_of_force(opened: Opened, directory: Path) -> None:
    shutil.copy(CONFIG / "rules" / "volumes.test.yaml", directory / "rules")
    shutil.copy(CONFIG / "rules" / "volumes.yaml", directory / "rules")
    live, reloader = watching(opened, directory)
    before = live.config.revision

    file = directory / "rules" / "volumes.yaml"
    file.write_text(file.read_text().replace("prefix: build-", "prefix: never-"))
    await twice(reloader.look)

    assert live.config.revision == before
    assert "volumes.test.yaml:" in live.now.refused
    assert "test failed: " in live.now.refused


async def test_what_was_refused_comes_into_force_once_it_is_put_right(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)
    _typo(directory)
    await twice(reloader.look)

    (directory / "rules" / "volumes.yaml").write_text(rules("first"))
    await twice(reloader.look)

    assert live.now.refused == ""


async def test_a_set_of_rules_that_shrinks_by_more_than_half_waits_for_a_person(
    opened: Opened, directory: Path
) -> None:
    (directory / "rules" / "volumes.yaml").write_text(rules("one", "two", "three"))
    live, reloader = watching(opened, directory)

    (directory / "rules" / "volumes.yaml").write_text(rules("one"))
    await twice(reloader.look)
    waiting = names(live), live.now.refused, live.now.remedy
    await opened.store.revisions.accept(load_config(directory).revision)
    await reloader.look()

    assert waiting[0] == ["one", "two", "three"]
    assert "reactor reload --accept-shrink" in waiting[1]
    assert waiting[2] == "reactor reload --accept-shrink"
    assert (names(live), live.now.refused) == (["one"], "")


async def test_half_of_the_rules_may_go_unasked(opened: Opened, directory: Path) -> None:
    (directory / "rules" / "volumes.yaml").write_text(rules("one", "two"))
    live, reloader = watching(opened, directory)

    (directory / "rules" / "volumes.yaml").write_text(rules("one"))
    await twice(reloader.look)

    assert names(live) == ["one"]


async def test_the_loop_goes_on_while_thousands_of_rules_are_loaded(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)
    for part in range(10):
        many = rules(*(f"team-{part}-{number}" for number in range(200)))
        (directory / "rules" / f"part-{part}.yaml").write_text(many)
    await reloader.look()

    loading, gaps = asyncio.create_task(reloader.look()), []
    while not loading.done():
        began = time.monotonic()
        await asyncio.sleep(0.001)
        gaps.append(time.monotonic() - began)

    assert len(names(live)) == 2001
    assert len(gaps) > 10
    assert max(gaps) < 2.0


async def test_a_signing_secret_in_a_file_is_rotated_without_a_restart(
    opened: Opened, directory: Path, tmp_path: Path
) -> None:
    (secret := tmp_path / "secret").write_text(SECRET)
    declared = directory / "secrets.yaml"
    declared.write_text(declared.read_text().replace("{env: DAYTONA_WEBHOOK_SECRET}", f"{{file: {secret}}}"))
    live, reloader = watching(opened, directory, receives=True)
    before, config = live.now.sources["daytona"], live.config

    secret.write_text(OTHER_SECRET)
    await reloader.look()

    assert live.now.sources["daytona"] != before
    assert live.config is config


async def test_a_secret_that_is_none_leaves_the_last_one_in_force(
    opened: Opened, directory: Path, tmp_path: Path
) -> None:
    (secret := tmp_path / "secret").write_text(SECRET)
    declared = directory / "secrets.yaml"
    declared.write_text(declared.read_text().replace("{env: DAYTONA_WEBHOOK_SECRET}", f"{{file: {secret}}}"))
    live, reloader = watching(opened, directory, receives=True)
    before = live.now.sources

    secret.write_text("")
    with capture_logs() as logs:
        await twice(reloader.look)

    assert live.now.sources is before
    assert await said(logs, "signing secrets refused")


async def test_events_that_are_read_together_are_decided_by_one_revision(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)
    entries = await logged(opened, volume("ready", id="vol-1"), volume("ready", id="vol-2"))

    class Reloading(Dispatcher):
        """The directory changes while a batch is under way."""

        async def observe(self, arrivals):  # type: ignore[no-untyped-def]
            (directory / "rules" / "volumes.yaml").write_text(rules("build"))
            await twice(reloader.look)
            return await super().observe(arrivals)

    old = live.config.revision
    await Reloading(opened.store, opened.queue, live, takeover=1.0).react(entries)

    assert live.config.revision != old
    for entry in entries:
        plan: Any = await opened.store.redis.hget(opened.store.keys.event(entry.entry), "plan")
        assert f'"{old}"'.encode() in plan


async def test_the_configuration_of_an_old_plan_can_be_made_again(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)
    old = live.config
    await reloader._tell()

    (directory / "rules" / "volumes.yaml").write_text(rules("second"))
    await twice(reloader.look)
    await reloader._tell()
    again = await kept_config(opened.store, old.revision)

    assert again is not None
    assert (again.revision, [rule.name for rule in again.rules.rules]) == (old.revision, ["first"])
    assert await opened.store.redis.pttl(opened.store.keys.revision(old.revision)) > 28 * 86400 * 1000


async def test_a_text_that_revisions_share_is_kept_once_and_as_long_as_the_newest(
    opened: Opened, directory: Path
) -> None:
    _live, reloader = watching(opened, directory)
    redis, keys = opened.store.redis, opened.store.keys
    await reloader._tell()
    before = {key async for key in redis.scan_iter(keys.text("*"))}
    for key in before:
        await redis.pexpire(key, 60_000)

    (directory / "rules" / "volumes.yaml").write_text(rules("second"))
    await twice(reloader.look)
    await reloader._tell()

    after = {key async for key in redis.scan_iter(keys.text("*"))}
    assert len(after) == len(before) + 1
    assert sum([await redis.pttl(key) <= 60_000 for key in after]) == 1


async def test_a_revision_that_nobody_kept_is_none(opened: Opened) -> None:
    assert await kept_config(opened.store, "0123456789ab") is None


async def test_each_process_says_what_it_runs_and_what_it_refuses(opened: Opened, directory: Path) -> None:
    live, reloader = watching(opened, directory)

    _typo(directory)
    await twice(reloader.look)
    await reloader._tell()
    [process] = await opened.store.revisions.processes()

    assert (process.role, process.revision, process.rules) == ("serve", live.config.revision, 1)
    assert "newSate" in process.refused
    await reloader._leave()
    assert await opened.store.revisions.processes() == []
