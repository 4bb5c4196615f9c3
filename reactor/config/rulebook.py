"""Compiles and checks the rules of all files together, with what they refer to. Reads no file."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from reactor.checks.event_fields import EventFields
from reactor.checks.rules import Known, rule_faults
from reactor.config.policy import PolicyFile, policy_faults
from reactor.errors import Problem
from reactor.review import Review, Reviewed
from reactor.rules.cel import Fault
from reactor.rules.compile import compile_rule
from reactor.rules.match import CompiledRule
from reactor.rules.model import Rule, RuleFile, RunAction
from reactor.yaml12 import Document, Path, Place


def compile_rules(
    files: Sequence[tuple[Document, RuleFile]], known: Known, broken: Collection[str], policy: PolicyFile | None
) -> tuple[list[CompiledRule], list[Problem]]:
    """All rules, and what is wrong or odd about them. `broken` are workflow documents: who runs one is not to blame.

    Without a `policy` every file may do everything.
    """
    fields = EventFields(known.apis.values())
    compiled: dict[str, CompiledRule] = {}
    problems: list[Problem] = []
    sound: list[Reviewed] = []
    review = Review(known.apis, fields)
    for each in _each(files):
        rule = each.rule
        faults = []
        if rule.name in compiled:
            faults.append(Fault(("name",), f"found {rule.name!r} a second time, expected a name of its own"))
        compiled[rule.name], found = compile_rule(
            rule, fields.types(rule.on), fields.choices(rule.on), described=fields.described
        )
        faults += [*found, *fields.mistyped(rule.on), *rule_faults(rule, compiled[rule.name], known)]
        if rule.unless:
            faults += [replace(fault, path=("unless", *fault.path)) for fault in fields.mistyped(rule.unless.on)]
        if policy:
            actions = compiled[rule.name].actions
            faults += policy_faults(policy.grant(each.document.file), actions, known.programs)
        faults = [fault for fault in faults if not _blames_broken(fault, rule, broken)]
        if not any(fault.severity == "error" for fault in faults):
            sound.append(each)
        told = {fault.path for fault in faults}
        faults += [fault for fault in review.alone(rule, compiled[rule.name]) if fault.path not in told]
        problems += [each.problem(fault) for fault in faults]
    return list(compiled.values()), [*problems, *review.together(sound)]


def sound_rules(document: Document) -> Document:
    """A file of rules without those whose structure is wrong, so that what the others mean is checked in the same pass.

    Of a file that is no list of rules under `rules` and nothing else, no rule is.
    """
    rules = document.data.get("rules") if isinstance(document.data, dict) and len(document.data) == 1 else None
    rules = rules if isinstance(rules, list) else []
    kept = [number for number, rule in enumerate(rules) if _is_sound(rule)]
    moved = {before: now for now, before in enumerate(kept)}
    return Document(
        document.file,
        {"rules": [rules[number] for number in kept]},
        _moved(document.values, moved),
        _moved(document.keys, moved),
    )


def _is_sound(rule: object) -> bool:
    try:
        Rule.model_validate(rule)
    except ValidationError:
        return False
    return True


def _moved(places: Mapping[Path, Place], moved: Mapping[int, int]) -> dict[Path, Place]:
    """The places of the rules that are kept, by the numbers that they have now."""
    return {
        (path[0], moved[int(path[1])], *path[2:]) if len(path) > 1 else path: place
        for path, place in places.items()
        if len(path) < 2 or path[1] in moved
    }


def _each(files: Sequence[tuple[Document, RuleFile]]) -> Iterator[Reviewed]:
    for document, file in files:
        for number, rule in enumerate(file.rules):
            yield Reviewed(document, number, rule)


def _blames_broken(fault: Fault, rule: Rule, broken: Collection[str]) -> bool:
    """Whether a fault is that a workflow document is not there, when it is there and broken."""
    if not broken or fault.path[:1] != ("do",) or fault.path[2:] != ("run",):
        return False
    action = rule.do[int(fault.path[1])]
    return isinstance(action, RunAction) and action.run in broken
