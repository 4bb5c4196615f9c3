"""What rules remember in memory is what the scripts at the server remember: the same outcomes, for the same reasons."""

import shutil
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import CONFIG, ORGANIZATION, Opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from stage import iso

from reactor.config import Config, load_config
from reactor.events import meaning
from reactor.planning import Occasion, decides, plan_event
from reactor.rehearsal.memory import Memory, Outcome
from reactor.rehearsal.table import Table
from reactor.store.log import Entry
from reactor.store.resources import Observation

MINUTE = 60_000

CONTROLS = (
    ["cooldown: 5m"],
    ["throttle: {limit: 2, within: 6m}"],
    ["count: {at_least: 2, within: 4m}"],
    ["count: {at_least: 2, within: 9m}", "cooldown: 3m"],
    ["for: 3m"],
    ["for: 2m", "throttle: {limit: 1, within: 10m}"],
    ["unless: {on: volume.state.updated, match: {newState: error}, within: 4m}"],
    ["debounce: {wait: 2m, at_most: 5m}"],
    ["debounce: {wait: 1m, at_most: 1m}", "cooldown: 4m"],
    ["cooldown: 4m", "enforce: shadow"],
)

RULE = """\
  - name: rule-{number}
    on: volume.state.updated
    match: {{newState: ready}}
    max_age: 7d
    {controls}
    do: [{{call: daytona.deleteVolume, parameters: {{volumeId: "${{event.id}}"}}}}]
"""

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.one_of(st.just(0), st.integers(0, 40)),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["ready", "ready", "error", "creating"]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=14,
)
"""When each was accepted, and how long before that it happened (both in half minutes), its volume and state, and whether it
is no event of its own but a replay of one that came before."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration with a rule for each control."""
    directory = tmp_path_factory.mktemp("rehearsed") / "config"
    shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"))
    (directory / "rules").mkdir()
    rules = [RULE.format(number=number, controls="\n    ".join(lines)) for number, lines in enumerate(CONTROLS)]
    (directory / "rules" / "r.yaml").write_text("rules:\n" + "".join(rules), "utf-8")
    return directory


loaded = cache(load_config)


class Both:
    """The same events, put to the server and to the memory."""

    def __init__(self, opened: Opened, config: Config) -> None:
        self.opened, self.config = opened, config
        self.table = Table(int(opened.settings.dedup_window * 1000))
        self.memory = Memory(self.table)

    async def hear(self, entry: Entry) -> None:
        event, at = entry.event(), entry.accepted
        sighting = self.config.apis["daytona"].provider.sighting(event, accepted=at)
        [verdict] = await self.opened.store.resources.observe(
            [Observation(entry.entry, "daytona", meaning(event, "daytona"), sighting)]
        )
        assert self.table.observe("daytona", meaning(event, "daytona"), sighting, at) == verdict
        if not decides(event, verdict):
            return
        plan = plan_event(
            Occasion(entry, event, sighting, "daytona", verdict),
            self.config.rules.fired(event),
            self.config.rules,
            "revision",
        )
        [stored] = await self.opened.store.plans.keep([plan])
        expected = [
            {"rule": rule["rule"], "outcome": rule["outcome"], "findings": rule["findings"]}
            for rule in stored.plan["rules"]
        ]
        assert [_said(outcome) for outcome in self.memory.plan(plan, at)] == expected

    async def ripen(self, until: int) -> None:
        waiting = [name for name, timer in self.memory._timers.items() if not timer.ripe]
        outcomes = list(self.memory.ripen(until))
        ripe = [name for name in waiting if self.memory._timers[name].ripe]
        by_time = sorted(ripe, key=lambda name: self.memory._timers[name].at)
        for name, outcome in zip(by_time, outcomes, strict=True):
            [ripened] = await self.opened.store.due.ripen([name])
            timer = await self.opened.store.plans.timer(name)
            assert timer is not None
            assert (timer.outcome, list(timer.findings)) == (outcome.outcome, list(outcome.findings)), ripened


def told(number: int, accepted: int, happened: int, volume: str, state: str) -> Entry:
    """A volume has come to be in a state: when it did, and when that was accepted."""
    payload = {"event": "volume.state.updated", "timestamp": iso(happened), "id": volume, "name": volume}
    body = orjson.dumps({**payload, "oldState": "creating", "newState": state})
    return Entry(f"{accepted}-{number}", "daytona", f"msg_{number}", ORGANIZATION, body)


def _said(outcome: Outcome) -> dict[str, Any]:
    return {"rule": outcome.rule, "outcome": outcome.outcome, "findings": list(outcome.findings)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
async def test_the_memory_decides_as_the_server_does(
    opened: Opened, redis: Redis, directory: Path, events: list[tuple[int, int, str, str, bool]]
) -> None:
    """In whatever order events come, late ones and replays among them; timers ripen in between."""
    redis.flushall()
    both, began = Both(opened, loaded(directory)), int(time.time() * 1000) - 3 * 60 * MINUTE
    heard: list[Entry] = []

    for number, (offset, lag, volume, state, again) in enumerate(sorted(events)):
        at = began + offset * MINUTE // 2 + number
        await both.ripen(at)
        entry = told(number, at, at - lag * MINUTE // 2, volume, state)
        if again and heard:
            first = heard[number % len(heard)]
            entry = replace(first, entry=entry.entry, generation=number)
        else:
            heard.append(entry)
        await both.hear(entry)
    await both.ripen(began + 2 * 60 * MINUTE)
