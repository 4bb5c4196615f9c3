"""What holds a rule back at once: age, staleness, cooldown, throttle, count, shadow; by the time of the events."""

import asyncio
import random
from pathlib import Path

import pytest
from conftest import Opened
from desk import HOUR, MINUTE, RULE, SECOND, Desk, desk, why
from stage import append, iso, now_ms, volume


async def test_what_should_have_been_done_long_ago_is_recorded_and_not_done(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, rule=RULE.replace("    max_age: 1d\n", ""))

    young = await at.error(id="vol-1", ago=59 * MINUTE)
    old = await at.error(id="vol-2", ago=61 * MINUTE)

    assert young["outcome"] == "planned"
    assert (old["outcome"], why(old)) == ("withheld", [("max_age", "1h", "3660 s", False)])
    assert await at.volumes() == ["vol-1"]


async def test_a_stale_event_fires_only_rules_that_want_it(opened: Opened, tmp_path: Path) -> None:
    skipping = desk(opened, tmp_path / "a")
    running = desk(opened, tmp_path / "b", "stale: run", rule=RULE.replace("name: r", "name: s"))
    await skipping.tell(volume("ready"))

    skipped = await skipping.error(ago=MINUTE)
    running.told = skipping.told
    run = await running.error(ago=2 * MINUTE)

    assert skipped["outcome"] == "withheld"
    assert why(skipped) == [("stale", "skip", "the resource is ready by now", False)]
    assert run["outcome"] == "planned"


async def test_a_rule_acts_once_in_its_cooldown_for_each_key(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 1h")

    told = [await at.error(ago=ago * MINUTE) for ago in (120, 100, 59, 1)]
    other = await at.error(id="vol-2", ago=100 * MINUTE)

    assert [each["outcome"] for each in told] == ["planned", "withheld", "planned", "withheld"]
    assert why(told[0]) == [("cooldown", "1h", 0, True)]
    assert why(told[1]) == [("cooldown", "1h", 1, False)]
    assert other["outcome"] == "planned"


async def test_a_cooldown_holds_whatever_order_the_events_come_in(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 1h", "stale: run")

    told = [await at.error(ago=ago * MINUTE) for ago in (10, 69, 71)]

    assert [each["outcome"] for each in told] == ["planned", "withheld", "planned"]


async def test_what_is_as_far_away_as_the_cooldown_is_long_is_outside(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 1m")
    began = now_ms() - 10 * MINUTE
    told = [volume("error", n=n) | {"timestamp": iso(began + after)} for n, after in enumerate((0, MINUTE - 1, MINUTE))]

    outcomes = [(await at.tell(payload))["outcome"] for payload in told]

    assert outcomes == ["planned", "withheld", "planned"]


async def test_a_throttle_lets_so_many_pass_within_its_time(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "throttle: {limit: 2, within: 10m}", "key: all")

    told = [await at.error(id=f"vol-{n}", ago=(30 - 3 * n) * MINUTE) for n in range(8)]

    assert [each["outcome"][0] for each in told] == list("ppwwppww")
    assert why(told[2]) == [("throttle", "2 in 10m", 2, False)]


async def test_a_throttle_is_never_exceeded_whatever_order_the_events_come_in(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "throttle: {limit: 2, within: 10m}", "key: all")
    ages = random.Random(7).sample(range(60), 30)

    passed = [
        ago for n, ago in enumerate(ages) if (await at.error(id=f"vol-{n}", ago=ago * MINUTE))["outcome"] == "planned"
    ]

    assert len(passed) > 5
    assert max(sum(start <= ago < start + 10 for ago in passed) for start in range(60)) == 2


async def test_what_one_limit_withholds_does_not_use_up_another(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 10m", "throttle: {limit: 2, within: 1h}", "key: all")

    told = [await at.error(id=f"vol-{n}", ago=ago * MINUTE) for n, ago in enumerate((50, 49, 48, 30, 10))]

    assert [each["outcome"][0] for each in told] == list("pwwpw")
    assert why(told[4]) == [("cooldown", "10m", 0, True), ("throttle", "2 in 1h", 2, False)]


async def test_a_rule_fires_when_so_many_events_lie_within_a_time(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "count: {at_least: 3, within: 10m}", "key: all")

    told = [await at.error(id=f"vol-{n}", ago=ago * MINUTE) for n, ago in enumerate((60, 55, 40, 36, 35, 33))]

    assert [each["outcome"][0] for each in told] == list("wwwwpp")
    assert why(told[3]) == [("count", "3 in 10m", 2, False)]
    assert why(told[4]) == [("count", "3 in 10m", 3, True)]


@pytest.mark.parametrize("order", [(60, 55, 52), (52, 60, 55), (55, 52, 60)])
async def test_the_last_to_come_completes_a_count_wherever_its_time_lies(
    opened: Opened, tmp_path: Path, order: tuple[int, ...]
) -> None:
    at = desk(opened, tmp_path, "count: {at_least: 3, within: 10m}", "key: all")

    told = [await at.error(id=f"vol-{n}", ago=ago * MINUTE) for n, ago in enumerate(order)]

    assert [each["outcome"] for each in told] == ["withheld", "withheld", "planned"]


async def test_a_shadow_decides_and_records_and_has_no_rows(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "enforce: shadow", "cooldown: 1h")

    told = [await at.error(ago=ago * MINUTE) for ago in (59, 1)]

    assert [each["outcome"] for each in told] == ["shadow", "withheld"]
    assert why(told[0]) == [("cooldown", "1h", 0, True), ("enforce", "on", "shadow", False)]
    assert await at.rows() == []


async def test_a_shadow_and_the_enforced_rule_do_not_count_for_each_other(opened: Opened, tmp_path: Path) -> None:
    shadow = desk(opened, tmp_path / "a", "enforce: shadow", "cooldown: 1h")
    enforced = desk(opened, tmp_path / "b", "cooldown: 1h")
    await shadow.error(ago=2 * MINUTE)
    enforced.told = shadow.told

    told = await enforced.error(ago=MINUTE)

    assert told["outcome"] == "planned"


async def test_a_rule_that_is_off_is_not_asked(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "enforce: off")

    assert await at.error() == {}
    assert await at.rows() == []


async def test_a_key_without_a_value_withholds_the_rule(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 1h", 'key: "${event.data.owner}"')

    told = await at.error()

    assert told["outcome"] == "withheld"
    [(clause, asked, saw, held)] = why(told)
    assert (clause, asked, held) == ("key", "${event.data.owner}", False)
    assert saw.startswith("unknown: ${event.data.owner}")
    assert (await at.error(owner="me"))["outcome"] == "planned"


async def test_a_time_in_the_future_counts_as_now(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "cooldown: 1h", "key: all")

    told = [await at.error(id="vol-1", ago=-5 * HOUR), await at.error(id="vol-2", ago=SECOND)]

    assert [each["outcome"] for each in told] == ["planned", "withheld"]


async def test_an_event_planned_twice_counts_once(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "count: {at_least: 2, within: 1h}", "key: all")
    first = await at.error(id="vol-1")

    await at.dispatcher.react(await opened.store.log.entries())

    assert first["outcome"] == "withheld"
    assert await at.rows() == []
    assert (await at.error(id="vol-2"))["outcome"] == "planned"


async def test_dispatchers_at_once_exceed_no_limit(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "throttle: {limit: 3, within: 1h}", "key: all")
    for number in range(20):
        await append(opened, volume("error", id=f"vol-{number}"), f"msg_{number}")
    entries = await opened.store.log.entries()

    await asyncio.gather(*(Desk(opened, at.config).dispatcher.react(entries) for _ in range(4)))

    assert len(await at.rows()) == 3
