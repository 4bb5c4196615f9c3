"""Why an event led to what it did: every rule put to it as it was then, each clause, its controls, its jobs. Changes no key.

Owns putting together what the log, the plan and the ledger say. A rule may be put to the event again: matching is pure, and
the rules of then are kept with their revision.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from reactor.config import Config
from reactor.errors import DeliveryRejected, NotFound
from reactor.events import Event
from reactor.operator.events import event_value
from reactor.operator.jobs import job_value
from reactor.reload import kept_config
from reactor.rules.match import Decision
from reactor.store.brakes import Pause
from reactor.store.logged import Logged
from reactor.store.store import Store
from reactor.yaml12 import expected_one_of

VERDICTS: Final[Mapping[str, str]] = {
    "fresh": "nothing newer was known of its resource, and nobody had said the same",
    "stale": "something newer was known of its resource ({after}): only rules with `stale: run` act on it",
    "repeat": "another event had said the same: no rule acts on it",
    "late": "it was older than the dedup window: it is recorded and not decided; `reactor replay` decides it",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """All reasons for what followed from one event, as plain values for people and programs alike."""

    event: Mapping[str, Any]
    because: str
    revision: Mapping[str, str | None]
    rules: tuple[Mapping[str, Any], ...]
    faults: tuple[str, ...]
    replays: tuple[Mapping[str, Any], ...]
    """Where the log has it again, and who asked for it."""


async def explain(store: Store, config: Config, logged: Logged, rule: str = "") -> Explanation:
    """Explain one event. `config` is the configuration of now. Raises NotFound for a rule that there was not and is not."""
    plan = logged.plan or {}
    then = await _then(store, plan.get("revision"), config)
    if rule:
        known = {each.name for every in (then or config, config) for each in every.rules.rules}
        if rule not in known:
            raise NotFound(f"rule: {expected_one_of(rule, known)}")
    event = _event(then or config, logged)
    pauses = await store.brakes.pauses()
    rules = []
    for decision in (then or config).rules.put_to(event) if event else []:
        if rule in ("", decision.rule.name):
            rules.append(await _told(store, logged, plan, decision, pauses))
    _compare(rules, event, config, rule)
    return Explanation(
        {**event_value(logged), "origin": logged.entry.origin, "generation": logged.entry.generation}
        | {"deliveries": await store.logged.deliveries(logged.entry)}
        | ({"lineage": list(logged.entry.lineage)} if logged.entry.lineage else {}),
        _because(logged),
        {"then": plan.get("revision"), "now": config.revision, "of": (then or config).revision},
        tuple(rules),
        tuple(plan.get("faults", ())),
        tuple(await store.logged.replays(logged.entry.entry)),
    )


async def _then(store: Store, revision: str | None, config: Config) -> Config | None:
    """The configuration that decided; None when nobody has decided, or it is kept no longer."""
    if revision is None or revision == config.revision:
        return config if revision else None
    return await kept_config(store, revision)


def _event(config: Config, logged: Logged) -> Event | None:
    try:
        return config.recognise(logged.entry.event())
    except DeliveryRejected:
        return None


def _because(logged: Logged) -> str:
    if logged.aside:
        return "it is set aside: five dispatchers failed on it; `reactor events retry` has it decided again"
    if logged.verdict is None:
        return "no dispatcher has decided on it yet"
    verdict = logged.verdict["verdict"]
    if logged.entry.generation:
        return f"it is replay {logged.entry.generation} of an event: it is decided again whatever is known by now"
    return VERDICTS[verdict].format(after=logged.verdict.get("after"))


async def _told(
    store: Store, logged: Logged, plan: Mapping[str, Any], decision: Decision, pauses: list[Pause]
) -> dict[str, Any]:
    """One rule: its clauses, what became of it, its timer and its jobs."""
    name = decision.rule.name
    decided = next((each for each in plan.get("rules", ()) if each["rule"] == name), None)
    told: dict[str, Any] = {
        "rule": name,
        "outcome": decided["outcome"] if decided else _not_decided(logged, decision),
        "clauses": [asdict(finding) for finding in decision.findings],
        "controls": list(decided["findings"]) if decided else [],
    }
    rows = [row for row, rule, _ in plan.get("rows", ()) if rule == name]
    if decided and "timer" in decided:
        timer = await store.plans.timer(decided["timer"])
        if timer is not None:
            told["timer"] = {
                "at": timer.at,
                "outcome": timer.outcome or "waiting",
                "controls": list(timer.findings),
                "entry": timer.entry,
            }
            rows += timer.rows if timer.entry == logged.entry.entry else ()
    jobs = [await store.jobs.get(row) for row in rows]
    told["jobs"] = [job_value(job) for job in jobs if job]
    if held := [str(pause.scope) for pause in pauses if _holds(pause, told)]:
        told["paused"] = held
    return told


def _not_decided(logged: Logged, decision: Decision) -> str:
    """What became of a rule that the plan does not mention."""
    if decision.rule.controls.enforce == "off":
        return "off"
    if not decision.fired:
        return "no match"
    return "not asked" if logged.plan is not None else "not decided yet"


def _holds(pause: Pause, told: Mapping[str, Any]) -> bool:
    """Whether a pause keeps a job of this rule from being performed now."""
    live = [job for job in told["jobs"] if job["state"] in ("due", "waiting")]
    return any(pause.scope.holds(told["rule"], job["api"] or "") for job in live)


def _compare(rules: list[dict[str, Any]], event: Event | None, config: Config, rule: str) -> None:
    """Note with each rule whether it would fire by the rules of now, and add those that there were not then."""
    fired = {each.rule.name for each in config.rules.fired(event)} if event else set()
    asked = {each.rule.name: each for each in config.rules.put_to(event)} if event else {}
    for told in rules:
        told["now"] = told["rule"] in fired
    told_of = {told["rule"] for told in rules}
    for name, decision in asked.items():
        if name not in told_of and rule in ("", name):
            clauses = [asdict(finding) for finding in decision.findings]
            rules.append(
                {"rule": name, "outcome": "not there then", "clauses": clauses, "controls": [], "jobs": []}
                | {"now": name in fired}
            )


def explanation_value(explanation: Explanation) -> dict[str, Any]:
    """An explanation as programs see it."""
    value: dict[str, Any] = orjson.loads(orjson.dumps(asdict(explanation), default=str))
    return value
