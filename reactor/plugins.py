"""Handlers of your own: functions that installed packages offer as entry points of the group `reactor.handlers`.

Owns finding them, and what one may ask for: its first parameter is annotated with a pydantic model, so that a rule's
arguments are checked when the rule is loaded. Performs nothing.

    class Ticket(BaseModel):
        summary: str

    def open_ticket(ticket: Ticket, job: Job) -> dict[str, str]:
        return {"key": tracker.create(ticket.summary, idempotency_key=job.id)}

with `open-ticket = "ours:open_ticket"` under `[project.entry-points."reactor.handlers"]`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from reactor.errors import ConfigError

GROUP = "reactor.handlers"


@dataclass(frozen=True, slots=True)
class Job:
    """What a handler may know of the job it performs."""

    id: str
    """The same whenever the job is performed again: an idempotency key. A killed process's job is performed twice."""
    attempt: int
    """1 for the first attempt."""
    rule: str
    event: str
    """The id of the event it follows from."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A handler of somebody's: what it asks for, and the function, which may be `async`."""

    name: str
    arguments: type[BaseModel]
    function: Callable[[Any, Job], Any]


def plugged() -> Mapping[str, Plugged]:
    """All installed handlers by name. Raises ConfigError with each one that can't be used, and why."""
    found, problems = {}, []
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = _plugged(point)
        except (ImportError, AttributeError, TypeError, ValueError, NameError) as error:
            problems.append(f"handler {point.name} ({point.value}) can't be used: {error}")
    if problems:
        raise ConfigError(*problems)
    return found


def _plugged(point: EntryPoint) -> Plugged:
    function = point.load()
    if not callable(function):
        raise TypeError("it is no function")
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) != 2:
        raise TypeError("expected two parameters: its arguments, which are a pydantic model, and the job")
    model = get_type_hints(function).get(parameters[0])
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"expected `{parameters[0]}` to be annotated with a pydantic model")
    return Plugged(point.name, _strict(model), function)


def _strict(model: type[BaseModel]) -> type[BaseModel]:
    """The model, with unknown fields as mistakes unless it says something of them itself."""
    if "extra" in model.model_config:
        return model
    config = ConfigDict(**{**model.model_config, "extra": "forbid"})
    return create_model(model.__name__, __base__=model, __cls_kwargs__={**config})
