"""Waits: what the rows of runs wait for, a resource that changes or a message, and making them due when it is there.

Owns waking. A wait is registered by the script that stores the run which waits (`advance.lua`), so that nothing can come
between. Does not know what a run makes of what it sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from redis import asyncio as aioredis

from reactor.store.keys import Keys
from reactor.store.scripts import Call, Scripts

NAMED = "name/"
"""Before the name of a resource that a run waits for by name."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A resource that a run waits for: evidence is newer than `seen` and than `after` (seconds since the epoch).

    `resource` is its id, or the name where `may_be_name`. A name is anybody's choice: it may be another resource's id.
    `knows` is the state that the run has seen; until `deadline` (seconds since the epoch), one of all runs that wait for
    the resource looks at it every `probe` seconds (0: this one looks whatever the others do).
    """

    api: str
    kind: str
    resource: str
    seen: int
    after: float
    may_be_name: bool = False
    knows: str = ""
    probe: float = 0.0
    deadline: float = 0.0

    def registered(self, keys: Keys) -> dict[str, str]:
        """The wait as advance.lua registers it; times in milliseconds."""
        return {
            "waits": keys.waits(self.api, self.kind, ""),
            "resources": keys.resource(self.api, self.kind, ""),
            "aliases": keys.alias(self.api, self.kind, ""),
            "resource": self.resource,
            "named": NAMED if self.may_be_name else "",
            "seen": str(self.seen),
            "after": str(int(self.after * 1000)),
            "knows": self.knows,
            "probe": keys.probe(self.api, self.kind, self.resource) if self.probe else "",
            "every": str(int(self.probe * 1000)),
            "until": str(int(self.deadline * 1000)),
        }


@dataclass(frozen=True, slots=True)
class Message:
    """An event that a run waits for: its type, and the id or name of the resource it is `about` (empty: any).

    One that was accepted since the run began counts; `heard` is the log entry of the last that the run has heard.
    """

    api: str
    kind: str
    event: str
    about: str
    heard: str

    def registered(self, keys: Keys) -> dict[str, str]:
        """The wait as advance.lua registers it."""
        return {
            "hears": keys.hears(self.api, self.event, self.about),
            "told": keys.told(self.api),
            "resources": keys.resource(self.api, self.kind, ""),
            "aliases": keys.alias(self.api, self.kind, ""),
            "event": self.event,
            "about": self.about,
            "heard": self.heard,
        }


@dataclass(frozen=True, slots=True)
class News:
    """A fresh event at a log entry, and the resource that it is about, which the state table knows by now."""

    api: str
    kind: str
    id: str
    name: str | None
    event: str
    entry: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a read showed of a resource `at` a time (seconds since the epoch): its state."""

    api: str
    kind: str
    id: str
    name: str | None
    state: str
    at: float


class Waits:
    """Wakes rows that wait. `sweep_after` is in seconds: when somebody looks whether a woken row is in the queue."""

    def __init__(self, redis: "aioredis.Redis", keys: Keys, *, sweep_after: float) -> None:
        self._keys = keys
        self._scripts = Scripts(redis)
        self._sweep_after = int(sweep_after * 1000)

    async def wake(self, news: Sequence[News]) -> list[str]:
        """Make the rows due that wait for these events, or for what they changed; returns them.

        Asked twice, it wakes nobody twice. Raises StoreUnavailable.
        """
        return _rows(await self._scripts.run_many(map(self._wake, news)))

    async def share(self, shown: Shown) -> list[str]:
        """Make the rows due that wait for a resource and know of another state; returns them. Raises StoreUnavailable."""
        waits = orjson.dumps(self._waits(shown))
        args = (self._keys.row(""), self._sweep_after, shown.state, int(shown.at * 1000), waits)
        return _rows([await self._scripts.run("share", (self._keys.due,), args)])

    def _wake(self, news: News) -> Call:
        about = ["", news.id, *([news.name] if news.name else [])]
        hears = orjson.dumps([self._keys.hears(news.api, news.event, each) for each in about])
        waits = orjson.dumps(self._waits(news))
        keys = (self._keys.due, self._keys.told(news.api), self._keys.resource(news.api, news.kind, news.id))
        return "wake", keys, (self._keys.row(""), self._sweep_after, news.entry, news.event, hears, waits)

    def _waits(self, of: News | Shown) -> list[str]:
        """Where the rows are that wait for a resource: by its id, and by its name."""
        known_by = [of.id, *([NAMED + of.name] if of.name else [])]
        return [self._keys.waits(of.api, of.kind, each) for each in known_by]


def _rows(replies: Sequence[Any]) -> list[str]:
    return [row.decode() for rows in replies for row in rows]
