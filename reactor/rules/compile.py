"""Turns a rule as written into a rule that can be put to events. Pure.

Owns what can be wrong with one rule beyond its shape: fields, patterns and expressions. Whether the operations it calls
exist is the configuration's to check, which sees rules and APIs together.
"""

from collections.abc import Mapping
from difflib import get_close_matches

from reactor.rules.cel import Fault, Scope, template
from reactor.rules.match import Clause, CompiledAction, CompiledRule, PatternError, compile_match
from reactor.rules.model import CallAction, Rule


def compile_rule(rule: Rule, fields: Mapping[str, str]) -> tuple[CompiledRule, list[Fault]]:
    """Compile a rule over events with these fields (none: any); the faults of all its parts are returned together.

    A rule with faults is returned too, less what is wrong with it, so that the caller can go on looking.
    """
    scope = Scope(fields)
    clauses, faults = _clauses(rule, fields)
    actions = []
    for number, action in enumerate(rule.do):
        compiled, found = _action(action, scope)
        actions.append(compiled)
        faults += [Fault(("do", number, *fault.path), fault.message) for fault in found]
    return CompiledRule(rule.name, tuple(rule.on), clauses, tuple(actions), scope), faults


def _clauses(rule: Rule, fields: Mapping[str, str]) -> tuple[tuple[Clause, ...], list[Fault]]:
    faults = [
        Fault(("match", name), _unknown(name, fields)) for name in rule.match if fields and not _known(name, fields)
    ]
    try:
        return compile_match(rule.match), faults
    except PatternError as error:
        return (), [*faults, Fault(("match", *error.path), str(error))]


def _known(name: str, fields: Mapping[str, str]) -> bool:
    return name in fields or name == "$or"


def _unknown(name: str, fields: Mapping[str, str]) -> str:
    near = get_close_matches(name, fields, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"found field {name!r}, expected one of {', '.join(sorted(fields))}{hint}"


def _action(action: CallAction, scope: Scope) -> tuple[CompiledAction, list[Fault]]:
    arguments, faults = template({"parameters": action.parameters, "body": action.body}, scope)
    api, _, operation = action.call.partition(".")
    return CompiledAction(api, operation, arguments, action.if_exists), faults
