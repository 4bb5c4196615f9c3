"""CEL, the one expression language of rule files: compiled and checked at load, bounded when it runs.

Owns the CEL library: nothing else imports it. An expression sees `event.<field>` for every field that is declared, typed,
so that a wrong name or type is refused when the file is loaded, and `event.data` with the whole payload, unchecked.
The library keeps the interpreter's lock while it compiles and while it evaluates (measured), so that a configuration may be
compiled in a thread while the event loop evaluates; neither ever runs beside the other.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel

from reactor.events import Event
from reactor.rules.tree import Made, made_of
from reactor.yaml12 import expected_one_of

TYPES = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
}
"""JSON Schema's simple types in CEL; every other type is checked when it runs."""

SOURCE = "event.data"

Choices = Mapping[str, Sequence[object]]
"""The values that a field can have, for the fields that list them."""

_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_FIELD = re.compile(r"(?<![\w.])event\.((?:data\.)?\w+)")


class ExpressionError(ValueError):
    """An expression can't be compiled."""


class Unknown(ValueError):
    """An expression has no value for this event: a field is absent, a type differs, the budget is spent, or what comes
    out can't be said in JSON."""


class Scope:
    """The names an expression may use: the declared fields of the event types that a rule is about, and results.

    `results` are variables such as `box.id`, with their types: what earlier actions came to. `choices` are the values of the
    fields that list them: what compares such a field with anything else is a slip.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        results: Mapping[str, str] = MappingProxyType({}),
        choices: Choices = MappingProxyType({}),
    ) -> None:
        self.fields = dict(fields)
        self.results = dict(results)
        self.choices = {f"event.{name}": listed for name, listed in choices.items()}
        events = ((f"event.{name}", kind) for name, kind in self.fields.items())
        self._variables = (*events, *self.results.items())

    def compile(self, source: str) -> "Expression":
        """Check an expression. Raises ExpressionError."""
        expression = Expression(source, _compiled(self._variables, source))
        if any(name in source for name in self.choices) and (slips := list(self._slips(expression))):
            raise ExpressionError("; ".join(slips))
        return expression

    def _slips(self, expression: "Expression") -> Iterator[str]:
        """The literals that are compared with a field which is never one of them."""
        for name, literals in expression.made().compared.items():
            for literal in literals:
                if literal not in self.choices.get(name, literals):
                    unlisted = f"event.data.{name.removeprefix('event.')}"
                    yield (
                        f"{expected_one_of(str(literal), map(str, self.choices[name]))}; a value that is not listed yet "
                        f"can be compared with {unlisted}"
                    )

    def with_results(self, name: str, results: Mapping[str, str]) -> "Scope":
        """This scope and the results of an action that is called `name`."""
        scope = copy(self)
        scope.results = {**self.results, **{f"{name}.{each}": kind for each, kind in results.items()}}
        scope._variables = (*self._variables, *((f"{name}.{each}", kind) for each, kind in results.items()))
        return scope

    def values(self, event: Event) -> dict[str, Any]:
        """The variables that expressions of this scope see for one event."""
        known = {f"event.{name}": event.data[name] for name in self.fields if event.data.get(name) is not None}
        return known | {SOURCE: dict(event.data)}


Variables = tuple[tuple[str, str], ...]
"""Names and their simple types."""


@lru_cache(maxsize=200)
def _environment(variables: Variables) -> Any:
    """An environment with these variables: rules on the same events share one."""
    declared = {name: TYPES.get(kind, cel.Type.DYN) for name, kind in variables}
    return cel.NewEnv(variables=declared | {SOURCE: cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})


@lru_cache(maxsize=2000)
def _compiled(variables: Variables, source: str) -> Any:
    """A compiled expression: thousands of rules say `event.id`. Raises ExpressionError."""
    try:
        return _environment(variables).compile(source)
    except RuntimeError as error:
        names = [name for name, _ in variables]
        raise ExpressionError("; ".join(each + _meant(each, names) for each in _explain(str(error)))) from None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    _compiled: cel.Expression

    @property
    def kind(self) -> str:
        """The simple type of the value, as JSON Schema names it; empty where only an event can tell."""
        returned = self._compiled.return_type()
        return next((kind for kind, known in TYPES.items() if known == returned), "")

    def made(self) -> Made:
        """What the expression is made of."""
        return made_of(self._compiled.serialize())

    def fields(self) -> list[str]:
        """The fields of the event that the expression mentions; those it reaches by `event.data` as `data.<field>`."""
        return list(dict.fromkeys(_FIELD.findall(_QUOTED.sub("''", self.source))))

    def mentions(self, name: str) -> bool:
        """Whether the expression mentions a variable, or anything of it."""
        return bool(re.search(rf"(?<![\w.]){re.escape(name)}\b", _QUOTED.sub("''", self.source)))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The expression's value as JSON's plain data. Raises Unknown."""
        try:
            value = self._compiled.eval(data=dict(values))
            if value.type() == cel.Type.ERROR:
                raise ValueError(str(value.value()))
            return _plain(value)
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise Unknown(f"${{{self.source}}}: {_first_line(str(error))}") from None


def _plain(value: Any) -> Any:
    """Unwrap CEL values, which nest inside maps and lists. Raises ValueError for what JSON can't say."""
    match value.value() if isinstance(value, cel.Value) else value:
        case dict() as members:
            return {_key(key): _plain(item) for key, item in members.items()}
        case list() as items:
            return [_plain(item) for item in items]
        case None | str() | int() as scalar:
            return scalar
        case float() as number if math.isfinite(number):
            return number
        case other:
            raise ValueError(f"found {other!r}, which JSON can't say; make it a text with string(…)")


def _key(value: Any) -> str:
    key = _plain(value)
    if not isinstance(key, str):
        raise ValueError(f"found the key {key!r}, expected a text: JSON has no other keys")
    return key


def _explain(error: str) -> list[str]:
    """What is wrong first, and all names that nobody knows: other complaints often follow from the first."""
    found = [
        each.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
        for each in re.findall(r"<input>:-?\d+:-?\d+: (.*)", error)
    ]
    unknown = [each for each in found if each.startswith("undeclared reference")]
    return list(dict.fromkeys([*found[:1], *unknown])) or [_first_line(error).removeprefix("INVALID_ARGUMENT: ")]


def _meant(explained: str, names: Collection[str]) -> str:
    """The known name that an unknown one is nearest to."""
    unknown = re.search("undeclared reference to '([^']*)'", explained)
    near = get_close_matches(unknown[1][:60], names) if unknown else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text else "no value"
