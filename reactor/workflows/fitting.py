"""Fits the steps of a document to the operations they call: names, places, and what an operation does not take. Pure.

Documents are written against other versions and extracts of an API's description. What can only be meant one way is taken
so, with a warning; what an operation can't be called with is refused when the document is read, not when it runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final

from reactor.workflows.apis import Operation, Slot
from reactor.workflows.document import Body, Parameter, Step
from reactor.workflows.expressions import Literal, Template, Text, Tree
from reactor.yaml12 import expected_one_of

NEARLY: Final = 0.8
"""How alike an unknown parameter and a known one are (difflib's ratio) to be taken for a slip."""

SET_BY_US: Final = frozenset({"accept", "content-type", "user-agent"})
"""Headers that the client sets itself, whatever a document says."""


@dataclass(slots=True)
class Fitting:
    """A step put to its operation: what is wrong with it, and what is only unusual, in words."""

    operation: Operation
    slots: Sequence[Slot]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def parameters(self, step: Step) -> tuple[Parameter, ...]:
        """The step's parameters, by the names and in the places that the operation has for them."""
        fitted = [each for parameter in step.parameters if (each := self._fitted(parameter, step))]
        given = {parameter.name for parameter in fitted}
        for slot in self.slots:
            if slot.required and slot.name not in given:
                self.problems.append(
                    f"found no parameter {slot.name!r}, expected it in {slot.where}: {self.operation.id} requires it"
                )
        return tuple(fitted)

    def _fitted(self, parameter: Parameter, step: Step) -> Parameter | None:
        """The parameter as the operation takes it; None for one that is not sent."""
        name, where = parameter.name, parameter.where
        if self.operation.authenticates(where, name) or any((s.name, s.where) == (name, where) for s in self.slots):
            return parameter
        if where == "header" and name.lower() in SET_BY_US:
            return None
        slot = self._meant(parameter, step)
        if slot:
            self.notes.append(f"found {name!r} in {where}; {self.operation.id} takes {slot.name!r} in {slot.where}")
            return replace(parameter, name=slot.name, where=slot.where)
        if parameter.inherited:
            return None
        names = [slot.name for slot in self.slots]
        if where == "path" or get_close_matches(name, names, cutoff=NEARLY):
            self.problems.append(f"parameter: {expected_one_of(name, names)}")
        else:
            self.notes.append(f"{name} in {where} is not sent: {self.operation.id} takes no parameter of this name")
        return None

    def _meant(self, parameter: Parameter, step: Step) -> Slot | None:
        """The slot of this name elsewhere or in another case; for a path, the only one that nothing else fills."""
        named = [slot for slot in self.slots if slot.name.lower() == parameter.name.lower()]
        if named:
            return named[0]
        if parameter.where != "path":
            return None
        given = {other.name for other in step.parameters}
        free = [slot for slot in self.slots if slot.where == "path" and slot.name not in given]
        known = {slot.name for slot in self.slots}
        unknown = [other for other in step.parameters if other.where == "path" and other.name not in known]
        return free[0] if len(free) == len(unknown) == 1 else None


ALTERNATIVES: Final = frozenset({"anyOf", "oneOf", "not", "if"})
"""Words of a schema that judge a value as a whole: with an expression in it, nothing can be said."""

Place = tuple[str | int, ...]


def _misfits(body: Body, operation: Operation) -> Iterator[str]:
    """Where a body can't fit its schema, whatever its expressions come to."""
    value, holes = _sketch(body.payload, ())
    if isinstance(body.payload, Text) and len(body.payload.parts) > 1:
        value, holes = "", []  # a text, whatever it says
    if operation.misfits is None or body.replacements or () in holes:
        return
    for place, message, word in operation.misfits(value):
        within = any(place[: len(hole)] == hole for hole in holes)
        around = any(hole[: len(place)] == place for hole in holes)
        if not within and not (around and word in ALTERNATIVES):
            yield message


def _sketch(template: Template, place: Place) -> tuple[Any, list[Place]]:
    """A template's value as far as it stands in the document, and the places that expressions fill."""
    if isinstance(template, Literal):
        return template.value, []
    if not isinstance(template, Tree):
        return None, [place]
    names: Sequence[str | int] = range(len(template.items)) if template.names is None else template.names
    parts = [_sketch(item, (*place, name)) for name, item in zip(names, template.items, strict=True)]
    holes = [hole for _, inner in parts for hole in inner]
    values = [value for value, _ in parts]
    return (values if template.names is None else dict(zip(names, values, strict=True))), holes


def fit(step: Step, operation: Operation) -> tuple[Step, list[str], list[str]]:
    """A step as its operation can be called, what is wrong with it, and what was noted."""
    if operation.slots is None:
        return step, [], []
    fitting = Fitting(operation, operation.slots)
    fitted = replace(step, parameters=fitting.parameters(step))
    if operation.has_body is False and step.body:
        fitting.notes.append(f"the request body is not sent: {operation.id} takes none")
        fitted = replace(fitted, body=None)
    if operation.needs_body and not step.body:
        fitting.problems.append(f"found no requestBody, expected it: {operation.id} requires one")
    if fitted.body:
        fitting.problems.extend(_misfits(fitted.body, operation))
    return fitted, fitting.problems, fitting.notes
