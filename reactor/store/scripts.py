"""Runs Lua scripts by their digest, alone or many in one round trip.

Owns loading and NOSCRIPT (the server was restarted or its cache flushed). Knows no key.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import NoScriptError

from reactor.errors import StoreUnavailable
from reactor.store.client import available, refused_script
from reactor.store.grouping import Grouped

Arg = str | bytes | int | float
Call = tuple[str, Sequence[str], Sequence[Arg]]
"""Script name, keys, arguments."""

_FOLDER = resources.files("reactor.store") / "lua"


def _included(source: str) -> str:
    """A script with what it shares with others in the place of `-- @include <part>`: Lua in Redis has no modules."""
    return re.sub(
        r"^-- @include (\w+)$", lambda found: _text(_FOLDER / "parts" / f"{found[1]}.lua"), source, flags=re.M
    )


def _text(path: Traversable) -> str:
    return path.read_text("utf-8")


def sources_in(folder: Traversable) -> dict[str, str]:
    """The scripts of a folder by name, whole."""
    files = (path for path in folder.iterdir() if path.name.endswith(".lua"))
    return {path.name.removesuffix(".lua"): _included(_text(path)) for path in files}


SOURCES = sources_in(_FOLDER)


class Scripts:
    """A set of scripts at one server; the store's own unless others are given by name.

    What is asked for while a round trip is under way shares the next one.
    """

    def __init__(self, redis: "aioredis.Redis", sources: Mapping[str, str] = SOURCES) -> None:
        self._redis = redis
        self._sent: Grouped[Call, Any] = Grouped(self._perform)
        self._sources = sources
        self._digests = {
            name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest() for name, source in sources.items()
        }

    async def run(self, name: str, keys: Sequence[str], args: Sequence[Arg]) -> Any:
        """Run one script. Raises StoreUnavailable."""
        [result] = await self.run_many([(name, keys, args)])
        return result

    async def run_many(self, calls: Iterable[Call]) -> list[Any]:
        """Run scripts in order in one round trip. Not a transaction: each script is one. Raises StoreUnavailable."""
        results = await self.run_each(calls)
        for result in results:
            if isinstance(result, StoreUnavailable):
                raise result
        return results

    async def run_each(self, calls: Iterable[Call]) -> list[Any]:
        """As `run_many`, but a script that the server refused has StoreUnavailable as its result, and no other suffers.

        Raises StoreUnavailable when the server can't be reached at all.
        """
        calls = list(calls)
        results = await self._sent.ask(calls)
        return [_refused(call, result) for call, result in zip(calls, results, strict=True)]

    async def _perform(self, calls: Sequence[Call]) -> list[Any]:
        """Run a group; what the server has forgotten is loaded, and run then."""
        results = await self._send(calls)
        missing = [number for number, result in enumerate(results) if isinstance(result, NoScriptError)]
        if missing:
            await self._load({calls[number][0] for number in missing})
            for number, result in zip(missing, await self._send([calls[n] for n in missing]), strict=True):
                results[number] = result
        return results

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        async with available():
            pipeline = self._redis.pipeline(transaction=False)
            for name, keys, args in calls:
                pipeline.evalsha(self._digests[name], len(keys), *keys, *args)
            return await pipeline.execute(raise_on_error=False)

    async def _load(self, names: set[str]) -> None:
        async with available():
            for name in names:
                await self._redis.script_load(self._sources[name])


def _refused(call: Call, result: Any) -> Any:
    return refused_script(call[0], result) if isinstance(result, Exception) else result
