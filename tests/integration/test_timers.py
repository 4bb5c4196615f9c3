"""Rules that wait: `for`, `unless` and `debounce` look again when their time has come, once, whoever asks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import Opened
from desk import MINUTE, RULE, SECOND, Desk, desk, why
from stage import eventually, iso, now_ms, volume

pytestmark = pytest.mark.every_server

FOR = "for: 10m"
UNLESS = "unless: {on: volume.state.updated, match: {newState: ready}, within: 10m}"
DEBOUNCE = "debounce: {wait: 10m, at_most: 30m}"


async def test_a_state_that_lasted_makes_its_rows_when_its_time_has_come(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)

    told = await at.error(ago=11 * MINUTE)

    assert told["outcome"] == "waiting"
    assert await at.rows() == []
    timer = await at.ripe(told)
    assert (timer.outcome, why(timer)) == ("planned", [("for", "10m", "error", True)])
    [row] = await at.rows()
    assert (row.state, row.id, row.what["parameters"]) == ("due", *timer.rows, {"volumeId": "vol-1"})
    assert row.since == timer.at
    [job] = await opened.queue.pop("worker", 10)
    assert job.ticket is not None
    assert job.ticket.row == row.id


async def test_nothing_is_done_before_its_time(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "for: 1500ms")
    began = now_ms()

    told = await at.error()
    await at.poller.sweep()
    assert await at.rows() == []
    await at.ripe(told)

    assert now_ms() - began >= 1500
    assert len(await at.rows()) == 1


async def test_a_state_that_was_left_does_nothing(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)
    told = await at.error(ago=11 * MINUTE)
    await at.tell(volume("deleting", ago=5 * MINUTE))

    timer = await at.ripe(told)

    assert (timer.outcome, why(timer)) == ("withheld", [("for", "10m", "deleting", False)])
    assert await at.rows() == []


async def test_a_state_that_was_left_and_entered_again_counts_from_then(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)
    first = await at.error(ago=15 * MINUTE)
    await at.tell(volume("ready", ago=14 * MINUTE))
    second = await at.error(ago=13 * MINUTE)

    timers = [await at.ripe(first), await at.ripe(second)]

    assert [timer.outcome for timer in timers] == ["withheld", "planned"]
    assert len(await at.rows()) == 1


async def test_a_state_entered_again_is_known_also_where_what_lay_between_comes_late(
    opened: Opened, tmp_path: Path
) -> None:
    at = desk(opened, tmp_path, FOR)
    first = await at.error(ago=15 * MINUTE)
    second = await at.error(ago=5 * MINUTE)
    await at.tell(volume("ready", ago=7 * MINUTE))

    assert (await at.ripe(first)).outcome == "withheld"
    assert (await at.timer(second)).outcome == ""


async def test_an_event_of_a_state_that_is_left_already_does_not_wait(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR, "stale: run")
    await at.tell(volume("ready", ago=MINUTE))

    told = await at.error(ago=5 * MINUTE)

    assert told["outcome"] == "withheld"
    assert why(told) == [("for", "10m", "the resource is ready by now", False)]


async def test_the_limits_are_asked_when_a_rule_would_act(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR, "cooldown: 1h", "key: all")
    told = [await at.error(id=f"vol-{n}", ago=(20 - n) * MINUTE) for n in range(3)]

    timers = [await at.ripe(each) for each in told]

    assert sorted(timer.outcome for timer in timers) == ["planned", "withheld", "withheld"]
    assert len(await at.rows()) == 1


async def test_a_timer_that_nobody_looked_at_for_too_long_is_recorded_only(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "for: 1m", rule=RULE.replace("max_age: 1d", "max_age: 1h"))

    timer = await at.ripe(await at.error(ago=62 * MINUTE))

    assert (timer.outcome, why(timer)[1][0]) == ("withheld", "max_age")
    assert await at.rows() == []


async def test_what_was_called_off_does_nothing(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, UNLESS)
    told = await at.error(ago=20 * MINUTE)
    await at.tell(volume("ready", ago=15 * MINUTE))

    timer = await at.ripe(told)

    assert (timer.outcome, why(timer)) == ("withheld", [("unless", "10m", 1, False)])


@pytest.mark.parametrize(("ago", "id"), [(9, "vol-1"), (21, "vol-1"), (15, "vol-2")], ids=["after", "before", "other"])
async def test_what_is_not_called_off_in_time_or_by_another_acts(
    opened: Opened, tmp_path: Path, ago: int, id: str
) -> None:
    at = desk(opened, tmp_path, UNLESS)
    if ago > 20:
        await at.tell(volume("ready", id=id, ago=ago * MINUTE))
    told = await at.error(ago=20 * MINUTE)
    if ago < 20:
        await at.tell(volume("ready", id=id, ago=ago * MINUTE))

    timer = await at.ripe(told)

    assert (timer.outcome, why(timer)) == ("planned", [("unless", "10m", 0, True)])
    assert await at.volumes() == ["vol-1"]


async def test_what_calls_off_may_come_first_and_out_of_order(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, UNLESS, "stale: run")
    await at.tell(volume("ready", ago=15 * MINUTE))

    told = await at.error(ago=20 * MINUTE)

    assert (await at.ripe(told)).outcome == "withheld"


async def test_later_events_do_not_hide_the_one_that_called_off(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, UNLESS)
    told = await at.error(ago=25 * MINUTE)
    for ago in (20, 10, 5):
        await at.tell(volume("ready", ago=ago * MINUTE, n=ago))

    assert (await at.ripe(told)).outcome == "withheld"


async def test_what_calls_off_may_have_a_key_of_its_own(opened: Opened, tmp_path: Path) -> None:
    knob = UNLESS.replace("within", 'key: "${event.data.of}", within').replace(
        "on: volume.state.updated", "on: other.done"
    )
    at = desk(opened, tmp_path, knob.replace("match: {newState: ready}, ", ""), 'key: "${event.id}"')
    told = [await at.error(id=f"vol-{n}", ago=20 * MINUTE) for n in range(2)]
    await at.tell({"event": "other.done", "of": "vol-0", "timestamp": iso(now_ms() - 15 * MINUTE)})

    assert [(await at.ripe(each)).outcome for each in told] == ["withheld", "planned"]


async def test_of_a_burst_the_last_event_acts_once(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE, "key: all")
    told = [await at.error(id=f"vol-{ago}", ago=ago * MINUTE) for ago in (40, 35, 30)]

    timer = await at.ripe(told[0])

    assert len({each["timer"] for each in told}) == 1
    assert (timer.outcome, timer.entry, why(timer)[0][2]) == ("planned", at.told[-1], 3)
    assert await at.volumes() == ["vol-30"]
    assert [row.id for row in await opened.store.plans.rows_of(at.told[-1])] == list(timer.rows)
    assert await opened.store.plans.rows_of(at.told[0]) == []


async def test_the_last_of_a_burst_is_so_by_its_time_not_its_arrival(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE, "key: all")
    told = [await at.error(id=f"vol-{ago}", ago=ago * MINUTE) for ago in (40, 32, 36)]

    timer = await at.ripe(told[0])

    assert await at.volumes() == ["vol-32"]
    assert abs(timer.at - (now_ms() - 22 * MINUTE)) < 30 * SECOND


async def test_a_burst_that_does_not_end_acts_at_its_ceiling_and_begins_anew(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE, "key: all")

    told = [await at.error(id=f"vol-{ago}", ago=ago * MINUTE) for ago in range(90, 20, -5)]
    timers = {each["timer"]: await at.ripe(each) for each in told}

    assert [timer.outcome for timer in timers.values()] == ["planned"] * len(timers)
    assert await at.volumes() == ["vol-65", "vol-35", "vol-25"]


async def test_events_further_apart_than_the_pause_are_bursts_of_their_own(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE, "key: all")
    told = [await at.error(id=f"vol-{ago}", ago=ago * MINUTE) for ago in (60, 45)]

    for each in told:
        await at.ripe(each)

    assert sorted(await at.volumes()) == ["vol-45", "vol-60"]


async def test_an_event_that_is_too_old_for_a_burst_does_not_end_it(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE, "key: all")
    open = await at.error(id="vol-1", ago=5 * MINUTE)

    late = await at.error(id="vol-2", ago=90 * MINUTE)
    joined = await at.error(id="vol-3", ago=4 * MINUTE)

    assert open["timer"] == joined["timer"] != late["timer"]
    assert (await at.ripe(late)).outcome == "planned"
    assert (await at.timer(open)).outcome == ""
    assert await at.volumes() == ["vol-2"]


async def test_a_state_that_is_told_twice_is_waited_for_once(opened: Opened, tmp_path: Path) -> None:
    rule = RULE.replace("volume.state.updated", "volume.created").replace("newState: error", "state: creating")
    at = desk(opened, tmp_path, FOR, rule=rule)
    made = {"event": "volume.created", "id": "vol-1", "name": "n", "state": "creating"}

    told = [await at.tell({**made, "timestamp": iso(now_ms() - ago * MINUTE), "n": ago}) for ago in (30, 20)]

    timer = await at.ripe(told[0])
    assert timer.outcome == "planned"
    assert len(await at.rows()) == 1
    assert told[1] == {} or told[1]["timer"] == told[0]["timer"]


async def test_a_burst_waits_until_it_is_over(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, "debounce: {wait: 1s, at_most: 1h}")
    told = await at.error(id="vol-1")
    before = (await at.timer(told)).at
    await eventually(lambda: _later(before, at))
    await at.error(id="vol-1")

    assert (await at.timer(told)).at > before
    await at.ripe(told)
    assert len(await at.rows()) == 1


async def _later(before: int, at: Desk) -> bool:
    return now_ms() > before - 900


async def test_many_pollers_let_a_timer_act_once(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)
    told = await at.error(ago=11 * MINUTE)

    ripened = await asyncio.gather(*(opened.store.due.ripen([told["timer"]]) for _ in range(20)))

    outcomes = [getattr(result, "outcome", None) for [result] in ripened]
    assert sorted(map(str, outcomes)) == [""] * 19 + ["planned"]
    assert len(await at.rows()) == 1
    assert await opened.store.due.length() == 1


async def test_an_event_planned_twice_has_one_timer(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, DEBOUNCE)
    told = await at.error(ago=11 * MINUTE)
    rival = Desk(opened, at.config)

    entries = await opened.store.log.entries()
    await asyncio.gather(at.dispatcher.react(entries), rival.dispatcher.react(entries))

    assert why(await at.ripe(told))[0][2] == 1
    assert len(await at.rows()) == 1


async def test_an_event_planned_again_after_its_timer_acted_does_nothing_more(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)
    await at.ripe(await at.error(ago=11 * MINUTE))

    await at.dispatcher.react(await opened.store.log.entries())

    assert len(await at.rows()) == 1


async def test_a_shadow_that_waits_has_no_rows_in_the_end(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR, "enforce: shadow")

    timer = await at.ripe(await at.error(ago=11 * MINUTE))

    assert (timer.outcome, why(timer)[-1]) == ("shadow", ("enforce", "on", "shadow", False))
    assert await at.rows() == []


async def test_a_timer_acts_as_planned_when_its_rule_is_gone(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path / "before", FOR)
    told = await at.error(ago=11 * MINUTE)
    after = desk(opened, tmp_path / "after", rule=RULE.replace("name: r", "name: another"))

    await after.poller.sweep()

    assert (await at.timer(told)).outcome == "planned"
    assert [row.rule for row in await at.rows()] == ["r"]


async def test_a_timer_that_can_not_be_read_is_in_no_others_way(opened: Opened, tmp_path: Path) -> None:
    at = desk(opened, tmp_path, FOR)
    broken, good = [await at.error(id=f"vol-{n}", ago=11 * MINUTE) for n in range(2)]
    redis: Any = opened.store.redis
    await redis.hset(opened.store.keys.timer(broken["timer"]), "decision", "{")

    await at.poller.sweep()

    assert (await at.timer(good)).outcome == "planned"
    assert await redis.zscore(opened.store.keys.due, f"timer/{broken['timer']}") > now_ms()
