"""The rules of all files: each as it is written, all compiled and checked with what they refer to. Reads no file."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reactor.checks.event_fields import EventFields
from reactor.checks.rules import Known, rule_faults
from reactor.config.meant import Meaning, Meant
from reactor.config.policy import PolicyFile, policy_faults
from reactor.errors import ConfigError, Problem
from reactor.review import Review
from reactor.rules.compile import compile_rule
from reactor.rules.fault import Fault
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule, RuleFile, RunAction
from reactor.yaml12 import ENOUGH, Document, validate
from reactor.yaml12 import Path as Place


@dataclass(frozen=True, slots=True)
class Written:
    """A rule and where it is written. One of wrong structure is there as it was meant, and is not `sound`."""

    document: Document
    place: Place
    meant: Meant
    sound: bool = True

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.meant.rule

    @property
    def name(self) -> str:
        """What it is called; empty if nobody knows."""
        return self.rule.name if self.meant.tells(("name",)) else ""

    def problem(self, fault: Fault) -> Problem:
        """A fault of the rule, at its place."""
        path = (*self.place, *self.meant.written(fault.path))
        return self.document.problem(path, fault.message, key=fault.key, severity=fault.severity)


def written(document: Document, problems: list[Problem]) -> list[Written]:
    """The rules of a file; what is wrong with its structure is added to the `problems` given.

    Of a file with hundreds of mistakes no rule is looked at: there is enough to mend.
    """
    try:
        file = validate(document, RuleFile)
    except ConfigError as error:
        problems += error.problems
        return list(_meant(document)) if len(error.problems) < ENOUGH / 2 else []
    return [Written(document, ("rules", number), Meant(rule)) for number, rule in enumerate(file.rules)]


def _meant(document: Document) -> Iterator[Written]:
    """The rules of a file that is not as it must be, as far as they are rules at all."""
    meaning = Meaning()
    data = document.data if isinstance(document.data, dict) else {}
    key = "rules" if "rules" in data else next((key for key in data if meaning.near(key, ["rules"])), "")
    rules = data.get(key)
    for number, each in enumerate(rules if isinstance(rules, list) else []):
        if meant := meaning.of(each):
            yield Written(document, (key, number), meant, sound=not (meant.renamed or meant.unknown))


def compile_rules(
    rules: Sequence[Written], known: Known, broken: Collection[str], policy: PolicyFile | None
) -> tuple[list[CompiledRule], list[Problem]]:
    """All rules, and what is wrong or odd about them. `broken` are workflow documents: who runs one is not to blame.

    Without a `policy` every file may do everything. After hundreds of mistakes the other rules are not looked at.
    """
    looking = _Looking(known, broken, policy)
    found: list[CompiledRule] = []
    problems: list[Problem] = []
    sound: list[Written] = []
    errors = 0
    for each in rules:
        compiled, faults = looking.at(each)
        found.append(compiled)
        mistakes = sum(fault.severity == "error" for fault in faults)
        if each.sound and not mistakes:
            sound.append(each)
        problems += [each.problem(fault) for fault in faults]
        errors += mistakes
        if errors > ENOUGH:
            return found, problems
    odd = looking.review.together([each.rule for each in sound])
    return found, [*problems, *(sound[number].problem(fault) for number, fault in odd)]


class _Looking:
    """Looks at one rule after the other, in the light of all else."""

    def __init__(self, known: Known, broken: Collection[str], policy: PolicyFile | None) -> None:
        self._known = known
        self._broken = broken
        self._policy = policy
        self._fields = EventFields(known.apis.values())
        self._names: dict[str, str] = {}
        self.review = Review(known.apis, self._fields)

    def at(self, each: Written) -> tuple[CompiledRule, list[Fault]]:
        """A rule, compiled, and all that is wrong or odd about it by itself."""
        rule, fields = each.rule, self._fields
        compiled, faults = compile_rule(
            rule, fields.types(rule.on), fields.choices(rule.on), described=fields.described
        )
        faults += [*self._taken(each), *fields.mistyped(rule.on), *rule_faults(rule, compiled, self._known)]
        if rule.unless:
            faults += [replace(fault, path=("unless", *fault.path)) for fault in fields.mistyped(rule.unless.on)]
        if self._policy:
            grant = self._policy.grant(each.document.file)
            faults += policy_faults(grant, compiled.actions, self._known.programs)
        faults = [fault for fault in faults if not _blames_broken(fault, rule, self._broken)]
        told = {fault.path for fault in faults}
        faults += [fault for fault in self.review.alone(rule, compiled) if fault.path not in told]
        return compiled, [fault for fault in faults if each.meant.tells(fault.path)]

    def _taken(self, each: Written) -> Iterator[Fault]:
        """What is wrong with the name of a rule, which is taken from now on."""
        if first := self._names.get(each.name):
            message = f"found {each.name!r} a second time, expected a name of its own: {first} has it"
            yield Fault(("name",), message)
        elif each.name:
            place = each.problem(Fault(("name",), ""))
            self._names[each.name] = f"{Path(place.file).name}:{place.line}"


def _blames_broken(fault: Fault, rule: Rule, broken: Collection[str]) -> bool:
    """Whether a fault is that a workflow document is not there, when it is there and broken."""
    if not broken or fault.path[:1] != ("do",) or fault.path[2:] != ("run",):
        return False
    action = rule.do[int(fault.path[1])]
    return isinstance(action, RunAction) and action.run in broken
