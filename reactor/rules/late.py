"""What of an action can only be rendered when the actions before it are done, and rendering it then. Pure.

Owns what a row keeps for that: the texts that are open, and copies of all they mention of the event. Nothing of an event is
ever read as an expression: open texts are the rule's own, and stand beside the rendered arguments, not in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reactor.events import Event
from reactor.rules.actions import CompiledAction
from reactor.rules.cel import SOURCE, Scope
from reactor.rules.template import template

LATE: Final = "late"
"""Where a row's `what` keeps what is open."""

KEEP: Final = "keep"
"""Set in a row's `what` if a later action wants the whole answer of this one."""


class Open(str):
    """A text of a rule as it is written, where only an earlier action's result can fill it in."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An action that is done before: the row of it, and what it may be asked for, with the types."""

    row: str
    results: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that follows from an event, by the rule of this name."""

    action: CompiledAction
    cause: Event
    rule: str


def rendered(asked: Asked, scope: Scope, values: Mapping[str, Any], earlier: Mapping[str, Earlier]) -> dict[str, Any]:
    """What a row asks of its handler, with all that is known; `earlier` are the named actions before. Raises Unknown."""
    action, late = asked.action, asked.action.arguments.late(earlier)
    arguments = action.arguments.render(values, without=[path for path, _ in late])
    what = action.what(arguments, asked.cause, asked.rule)
    return {**what, LATE: _postponed(action, late, scope, values, earlier)} if late else what


def _postponed(
    action: CompiledAction,
    late: list[tuple[tuple[str | int, ...], str]],
    scope: Scope,
    values: Mapping[str, Any],
    earlier: Mapping[str, Earlier],
) -> dict[str, Any]:
    expressions = action.arguments.expressions(text for _, text in late)
    fields = {field for expression in expressions for field in expression.fields()}
    names = {name for name in earlier if any(expression.mentions(name) for expression in expressions)}
    wanted = {f"event.{field}" for field in fields}
    if any(expression.mentions(SOURCE) for expression in expressions):
        wanted.add(SOURCE)
    return {
        "texts": [[list(path), text] for path, text in late],
        "fields": {field: kind for field, kind in scope.fields.items() if field in fields},
        "values": {name: value for name, value in values.items() if name in wanted},
        "rows": {name: earlier[name].row for name in names},
        "results": {f"{name}.{each}": kind for name in names for each, kind in earlier[name].results.items()},
    }


def filled(what: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a row asks of its handler, as far as the rows it mentions have these results, by name. Raises Unknown.

    A text that mentions another result, too, stays open.
    """
    late = what[LATE]
    missing = [name for name in late["rows"] if name not in results]
    open_still = []
    values = dict(late["values"])
    for name, result in results.items():
        values |= {f"{name}.{each}": value for each, value in _said(result).items()}
    scope = Scope(late["fields"], late["results"])
    complete = {name: value for name, value in what.items() if name != LATE}
    for path, text in late["texts"]:
        compiled, _ = template(text, scope)
        if any(expression.mentions(name) for expression in compiled.expressions([text]) for name in missing):
            open_still.append([path, text])
        else:
            complete = _with(complete, path, compiled.render(values))
    return {**complete, LATE: {**late, "texts": open_still}} if open_still else complete


def unfilled(what: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a row asks of its handler, for people: what is open stands in it as it is written."""
    if LATE not in what:
        return what
    shown = {name: value for name, value in what.items() if name != LATE}
    for path, text in what[LATE]["texts"]:
        shown = _with(shown, path, Open(text))
    return shown


def _said(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says under the names that rules know: what was made stands in it under its kind."""
    said = {name: value for name, value in result.items() if value is not None}
    made = [value for name, value in said.items() if name != "data" and isinstance(value, Mapping)]
    return said | {name: value for each in made for name, value in each.items() if value is not None}


def _with(value: Any, path: list[str | int], new: Any) -> Any:
    """A copy of a value that has something new at a path."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, step: _with(value[step], rest, new)}
    return [_with(item, rest, new) if number == step else item for number, item in enumerate(value)]
