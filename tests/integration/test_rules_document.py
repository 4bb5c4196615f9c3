"""What docs/rules.md says becomes of events is what becomes of them, and it says something of every field of a rule."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, Opened
from desk import MINUTE, Desk, with_rules
from stage import append, volume

from reactor.cli.explain import lines as lines_of
from reactor.config import load_config
from reactor.dispatch import Dispatcher
from reactor.operator.events import event_found
from reactor.operator.explain import explain, explanation_value
from reactor.reload import Live
from reactor.rules.model import Rule

DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
STORIES = re.findall(r"```yaml\n(rules:(?:(?!```).)*)```\n\n```\n(\d\d:\d\d .*?)```", DOCUMENT, re.S)
LINE = re.compile(r"(\d\d):(\d\d)  (\S+)(?: (\S+) +(.+))?")


@dataclass(frozen=True)
class Told:
    """One line of a story: when (minutes of the day), of which volume, its state, and what becomes of each rule."""

    minute: int
    volume: str
    state: str
    becomes: tuple[str, ...]


def lines(story: str) -> list[Told]:
    found = [LINE.fullmatch(line) for line in story.splitlines()]
    return [
        Told(int(one[1]) * 60 + int(one[2]), one[3], one[4] or "", tuple(re.split(r", (?!then)", one[5] or "")))
        for one in found
        if one
    ]


@pytest.mark.parametrize(
    ("rules", "story"), STORIES, ids=[re.findall(r"name: (\S+)", rules)[0] for rules, _ in STORIES]
)
async def test_what_becomes_of_events_is_what_the_document_says(
    opened: Opened, tmp_path: Path, rules: str, story: str
) -> None:
    at = Desk(opened, with_rules(tmp_path, rules))
    *events, now = lines(story)
    assert now.volume == "now"

    for number, event in enumerate(events):
        ago = (now.minute - event.minute) * MINUTE
        await at.tell(volume(event.state, id=event.volume, name=f"n-{event.volume}", ago=ago, number=number))

    for event, entry in zip(events, at.told, strict=True):
        plan = await opened.store.plans.get(entry)
        assert plan is not None
        became = [await words(at, events, each) for each in plan["rules"]]
        assert tuple(became or ["nothing"]) == event.becomes, event


async def words(at: Desk, events: Sequence[Told], became: dict[str, Any]) -> str:
    """What became of a rule, as the document says it."""
    if "timer" not in became:
        return str(became["outcome"]) + because(became["outcome"], became["findings"])
    timer = await at.ripe(became)
    stands_for = events[at.told.index(timer.entry)].volume
    burst = f" for {stands_for}" if timer.findings[0]["clause"] == "debounce" else ""
    return f"{became['outcome']}, then {timer.outcome}{because(timer.outcome, timer.findings)}{burst}"


def because(outcome: str, findings: Sequence[Mapping[str, Any]]) -> str:
    if outcome != "withheld":
        return ""
    return " by " + " and ".join(each["clause"] for each in findings if not each["held"])


@pytest.mark.parametrize("field", [field.alias or name for name, field in Rule.model_fields.items()])
def test_every_field_of_a_rule_is_documented(field: str) -> None:
    assert re.search(rf"^(#+ .*`{field}|\s*(- )?{field}:)", DOCUMENT, re.M)


def test_every_control_tells_a_story() -> None:
    told = "".join(rules for rules, _ in STORIES)

    for control in ("key", "stale", "count", "for", "unless", "debounce", "max_age", "cooldown", "throttle", "enforce"):
        assert re.search(rf"^ +{control}:", told, re.M), control


async def test_explain_prints_what_the_document_shows(opened: Opened) -> None:
    [(event, rule, shown)] = re.findall(r"```\n\$ reactor explain (\S+) --rule (\S+)\n(.*?)```", DOCUMENT, re.S)
    varies = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d{13}-\d+|\b[0-9a-f]{12}\b")
    config = load_config(CONFIG)
    dispatcher = Dispatcher(opened.store, opened.queue, Live(config), takeover=5.0)
    await append(opened, volume("ready", name="data-7"), event)
    await dispatcher.react(await opened.store.log.read("reader", block=0.1))

    explained = await explain(opened.store, config, await event_found(opened.store, event), rule)

    printed = "\n".join(lines_of(explanation_value(explained))) + "\n"
    assert varies.sub("…", printed) == varies.sub("…", shown)
