"""Why an event led to what it did; deciding on it once more; and what other rules would have done with it."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from conftest import CONFIG, Opened
from redis import Redis
from stage import append, claimed, volume

from reactor.cli.explain import lines
from reactor.config import Config, load_config
from reactor.dispatch import Dispatcher
from reactor.events import OURSELVES, Event, iso
from reactor.operator.events import event_found
from reactor.operator.explain import explain, explanation_value
from reactor.reload import Live
from reactor.store.brakes import Scope
from reactor.store.ledger import Ending, Row
from reactor.store.revisions import Process

RULES = """\
rules:
  - name: again
    on: volume.state.updated
    match: {newState: error}
    when: event.name != 'data-9'
    cooldown: 1h
    key: all
    do:
      - call: daytona.createVolume
        body: {name: "${event.name}-again"}
  - name: other
    on: volume.*
    match: {newState: ready, name: {prefix: build-}}
    do: [{notify: ops-slack, text: "${event.name}"}]
"""


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Path]:
    def configured(rules: str = RULES, name: str = "config") -> Path:
        directory = tmp_path / name
        shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("rules"), dirs_exist_ok=True)
        (directory / "rules").mkdir(exist_ok=True)
        (directory / "rules" / "r.yaml").write_text(rules, "utf-8")
        return directory

    return configured


async def decided(opened: Opened, config: Config, *payloads: dict[str, Any]) -> None:
    """Put events into the log and decide on all that nobody has."""
    for number, payload in enumerate(payloads):
        await append(opened, payload, f"msg_{number}")
    dispatcher = Dispatcher(opened.store, opened.queue, Live(config), takeover=5.0)
    await opened.store.revisions.keep(config.revision, config.texts)
    while entries := await opened.store.log.read("reader", block=0.05):
        await dispatcher.react(entries)


async def explained(opened: Opened, config: Config, event: str, rule: str = "") -> dict[str, Any]:
    return explanation_value(await explain(opened.store, config, await event_found(opened.store, event), rule))


async def test_how_often_an_event_was_delivered_is_told(
    opened: Opened, configured: Callable[..., Path], redis: Redis
) -> None:
    config, payload = load_config(configured()), volume("error", name="data-1")
    await decided(opened, config, payload, volume("ready", name="data-2"))
    for _ in range(2):
        assert (await append(opened, payload, "msg_0")).duplicate

    told, other = await explained(opened, config, "msg_0"), await explained(opened, config, "msg_1")

    assert (told["event"]["deliveries"], other["event"]["deliveries"]) == (3, 1)
    assert "  delivered 3 times: the first counts" in list(lines(told))
    assert not [line for line in lines(other) if "delivered" in line]
    window = opened.settings.dedup_window * 1000
    assert [redis.pttl(key) > 0.9 * window for key in redis.keys("reactor:copies:*")] == [True]


async def test_every_rule_says_what_it_asked_and_saw(opened: Opened, configured: Callable[..., Path]) -> None:
    config = load_config(configured())
    await decided(opened, config, volume("error", name="data-1"))

    told = await explained(opened, config, "msg_0")

    again, other = told["rules"]
    assert (again["rule"], again["outcome"], again["now"]) == ("again", "planned", True)
    assert [(clause["clause"], clause["held"]) for clause in again["clauses"]] == [("newState", True), ("when", True)]
    assert [job["state"] for job in again["jobs"]] == ["due"]
    assert (other["outcome"], other["clauses"][0]["saw"]) == ("no match", "error")
    assert told["revision"] == {"then": config.revision, "now": config.revision, "of": config.revision}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (volume("error", name="data-1"), "another event had said the same"),
        (volume("creating", name="data-1", ago=60_000), "something newer was known of its resource (error)"),
        (volume("error", id="vol-2", name="late", ago=40 * 86_400_000), "older than the dedup window"),
    ],
)
async def test_what_is_beyond_matching_is_said(
    opened: Opened, configured: Callable[..., Path], payload: dict[str, Any], said: str
) -> None:
    config = load_config(configured())
    first = volume("error", name="data-1")
    await decided(opened, config, first, payload)

    told = await explained(opened, config, "msg_1")

    assert said in told["because"]
    assert all(rule["jobs"] == [] for rule in told["rules"])


async def test_a_control_says_why_it_held_back_and_a_pause_what_it_holds(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    config = load_config(configured())
    await decided(opened, config, volume("error", name="data-1"), volume("error", id="vol-2", name="data-2"))
    await opened.store.brakes.pause(Scope("rule", "again"), by="x", reason="", seconds=None)

    first = await explained(opened, config, "msg_0", "again")
    second = await explained(opened, config, "msg_1", "again")

    assert first["rules"][0]["paused"] == ["rule:again"]
    assert second["rules"][0]["outcome"] == "withheld"
    assert [(found["clause"], found["held"]) for found in second["rules"][0]["controls"]] == [("cooldown", False)]


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ("debounce: {wait: 5m, at_most: 1h}", "  waits  debounce: 5m, at most 1h, until 20"),
        ("for: 10m", "  waits  for: 10m, until 20"),
        ("unless: {on: volume.deleted, within: 10m}", "  waits  unless: 10m, until 20"),
    ],
)
async def test_a_rule_that_waits_has_not_failed(
    opened: Opened, configured: Callable[..., Path], control: str, said: str
) -> None:
    config = load_config(configured(RULES.replace("cooldown: 1h", control).replace("    key: all\n", "")))
    await decided(opened, config, volume("error", name="data-1"))

    shown = list(lines(await explained(opened, config, "msg_0", "again")))

    assert "again: waiting" in shown
    assert [line for line in shown if line.startswith(said)], shown
    assert not [line for line in shown if "failed" in line]


async def test_an_event_is_explained_by_the_rules_of_then_and_compared_with_those_of_now(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    then = load_config(configured())
    await decided(opened, then, volume("error", name="data-1"))
    now = load_config(configured("rules: []\n"))

    told = await explained(opened, now, "msg_0")

    assert [(rule["rule"], rule["outcome"], rule["now"]) for rule in told["rules"]] == [
        ("again", "planned", False),
        ("other", "no match", False),
    ]
    assert (told["revision"]["then"], told["revision"]["of"]) == (then.revision, then.revision)


async def test_a_replay_is_shown_first_then_done_once_with_jobs_of_its_own(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    directory = configured()
    cli = Commands(opened, {"REACTOR_CONFIG": str(directory)})
    config = load_config(directory)
    await decided(opened, config, volume("ready", name="build-1"), volume("error", name="data-1", ago=60_000))

    dry = cli("replay", "msg_0", "--dry-run")
    replayed = cli("replay", "msg_0", "--json")
    await decided(opened, config)

    assert '"notify":"ops-slack"' in dry.stdout
    [said] = json.loads(replayed.stdout)
    told = await explained(opened, config, "msg_0")
    again = await explained(opened, config, said["entry"])
    assert [each["entry"] for each in told["replays"]] == [said["entry"]]
    assert (again["event"]["entry"], again["event"]["generation"]) == (said["entry"], 1)
    [[first], [second]] = ([job["id"] for rule in each["rules"] for job in rule["jobs"]] for each in (told, again))
    assert first != second


async def test_a_span_is_replayed_only_when_a_person_says_so(opened: Opened, configured: Callable[..., Path]) -> None:
    directory = configured()
    cli = Commands(opened, {"REACTOR_CONFIG": str(directory)})
    config = load_config(directory)
    await decided(opened, config, *(volume("ready", id=f"vol-{n}", name=f"build-{n}") for n in range(3)))

    asked = cli("replay", "--since", "1h")
    none = cli("replay", "--since", "1h", "--type", "sandbox.*")
    done = cli("replay", "--since", "1h", "--yes")
    again = cli("replay", "--since", "1h", "--dry-run", "--json")

    assert asked.returncode == 1
    assert "3 events would be replayed; their rules ask for 3 jobs" in asked.stderr
    assert "--yes does it" in asked.stderr
    assert "no event is meant" in none.stdout
    assert done.stdout.count("is decided on again") == 3
    assert len(json.loads(again.stdout)) == 3


async def test_a_backtest_says_what_other_rules_would_have_done_and_changes_nothing(
    opened: Opened, redis: Redis, configured: Callable[..., Path]
) -> None:
    directory = configured()
    cli = Commands(opened, {"REACTOR_CONFIG": str(directory)})
    events = (
        volume("error", name="data-1"),
        volume("error", id="vol-2", name="data-2"),
        volume("ready", id="vol-3", name="build-3"),
    )
    await decided(opened, load_config(directory), *events)
    new = RULES.replace("-again", "-anew").replace("    cooldown: 1h\n", "").replace("build-", "nothing-")
    before = _keyspace(redis)

    same = cli("backtest", str(directory), "--since", "1h")
    other = cli("backtest", str(configured(new, "new")), "--since", "1h", "--json")
    shown = cli("backtest", str(configured(new, "new")), "--since", "1h")

    assert (same.returncode, same.stdout) == (0, "3 events: 0 jobs added, 0 missing, 0 different\n")
    assert other.returncode == shown.returncode == 3
    assert [(change["sign"], change["rule"]) for change in json.loads(other.stdout)["changes"]] == [
        ("~", "again"),
        ("+", "again"),
        ("-", "other"),
    ]
    assert shown.stdout.endswith("3 events: 1 jobs added, 1 missing, 1 different\n")
    assert _keyspace(redis) == before


async def test_a_shell_completes_what_explain_replay_and_backtest_ask_for(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    directory = configured()
    cli = Commands(opened, {"REACTOR_CONFIG": str(directory)})
    await decided(opened, load_config(directory), volume("error", name="data-1"))
    entry = (await explained(opened, load_config(directory), "msg_0"))["event"]["entry"]

    assert cli.completed(f"explain {entry[:5]}") == [f"plain,{entry}"]
    assert cli.completed("explain msg_0 --rule ag") == ["plain,again"]
    assert cli.completed(f"replay {entry[:5]}") == [f"plain,{entry}"]
    assert cli.completed("replay --type volume.s") == ["plain,volume.state.updated"]
    assert cli.completed(f"backtest {directory.parent}/con") == [f"dir,{directory.parent}/con"]


async def test_what_is_explained_is_by_the_rules_that_processes_run_whatever_is_here(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    config = load_config(configured())
    await decided(opened, config, volume("error", name="data-1"))
    running = Process("work-1", "work", "a-host", config.revision, 0.0, 2)
    await opened.store.revisions.report(running, time.time())
    cli = Commands(opened, {"REACTOR_CONFIG": str(configured(RULES.replace("error", "ready"), "new"))})

    told = cli("explain", "msg_0", "--rule", "again")

    assert f"in force now: {config.revision}\n" in told.stdout
    assert "by the rules of now" not in told.stdout
    assert f"what is here is not in force; what follows is by the revision in force, {config.revision}" in told.stderr


async def test_a_rule_that_is_not_on_an_event_is_said_to_be_so(opened: Opened, configured: Callable[..., Path]) -> None:
    directory = configured(RULES + "  - {name: third, on: sandbox.created, do: [{notify: ops-slack, text: x}]}\n")
    await decided(opened, load_config(directory), volume("error", name="data-1"))

    told = Commands(opened, {"REACTOR_CONFIG": str(directory)})("explain", "msg_0", "--rule", "third")

    assert told.stdout.endswith("third is not on events of this type\n")


CHAIN = """\
  - name: chain
    on: volume.state.updated
    match: {newState: error}
    do:
      - {call: daytona.createVolume, body: {name: "${event.name}-1"}, as: fresh}
      - {notify: ops-slack, text: "made ${fresh.id}"}
      - {notify: ops-mail, text: "${fresh.id}"}
      - {notify: ops-slack, text: last}
"""


async def test_actions_are_shown_in_their_order_and_what_is_open_as_it_is_written(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    directory, chained = configured(), configured(f"rules:\n{CHAIN}", "chained")
    await decided(opened, load_config(directory), volume("error", name="d"), volume("error", id="vol-2", name="e"))

    changes = json.loads(Commands(opened)("backtest", str(chained), "--since", "1h", "--json").stdout)["changes"]
    [dry] = Commands(opened).json("replay", "msg_0", "--dry-run", "--config", str(chained))

    tails = [{"notify": "ops-slack", "text": "made ${fresh.id}"}, {"notify": "ops-mail", "text": "${fresh.id}"}]
    tails.append({"notify": "ops-slack", "text": "last"})
    added = [change["would_be"] for change in changes if change["sign"] == "+"]
    assert added == [
        {"call": "daytona.createVolume", "body": {"name": "d-1"}},
        *tails,
        {"call": "daytona.createVolume", "body": {"name": "e-1"}},
        *tails,
    ]
    assert dry["jobs"][1:] == [{"rule": "chain", **tail} for tail in tails]


async def test_a_chain_that_was_asked_for_differs_from_itself_in_nothing_and_in_what_is_written_otherwise(
    opened: Opened, configured: Callable[..., Path]
) -> None:
    directory = configured(f"rules:\n{CHAIN}")
    other = configured(f"rules:\n{CHAIN.replace('made ${fresh.id}', 'got ${fresh.id}')}", "other")
    await decided(opened, load_config(directory), volume("error", name="d"))

    same = Commands(opened).json("backtest", str(directory), "--since", "1h")
    changes = json.loads(Commands(opened)("backtest", str(other), "--since", "1h", "--json").stdout)["changes"]

    assert same["changes"] == []
    assert [(change["sign"], change["was"]["text"], change["would_be"]["text"]) for change in changes] == [
        ("~", "made ${fresh.id}", "got ${fresh.id}")
    ]


def _keyspace(redis: Redis) -> dict[Any, Any]:
    return {key: redis.dump(key) for key in redis.scan_iter()}


EMITS = """\
rules:
  - name: makes
    on: volume.state.updated
    match: {newState: error}
    do:
      - {call: daytona.createVolume, body: {name: again}, as: fresh}
      - {emit: fleet.made, data: {id: "${fresh.id}"}}
  - name: hears
    on: fleet.made
    match: {id: vol-9}
    do: [{notify: ops-slack, text: "${event.data.id}"}]
"""


async def emitted(opened: Opened, row: Row) -> None:
    """What an action emits, as the worker would once the one before has made vol-9."""
    body = json.dumps({"event": "fleet.made", "id": "vol-9", "timestamp": iso(row.created)}).encode()
    organization, lineage = row.what["organization"], tuple(row.what["lineage"])
    event = Event.from_payload(
        id=f"emit-{row.id}",
        source=OURSELVES,
        organization=organization,
        body=body,
        origin="emit",
        lineage=lineage,
    )
    await opened.store.log.append(event, body)
    await opened.store.ledger.finish(await claimed(opened, row.id), Ending("done", result={"how": "emitted"}))


@pytest.mark.parametrize("made", [True, False])
async def test_what_follows_from_what_jobs_came_to_differs_from_itself_in_nothing(
    opened: Opened, configured: Callable[..., Path], made: bool
) -> None:
    directory = configured(EMITS)
    await decided(opened, load_config(directory), volume("error", name="d"))
    [first] = await opened.store.log.entries()
    create, tells = await opened.store.plans.rows_of(first.entry)

    ending = Ending("done", result={"how": "created", "volume": {"id": "vol-9", "name": "again"}})
    await opened.store.ledger.finish(await claimed(opened, create.id), ending if made else Ending("dead", error="no"))
    if made:
        await emitted(opened, tells)
    await decided(opened, load_config(directory))
    told = Commands(opened).json("backtest", str(directory), "--since", "1h")

    assert told == {"events": 1 + made, "changes": []}
