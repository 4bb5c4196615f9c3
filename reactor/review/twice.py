"""Rules that do what another rule does already."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from reactor.rules.fault import Fault
from reactor.rules.model import Rule

MOST = 100
"""Rules with the same actions that are compared with each other; of more only equal ones are found."""


def twice(rules: Sequence[Rule]) -> Iterator[tuple[int, Fault]]:
    """The rules, by number, that another one duplicates or covers: both fire, and the same is done twice."""
    same: dict[bytes, list[int]] = {}
    for number, rule in enumerate(rules):
        same.setdefault(_key(rule.model_dump(exclude={"name", "description", "on", "match"})), []).append(number)
    for group in same.values():
        yield from _within(group, rules)


def _within(group: list[int], rules: Sequence[Rule]) -> Iterator[tuple[int, Fault]]:
    first: dict[bytes, int] = {}
    for number in group:
        rule = rules[number]
        equal = first.setdefault(_key([sorted(rule.on), rule.match]), number)
        if equal != number:
            message = f"found the rule {rules[equal].name!r} again, expected one of them: the same is done twice"
            yield number, Fault(("name",), message, severity="warning")
        elif len(group) <= MOST:
            wider = next((other for other in group if _covers(rules[other], rule)), None)
            if wider is not None:
                message = (
                    f"found a rule that {rules[wider].name!r} covers: whenever this fires, that does the same, too"
                )
                yield number, Fault(("name",), message, severity="warning")


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether one rule fires whenever another does, as far as their texts show it."""
    if wide is narrow or not set(narrow.on) <= set(wide.on):
        return False
    less = wide.match.items()
    return (len(wide.match), len(wide.on)) != (len(narrow.match), len(narrow.on)) and all(
        name in narrow.match and _key(narrow.match[name]) == _key(pattern) for name, pattern in less
    )


def _key(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)
