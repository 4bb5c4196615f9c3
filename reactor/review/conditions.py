"""Whether `when` can hold at all, beside `match`, and whether it can fail: tries every value that could matter.

Knows fields that list their values, fields that are true or false, and fields of which an expression asks nothing but whether
they are this or that literal: of these the values that matter can be counted. All else is left out, and CEL says of what
follows from it that it is unknown, which is taken for possible.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any, Final

from reactor.review.never import Asked, candidates, folds_and_cuts, ways
from reactor.rules.cel import Choices, Expression, Unknown
from reactor.rules.fault import Fault
from reactor.rules.match import Clause, CompiledRule, PatternError, compile_match
from reactor.rules.model import Rule
from reactor.rules.tree import Made
from reactor.yaml12 import quoted

MOST: Final = 3000
"""Combinations of values that one question is put to; where there are more, nothing is said."""

BUDGET: Final = 2_000_000
"""Characters of expressions to evaluate for all rules together: where so much was in vain, there is enough to mend."""

LEAST: Final = 50
"""What an evaluation costs, however short the expression, and each look at `match`."""

OTHER: Final = "\ufffd"
"""Stands for whatever nobody has listed."""

FREE: Final = 10
"""Evaluations of a question that cost nothing: what rules mean to ask is answered by then."""

Values = Mapping[str, Any]
"""What variables are: `event.newState` is `ready`."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A clause of `when`, its number, and what it is made of."""

    number: int
    expression: Expression
    made: Made

    def may_be(self, outcome: bool, values: Values) -> bool:
        """Whether the clause may be true, or may be false, as far as these values tell."""
        try:
            return self.expression.evaluate(values) is outcome
        except Unknown:
            return True


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether some clauses may all be true, or may all be false."""

    clauses: Sequence[_Asked]
    outcome: bool

    @property
    def size(self) -> int:
        """What it costs to ask."""
        return sum(len(clause.expression.source) for clause in self.clauses)

    def may_be(self, values: Values) -> bool:
        """The answer, as far as these values tell."""
        return all(clause.may_be(self.outcome, values) for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class _Domain:
    """The values of some variables that could matter, and what `match` says of them: the ways in which it can hold."""

    values: Mapping[str, Sequence[Any]]
    ways: Sequence[Mapping[str, Sequence[Clause]]]

    def combinations(self) -> Iterator[Values]:
        """All values beside each other."""
        for combined in product(*self.values.values()):
            yield dict(zip(self.values, combined, strict=True))

    def admits(self, values: Values) -> bool:
        """Whether `match` may hold for these values."""
        return any(all(_admits(way.get(name, ()), value) for name, value in values.items()) for way in self.ways)

    def about(self) -> str:
        """Of what nothing depends, for people."""
        *some, last = sorted(name.removeprefix("event.") for name in self.values) or [""]
        if some:
            return f" whatever {', '.join(some)} and {last} are"
        return f" whatever {last} is" if last else ""


class Conditions:
    """Looks at the `when` of many rules; all of them share a budget."""

    def __init__(self) -> None:
        self._left = BUDGET

    def faults(self, rule: Rule, compiled: CompiledRule, choices: Choices) -> Iterator[Fault]:
        """What is odd about the `when` of a rule; paths lead into the rule."""
        expressions = [condition.expression for condition in compiled.conditions]
        asked = [_Asked(rule.when.index(each.source), each, each.made()) for each in expressions]
        asked = [each for each in asked if not each.made.loops]  # what costs much is not tried again and again
        faults = [fault for each in asked if (fault := self._alone(each, compiled, choices))]
        yield from faults
        if not faults and (rule.match or len(asked) > 1):
            yield from self._together(asked, rule, compiled, choices)

    def _alone(self, asked: _Asked, compiled: CompiledRule, choices: Choices) -> Fault | None:
        domain = _domain([asked.made], {}, compiled, choices)
        told, about = f"in {quoted(asked.expression.source)}: found what is", domain.about()
        if self._none(domain, _Question([asked], True)):
            message = f"{told} never true{about}, expected what can be: the rule never fires{_hint(domain, choices)}"
            return Fault(("when", asked.number), message)
        if self._none(domain, _Question([asked], False)):
            message = f"{told} always true{about}, expected what can be false: leave it out, or is `&&` meant?"
            return Fault(("when", asked.number), message, severity="warning")
        return None

    def _together(
        self, asked: Sequence[_Asked], rule: Rule, compiled: CompiledRule, choices: Choices
    ) -> Iterator[Fault]:
        """The first clause that can't be true beside `match` and those before it."""
        for last in range(1, len(asked) + 1):
            domain = _domain([each.made for each in asked[:last]], rule.match, compiled, choices)
            if self._none(domain, _Question(asked[:last], True)):
                beside = " and ".join(["`match`"] * bool(rule.match) + ["the expressions before it"] * (last > 1))
                told = f"in {quoted(asked[last - 1].expression.source)}: found what is never true beside {beside}"
                message = f"{told}, expected what can be: the rule never fires"
                yield Fault(("when", asked[last - 1].number), message)
                return

    def _none(self, domain: _Domain, question: _Question) -> bool:
        """Whether no combination of values answers a question; not where there are too many to say so."""
        if prod(map(len, domain.values.values())) > MOST:
            return False
        for number, values in enumerate(domain.combinations()):
            self._left -= (LEAST * len(domain.ways) + question.size) * (number >= FREE)
            if self._left < 0 or (domain.admits(values) and question.may_be(values)):
                return False
        return True


def _domain(made: Sequence[Made], match: Mapping[str, Any], compiled: CompiledRule, choices: Choices) -> _Domain:
    """The values that could matter to some clauses beside a `match`."""
    asked = list(islice(ways(match, ()), MOST + 1))
    if len(asked) > MOST:
        asked = [[]]
    found = {}
    for name in dict.fromkeys(name for each in made for name in each.variables if name.startswith("event.")):
        field = name.removeprefix("event.")
        patterns = [pattern for way in asked for pattern in way if pattern[1] == field]
        if values := _values(name, made, patterns, compiled.scope.fields.get(field, ""), choices.get(field)):
            found[name] = values
    clauses = [_compiled(way, found) for way in asked]
    admitted = {
        name: any(_admits(way.get(name, ()), value) for way in clauses for value in found[name]) for name in found
    }
    return _Domain({name: values for name, values in found.items() if admitted[name]}, clauses)


def _values(
    name: str, made: Sequence[Made], patterns: Sequence[Asked], kind: str, listed: Sequence[object] | None
) -> list[Any]:
    """The values of a variable that could matter; none where they can't be counted."""
    literals = [literal for each in made for literal in each.compared.get(name, ())]
    if kind == "boolean":
        return [True, False]
    if listed:
        return [*dict.fromkeys([*literals, *listed, OTHER])]
    if kind != "string" or folds_and_cuts(patterns):
        return []
    if any(name in each.variables and name not in each.only_compared for each in made):
        return []
    texts = (value for value in candidates(patterns) if isinstance(value, str))
    return [*dict.fromkeys([*literals, *texts, OTHER])]


def _compiled(way: Sequence[Asked], variables: Iterable[str]) -> dict[str, list[Clause]]:
    """What one way of a `match` to hold asks of each variable. A pattern that is none asks nothing: it is told elsewhere."""
    clauses: dict[str, list[Clause]] = {}
    for _, field, pattern in way:
        if f"event.{field}" in variables:
            try:
                clauses.setdefault(f"event.{field}", []).extend(compile_match({field: pattern}))
            except PatternError:
                continue
    return clauses


def _admits(clauses: Iterable[Clause], value: Any) -> bool:
    return all(clause.put_to({clause.name: value}).held for clause in clauses)


def _hint(domain: _Domain, choices: Choices) -> str:
    """What to do about values that are not listed yet."""
    listed = [name for name in sorted(domain.values) if name.removeprefix("event.") in choices]
    unlisted = " or ".join(f"event.data.{name.removeprefix('event.')}" for name in listed)
    return f"; what is not listed yet can be asked of {unlisted}" if listed else ""
