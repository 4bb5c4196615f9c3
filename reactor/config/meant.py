"""What a rule of wrong structure was meant to be: so much is put right that the rest is checked in the same pass. Pure.

Owns no message: what is wrong is told where the structure is checked, and what was put right never comes into force. A name
that is nearly one of those that may stand there is taken for it, as its message says; what is no value of its field, or
missing, is unknown, and whatever would be said of it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo

from reactor.rules.actions import KINDS, Kind
from reactor.rules.model import MOST_ACTIONS, Model, Rule
from reactor.yaml12 import Path
from reactor.yaml12.words import clipped

STAND_INS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "a-rule",
        "on": ["*"],
        "match": {"event": {"exists": True}},
        "do": [{"emit": "a.thing"}],
        "within": "1h",
        "wait": "1h",
        "at_most": "1h",
        "at_least": 2,
        "limit": 1,
        "call": "an.operation",
        "run": "a-workflow",
        "notify": "a-target",
        "text": "a text",
        "emit": "a.thing",
        "perform": "a-handler",
    }
)
"""What stands for a field that is required, or whose absence would say something, while nobody knows what it is."""

MOST: Final = 200
"""Unknown names in a file that are compared with those that are known: so many slips nobody makes."""


@dataclass(slots=True)
class Meant:
    """A rule as it was meant. Paths lead into it as it is meant: `renamed` says where that is written."""

    rule: Rule
    renamed: Mapping[Path, Path] = field(default_factory=dict)
    unknown: frozenset[Path] = frozenset()

    def tells(self, path: Path) -> bool:
        """Whether what is found at a place is about something that somebody wrote."""
        return not any(path[:length] in self.unknown for length in range(len(path) + 1))

    def written(self, path: Path) -> Path:
        """Where something stands."""
        known = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in self.renamed), ())
        return (*self.renamed.get(known, ()), *path[len(known) :])


class Meaning:
    """Puts the rules of one file right."""

    def __init__(self) -> None:
        self._left = MOST

    def of(self, written: object) -> Meant | None:
        """A rule as it was meant; None for what is no rule at all."""
        draft = _Draft(self)
        if not isinstance(written, dict):
            return None
        data = draft.model(written, Rule, (), ())
        try:
            return Meant(Rule.model_validate(data), draft.renamed, frozenset(draft.unknown))
        except ValidationError:
            return None

    def near(self, name: str, names: Sequence[str]) -> str:
        """The name that an unknown one was meant to be; empty for none."""
        self._left -= 1
        return next(iter(get_close_matches(clipped(name), names, n=1)), "") if self._left >= 0 else ""


@dataclass(slots=True)
class _Draft:
    """One rule on the way."""

    meaning: Meaning
    renamed: dict[Path, Path] = field(default_factory=dict)
    unknown: set[Path] = field(default_factory=set)

    def model(self, written: Mapping[str, Any], model: type[BaseModel], path: Path, place: Path) -> dict[str, Any]:
        """What a mapping means as a model; `path` is where it is meant to be, and `place` where it is written."""
        fields = _fields(model)
        meant = {}
        for name, key in self._named(written, tuple(fields)).items():
            if key != name:
                self.renamed[*path, name] = (*place, key)
            meant[name] = self._value(written[key], model, name, ((*path, name), (*place, key)))
        for name, info in fields.items():
            missing = info.is_required() and name not in meant
            if missing or (*path, name) in self.unknown:
                self.unknown.add((*path, name))
                meant[name] = STAND_INS.get(name)
        return {name: value for name, value in meant.items() if value is not None}

    def _named(self, written: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
        """The fields that are written, each with the key that was meant to be it."""
        found = {name: name for name in written if name in names}
        for key in written:
            free = [name for name in names if name not in found]
            if key not in names and (near := self.meaning.near(key, free)):
                found[near] = key
        return found

    def _value(self, value: Any, model: type[BaseModel], name: str, where: tuple[Path, Path]) -> Any:
        path, place = where
        if model is Rule and name == "do" and isinstance(value, list) and 0 < len(value) <= MOST_ACTIONS:
            return [self._action(item, (*path, number), (*place, number)) for number, item in enumerate(value)]
        inner = _inner(_fields(model)[name])
        if inner and isinstance(value, dict):
            return self.model(value, inner, path, place)
        if not _fits(model, name, value):
            self.unknown.add(path)
        return value

    def _action(self, written: Any, path: Path, place: Path) -> dict[str, Any]:
        """What an action means. What it comes to is unknown where its name is, and so is what others say of that."""
        if not isinstance(written, dict):
            self.unknown.add(path)
            return dict(STAND_INS["do"][0])
        kind = max(KINDS.values(), key=lambda kind: self._likeness(written, kind))
        meant = self.model(written, kind.model, path, place)
        if any(
            (*earlier, "as") in self.unknown for earlier in ((*path[:-1], number) for number in range(int(path[-1])))
        ):
            self.unknown.update((*path, part) for part in kind.rendered)
        return meant

    def _likeness(self, written: Mapping[str, Any], kind: Kind) -> int:
        """How much an action is of a kind: its word counts most, also where it is mistyped."""
        fields = _fields(kind.model)
        known = sum(key in fields for key in written)
        if kind.name in written:
            return known + 10
        strange = [key for key in written if not any(key in _fields(each.model) for each in KINDS.values())]
        return known + 5 * any(self.meaning.near(key, list(KINDS)) == kind.name for key in strange)


@lru_cache
def _fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields of a model by the names that stand in files."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _inner(info: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, if it is one."""
    kinds = (info.annotation, *get_args(info.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


@lru_cache
def _alone(model: type[BaseModel], name: str) -> type[BaseModel]:
    """A model that has this one field."""
    attribute, info = next(found for found in model.model_fields.items() if name in (found[0], found[1].alias))
    return create_model(name, __base__=Model, **{attribute: (info.annotation, info)})  # type: ignore[call-overload, no-any-return]


def _fits(model: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a value is one that a field may have."""
    try:
        _alone(model, name).model_validate({name: value})
    except ValidationError:
        return False
    return True
