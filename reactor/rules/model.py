"""The shape of rule files: these classes are the file format. They decide nothing and know no other file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reactor.rules.durations import Duration, milliseconds
from reactor.store.keys import MAIN

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Its name in logs, keys and labels: a-z, 0-9 and dashes."),
]
"""Names stand in keys, labels and job ids."""


MOST_ACTIONS = 100
"""Actions that a rule may have: each is a job, and all of them are made in one step."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _bounded(value: Any) -> Any:
    """A list of actions, before any of them is looked at."""
    if isinstance(value, list) and len(value) > MOST_ACTIONS:
        raise ValueError(f"found {len(value)} actions, expected at most {MOST_ACTIONS}: make several rules of it")
    return value


class Model(BaseModel):
    """Base of everything in a rule file: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Action(Model):
    """What every action may say of itself."""

    name_of_result: str = Field(
        "",
        alias="as",
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="The name by which later actions of this rule see the result: `${box.id}` after `as: box`.",
    )


class CallAction(Action):
    """Perform one operation of an API: `call: daytona.createSandbox`."""

    call: str = Field(pattern=r"^[\w-]+\.[\w.-]+$", description="API and operation.")
    parameters: dict[str, Any] = Field({}, description="Path, query and header parameters, by name.")
    body: Any = Field(None, description="The request body; texts may hold ${…}.")
    if_exists: Literal["fail", "use"] = Field(
        "fail", description="A resource of the same name that somebody else made: fail, or use it as it is."
    )


class RunAction(Action):
    """Start a run of a workflow: `run: volume-and-sandbox` is `config/workflows/volume-and-sandbox.arazzo.yaml`."""

    run: str = Field(min_length=1, description="The document's name.")
    workflow: str = Field("", description="Which workflow of the document; not needed where there is one.")
    inputs: dict[str, Any] = Field({}, description="The workflow's inputs; texts may hold ${…}.")


class NotifyAction(Action):
    """Tell people: `notify: ops-slack`, a target of `targets.yaml`. At least once."""

    notify: str = Field(min_length=1, description="The target's name.")
    title: str = Field("", description="Its heading, where the target shows one; may hold ${…}.")
    text: str = Field(min_length=1, description="What to tell; may hold ${…}.")


class EmitAction(Action):
    """Make an event of our own, on which rules may be: `emit: fleet.volume-lost`. Its source is `reactor`."""

    emit: str = Field(pattern=r"^[a-z][\w-]*(\.[\w-]+)+$", max_length=100, description="The event's type.")
    data: dict[str, Any] = Field({}, description="Its fields; texts may hold ${…}.")


class PerformAction(Action):
    """Have a handler of your own perform something: `perform: open-ticket`, an entry point of `reactor.handlers`."""

    perform: str = Field(min_length=1, description="The handler's name.")
    arguments: dict[str, Any] = Field({}, description="What the handler asks for; texts may hold ${…}.")
    queue: Name = Field(
        MAIN, description="Whose workers perform it: a queue of `queues.yaml`, for what burns CPU or is not trusted."
    )


AnyAction = CallAction | RunAction | NotifyAction | EmitAction | PerformAction

Types = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    Field(min_length=1, description="Event types; `*` matches any part."),
]
Patterns = Annotated[
    dict[str, Any],
    Field(description="Patterns over the payload's fields, all of which must hold.", default_factory=dict),
]


class Unless(Model):
    """Act once this time is over, unless such an event came meanwhile, earlier or later in the log."""

    on: Types
    match: Patterns
    within: Duration = Field(description="How long to wait, and to look back.")
    key: str = Field(
        "", description="Which key such an event has; the rule's `key`, put to it, where this is left out."
    )


class Count(Model):
    """Fire when so many of the rule's events lie within a time, this one among them."""

    at_least: int = Field(ge=2, le=1000, description="How many.")
    within: Duration = Field(description="The time that all of them lie in.")


class Throttle(Model):
    """Act so often within a time; more is withheld."""

    limit: int = Field(ge=1, le=1000, description="How often at most.")
    within: Duration = Field(description="In which time.")


class Debounce(Model):
    """Act on the last event of a burst: when nothing came for `wait`, or `at_most` after the first."""

    wait: Duration = Field(description="How long nothing has to come.")
    at_most: Duration = Field(description="How long after the first event at the latest.")


class Retry(Model):
    """How the jobs of a rule are tried again, where it differs from REACTOR_ATTEMPTS and REACTOR_BACKOFF."""

    attempts: int | None = Field(None, ge=1, le=100, description="How often in all.")
    backoff: Duration | None = Field(
        None, description="How long before the second attempt; each later one waits longer."
    )


class Rule(Model):
    """What follows from which event."""

    name: Name
    description: str = Field("", description="What it is for; shown with what it did.")
    on: Types
    match: Patterns
    when: Annotated[
        list[str],
        BeforeValidator(_listed, json_schema_input_type=str | list[str]),
        Field(description="CEL expressions, all of which are true."),
    ] = []
    key: str = Field("", description="What the controls below count by; the resource's id where this is left out.")
    count: Count | None = None
    hold: Duration | None = Field(None, alias="for", description="Act if the resource is in that state for so long.")
    unless: Unless | None = None
    debounce: Debounce | None = None
    max_age: Duration = Field(
        milliseconds("1h"), description="What should have been done longer ago is not done; unsaid, an hour."
    )
    cooldown: Duration | None = Field(None, description="Act at most once in this time.")
    throttle: Throttle | None = None
    stale: Literal["skip", "run"] = Field("skip", description="What to do of a change of state that is outdated.")
    enforce: Literal["on", "shadow", "off"] = Field("on", description="`shadow`: decide and record, and do nothing.")
    retry: Retry = Retry()
    do: Annotated[list[AnyAction], BeforeValidator(_bounded)] = Field(
        min_length=1, description="What follows, one after the other: `call`, `run`, `notify`, `emit` or `perform`."
    )


class RuleFile(Model):
    """One file of `config/rules/`."""

    rules: list[Rule] = Field(description="The rules; every one is put to every event.")
