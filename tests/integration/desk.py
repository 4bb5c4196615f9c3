"""One rule before a real store: events are told to it in any order and of any time, and what became of each is seen."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import CONFIG, Opened
from stage import append, eventually, volume

from reactor.config import Config, load_config
from reactor.dispatch import Dispatcher
from reactor.due import DuePoller
from reactor.reload import Live
from reactor.store.ledger import Row
from reactor.store.plans import Timer

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000

RULE = """rules:
  - name: r
    on: volume.state.updated
    match: {newState: error}
    max_age: 1d
    do: [{call: daytona.deleteVolume, parameters: {volumeId: "${event.id}"}}]
"""


def with_rules(directory: Path, text: str) -> Config:
    """The shipped configuration with other rules."""
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"), dirs_exist_ok=True)
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "r.yaml").write_text(text, "utf-8")
    return load_config(directory)


@dataclass
class Desk:
    """A dispatcher and a due poller that act when they are told to."""

    opened: Opened
    config: Config
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.opened.store, self.opened.queue, Live(self.config), takeover=5.0)
        self.poller = DuePoller(self.opened.store, self.opened.queue)

    async def tell(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Let an event come, and return what became of the rule: its outcome and findings; nothing if it did not fire."""
        appended = await append(self.opened, payload, f"msg_{len(self.told)}")
        self.told.append(appended.entry)
        await self.dispatcher.react(await self.opened.store.log.read("reader", block=0.1))
        plan = await self.opened.store.plans.get(appended.entry)
        assert plan is not None
        return next(iter(plan["rules"]), {})

    async def error(self, *, id: str = "vol-1", ago: int = 0, **others: Any) -> dict[str, Any]:
        """A volume has come to be in error; each time it is another event."""
        return await self.tell(volume("error", id=id, name=f"n-{id}", ago=ago, number=len(self.told), **others))

    async def rows(self) -> list[Row]:
        """All rows there are, in the order of their events."""
        redis, keys = self.opened.store.redis, self.opened.store.keys
        found = [key.decode().rpartition(":")[2] async for key in redis.scan_iter(keys.row("*"))]
        rows = [row for each in found if (row := await self.opened.store.ledger.get(each))]
        return sorted(rows, key=lambda row: row.entry)

    async def volumes(self) -> list[str]:
        """The volumes that the rule acted on."""
        return [row.what["parameters"]["volumeId"] for row in await self.rows()]

    async def timer(self, told: dict[str, Any]) -> Timer:
        """The timer of what an event was told."""
        timer = await self.opened.store.plans.timer(told["timer"])
        assert timer is not None
        return timer

    async def ripe(self, told: dict[str, Any]) -> Timer:
        """Sweep until a timer is ripe, and return it."""

        async def look() -> Timer | None:
            await self.poller.sweep()
            timer = await self.timer(told)
            return timer if timer.outcome else None

        timer: Timer = await eventually(look)
        return timer


def desk(opened: Opened, directory: Path, *knobs: str, rule: str = RULE) -> Desk:
    """A desk for one rule about volumes in error, with these knobs."""
    return Desk(opened, with_rules(directory, rule + "".join(f"    {knob}\n" for knob in knobs)))


def why(told: dict[str, Any] | Timer) -> list[tuple[str, Any, Any, bool]]:
    """The findings of what became of a rule."""
    findings: Sequence[Any] = told.findings if isinstance(told, Timer) else told["findings"]
    return [(each["clause"], each["asked"], each["saw"], each["held"]) for each in findings]
