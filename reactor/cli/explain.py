"""`reactor explain`: why an event led to what it did, or to nothing."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from reactor.cli.catalog import complete_rule, config_option, json_option
from reactor.cli.events import event_argument
from reactor.cli.looking import known, looked
from reactor.cli.shown import clock, print_json, print_text
from reactor.operator.events import event_found
from reactor.operator.explain import explain as explain_event
from reactor.operator.explain import explanation_value
from reactor.rehearsal.judge import clause
from reactor.store.store import Store


@click.command(
    short_help="Say why an event led to what it did, or to nothing.",
    epilog="""\b
Examples:
  reactor explain msg_2abc                      every rule that asks for its type, clause by clause
  reactor explain 1763786000123-0 --rule sandbox-for-ready-volume
""",
)
@event_argument
@click.option("--rule", default="", metavar="RULE", shell_complete=complete_rule, help="Only this rule.")
@config_option
@json_option
def explain(event: str, rule: str, config: Path | None, as_json: bool) -> None:
    """Put an event to every rule that asks for its type, as they were when it was decided on, and say what each clause saw.

    Then what the rule's controls said, its jobs, and whether it would fire by the rules of now. EVENT is a signed id or a
    place in the log (`reactor events ls`).
    """

    async def look(store: Store) -> dict[str, Any]:
        rules = await known(store, config)
        return explanation_value(await explain_event(store, rules, await event_found(store, event), rule))

    value = looked(config, look)
    if as_json:
        print_json(value)
    else:
        print_text(lines(value, rule))


def lines(value: Mapping[str, Any], rule: str = "") -> Iterator[str]:
    """An explanation for people; of one `rule` if it is given."""
    event, revision = value["event"], value["revision"]
    yield f"{event['id']}  {event['type']}  {event['resource'] or ''}".rstrip()
    yield f"accepted {clock(event['accepted'])} at {event['entry']} by {event['origin']}; {event['verdict'] or 'no verdict'}:"
    yield f"  {value['because']}"
    if event["deliveries"] > 1:
        yield f"  delivered {event['deliveries']} times: the first counts"
    yield f"decided by revision {revision['then'] or '-'}; in force now: {revision['now']}"
    if revision["then"] not in (None, revision["of"]):
        yield "  the rules of then are kept no longer: what follows is by those of now"
    for replay in value["replays"]:
        yield f"  replayed as {replay['entry']} by {replay['by']}"
    for each in value["rules"]:
        yield from _rule(each)
    if not value["rules"]:
        yield f"{rule} is not on events of this type" if rule else "no rule is on events of this type"
    for fault in value["faults"]:
        yield f"fault: {fault}"


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    yield f"{rule['rule']}: {rule['outcome']}"
    yield from (f"  {clause(finding)}" for finding in rule["clauses"])
    yield from (f"  {clause(finding, waits=rule['outcome'] == 'waiting')}" for finding in rule["controls"])
    if timer := rule.get("timer"):
        yield f"  timer at {clock(timer['at'])}: {timer['outcome']}"
        yield from (f"    {clause(finding)}" for finding in timer["controls"])
    for job in rule["jobs"]:
        error = f": {job['error']}" if job["error"] else ""
        yield f"  job {job['id']} {job['action']} {job['about']}, {job['state']}{error}"
    for scope in rule.get("paused", ()):
        yield f"  paused: {scope}"
    fired = rule["outcome"] not in ("no match", "off", "not there then")
    if rule["now"] != fired:
        yield f"  by the rules of now it would {'fire' if rule['now'] else 'not fire'}"
