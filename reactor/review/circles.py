"""Rules that call each other up: what a call causes, or an action emits, is an event on which a rule makes the next.

Knows what API files say of calls: which kind of resource they create, or in which state they leave one. Where a rule asks
for more than that (another field, an expression, a limit of its own), the circle is taken to be cut. A circle of emitted
events alone is cut by their lineage; one with a call in it is not, for what a provider tells has none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, islice
from typing import Any

from reactor.apis.client import Api
from reactor.apis.provider import Announcement, Resource
from reactor.review.emitted import Emission, emissions
from reactor.review.names import name_of
from reactor.rules.cel import ExpressionError
from reactor.rules.fault import Fault
from reactor.rules.match import PatternError, compile_match
from reactor.rules.model import CallAction, Rule
from reactor.rules.template import split

MOST = 200_000
"""Pairs of an effect and a rule on what it causes that are looked at: of a set of rules with more, the first ones are."""

CUTS = ("when", "cooldown", "throttle", "count", "unless", "hold")
"""Fields of a rule that keep it from firing again at once, or may."""


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a call does: to which kind of resource, the state it leads to (empty: any), how a new one is called."""

    number: int
    action: int
    resource: Resource
    terminal: frozenset[str]
    state: str
    starts: str | None
    ends: str
    word: str = "call"

    @property
    def types(self) -> Sequence[str]:
        """The types of the events that the call may cause."""
        events = self.resource.events.items()
        return [event for event, announced in events if self.starts is not None or announced.before]

    def may_fire(self, rule: Rule, event: str) -> bool:
        """Whether a rule on this type of event may fire on what the call causes."""
        return _may_match(self, self.resource.events[event], rule.match)


Causes = Mapping[int, Mapping[int, _Effect | Emission]]
"""For each rule: the rules that it may call up, each with what does."""


def circles(rules: Sequence[Rule], apis: Mapping[str, Api]) -> Iterator[tuple[int, Fault]]:
    """The rules, by number, that are part of a circle; each circle is told once, at its first rule."""
    effects: list[_Effect | Emission] = [*_effects(rules, apis)]
    effects += [emission for emission in emissions(rules) if not _is_cut(rules[emission.number])]
    causes = _causes(rules, effects)
    told: set[frozenset[int]] = set()
    for start in sorted(causes):
        circle = _back_to(start, causes)
        if circle and frozenset(circle) not in told:
            told.add(frozenset(circle))
            ways = [causes[one][next_] for one, next_ in zip(circle, [*circle[1:], start], strict=True)]
            yield start, Fault(("do", ways[0].action, ways[0].word), _message(circle, ways, rules), severity="warning")


def _message(circle: Sequence[int], ways: Sequence[_Effect | Emission], rules: Sequence[Rule]) -> str:
    names = [rules[number].name for number in circle]
    if len(names) == 1:
        way = f"may cause events on which {names[0]} makes it again"
    else:
        way = f"may cause events in a circle: {' → '.join([*names, names[0]])}"
    if all(isinstance(each, Emission) for each in ways):
        return (
            f"{way}; it is cut by lineage: {names[0]} does not act on what follows from it: narrow an `on` or a `match`"
        )
    return f"{way}, for ever: narrow a `match`, or set a `cooldown`"


def _effects(rules: Sequence[Rule], apis: Mapping[str, Api]) -> Iterator[_Effect]:
    for number, rule in enumerate(rules):
        if _is_cut(rule):
            continue
        for position, action in enumerate(rule.do):
            if isinstance(action, CallAction):
                yield from _effects_of(number, position, action, apis)


def _effects_of(number: int, position: int, action: CallAction, apis: Mapping[str, Api]) -> Iterator[_Effect]:
    name, _, operation = action.call.partition(".")
    if name not in apis:
        return
    provider = apis[name].provider
    create = provider.creates.get(operation)
    if create and create.resource in provider.resources:
        resource = provider.resources[create.resource]
        asked = name_of(action.body, create)
        starts, ends = _ends(asked) if asked is not None else ("", "")
        yield _Effect(number, position, resource, frozenset(resource.terminal), "", starts, ends)
    for resource in provider.resources.values():
        if state := resource.leads.get(operation):
            yield _Effect(number, position, resource, frozenset(), state, None, "")


def _ends(name: str) -> tuple[str, str]:
    """What a name surely begins and ends with."""
    try:
        parts = list(split(name))
    except ExpressionError:
        return "", ""
    first, last = (parts[0], parts[-1]) if parts else (None, None)
    return (
        first.text if first and not first.expression else "",
        last.text if last and not last.expression else "",
    )


def _causes(rules: Sequence[Rule], effects: Sequence[_Effect | Emission]) -> Causes:
    """What calls up what. Where a rule has several ways to call up another, that which lasts is told: calls come first."""
    found: dict[int, dict[int, _Effect | Emission]] = {}
    listening = _Listening(rules)
    pairs = ((effect, event, number) for effect in effects for event in effect.types for number in listening.on(event))
    for effect, event, number in islice(pairs, MOST):
        rule = rules[number]
        if effect.number == number and effect.word == "call" and not rule.match:
            continue  # an error, told where calls are checked
        if effect.may_fire(rule, event):
            found.setdefault(effect.number, {}).setdefault(number, effect)
    return found


class _Listening:
    """The rules, by number, that nothing but `on` and `match` keeps from firing at once on an event of a type."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_glob: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            for glob in () if _is_cut(rule) else rule.on:
                self._by_glob.setdefault(glob, []).append(number)
        self._on: dict[str, list[int]] = {}

    def on(self, event: str) -> Sequence[int]:
        if event not in self._on:
            globs = (numbers for glob, numbers in self._by_glob.items() if fnmatchcase(event, glob))
            self._on[event] = sorted(set(chain.from_iterable(globs)))
        return self._on[event]


def _is_cut(rule: Rule) -> bool:
    return getattr(rule, "enforce", "on") != "on" or any(getattr(rule, name, None) for name in CUTS)


def _may_match(effect: _Effect, announced: Announcement, patterns: Mapping[str, Any]) -> bool:
    state, name = announced.state.removeprefix("$."), announced.name.removeprefix("$.")
    for field, pattern in patterns.items():
        if field == state:
            possible = _admits(pattern, effect.state) if effect.state else not _only(pattern, effect.terminal)
        elif effect.starts is None:
            possible = field not in (announced.before or "").removeprefix("$.")  # the resource is the same one
        elif field == name:
            possible = _may_be_called(pattern, effect.starts, effect.ends)
        else:
            return False
        if not possible:
            return False
    return True


def _admits(pattern: Any, value: str) -> bool:
    try:
        return all(clause.put_to({"it": value}).held for clause in compile_match({"it": pattern}))
    except PatternError:
        return False


def _only(pattern: Any, values: frozenset[str]) -> bool:
    """Whether a pattern names nothing but these values."""
    items = pattern if isinstance(pattern, list) else [pattern]
    return all(isinstance(item, str) and item in values for item in items)


def _may_be_called(pattern: Any, starts: str, ends: str) -> bool:
    items = pattern if isinstance(pattern, list) else [pattern]
    return any(_fits(item, starts, ends) for item in items)


def _fits(item: Any, starts: str, ends: str) -> bool:
    if isinstance(item, str):
        return item.startswith(starts) and item.endswith(ends)
    if isinstance(item, dict) and isinstance(prefix := item.get("prefix"), str):
        return prefix.startswith(starts) or starts.startswith(prefix)
    if isinstance(item, dict) and isinstance(suffix := item.get("suffix"), str):
        return suffix.endswith(ends) or ends.endswith(suffix)
    return False


def _back_to(start: int, after: Causes) -> list[int]:
    """The shortest way from a rule back to itself; empty when there is none."""
    came: dict[int, int] = {}
    ahead = [start]
    for here in ahead:
        for there in after.get(here, ()):
            if there == start:
                way = [here]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return way[::-1]
            if there not in came:
                came[there] = here
                ahead.append(there)
    return []
