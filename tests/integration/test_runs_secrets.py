"""Secret inputs of a run: a literal is refused before anything is stored, a declared name or nothing works."""

from collections.abc import Callable
from typing import Any

import pytest
from at_work import AtWork, at_work
from conftest import Opened
from redis import Redis

from reactor.errors import ConfigError

CANARY = "dtn_canary_0123456789"


def plain(redis: Redis) -> str:
    """Everything that the server holds, as it reads it out."""
    read: dict[Any, Callable[[Any], Any]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": redis.xrange,
    }
    keys: Any = redis.keys("*")
    return "\n".join(f"{key!r} {read[redis.type(key)](key)!r}" for key in keys)


@pytest.mark.parametrize("given", [CANARY, f"Bearer {CANARY}", {"token": CANARY}, [CANARY], ""])
async def test_a_literal_is_refused_before_anything_is_stored(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    async with at_work(opened, monkeypatch, performing=False) as reactor:
        before = set(redis.keys("*"))
        with pytest.raises(ConfigError, match="input apiToken is a secret") as refused:
            await reactor.provision(apiToken=given)

        assert CANARY not in str(refused.value)
        assert set(redis.keys("*")) == before
        assert CANARY not in plain(redis)


async def test_the_key_of_the_api_is_used_and_stands_in_no_key(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch) as reactor:
        await use_key(reactor, monkeypatch, CANARY)
        await reactor.provision("absent")
        await reactor.provision("named", apiToken="DAYTONA_API_KEY")
        runs = [await reactor.ended("absent"), await reactor.ended("named")]

        assert [run.status for run in runs] == ["succeeded", "succeeded"]
        assert CANARY not in plain(redis)


async def use_key(reactor: AtWork, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("DAYTONA_API_KEY", key)
    await reactor.emulator.ask("PUT", "/emulator/keys", {"daytona": key})


async def test_what_is_missing_or_wrong_is_refused_before_anything_is_stored(
    opened: Opened, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(opened, monkeypatch, performing=False) as reactor:
        before = set(redis.keys("*"))
        with pytest.raises(ConfigError, match="volumeName"):
            await reactor.provision(volumeName=7)

        assert set(redis.keys("*")) == before
