"""The provider file: what an API's OpenAPI document does not say, as data. Pure.

Owns the format of `config/apis/<name>.yaml` and how an event is read as a sighting of a resource. No module is named
after a provider, and nothing here knows one: a new API is an OpenAPI document and one such file.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reactor.events import Event, Sighting
from reactor.yaml12 import expected_one_of


class Model(BaseModel):
    """Base of everything in a provider file: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _path(text: str) -> str:
    if not re.fullmatch(r"\$(\.[^.]+)+", text):
        raise ValueError(f"found {text!r}, expected a path like $.id or $.labels.team")
    return text


def _path_or_text(text: str) -> str:
    return _path(text) if text.startswith("$") else text


FAST_CLOCK = 300_000
"""Milliseconds by which an event's time may be ahead: one from a far future would make everything after it stale."""

CLOCKS = 5_000
"""Milliseconds by which the clock of who reads may be behind the provider's, and a reply late."""

Path = Annotated[str, AfterValidator(_path)]
"""Where a value stands in a JSON object: `$.labels.team`."""


def look(path: str, data: Any) -> Any:
    """The value at a path, None when it is not there; a text that is no path stands for itself."""
    if not path.startswith("$"):
        return path
    for name in path.split(".")[1:]:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def put(path: str, data: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """A copy of `data` with `value` at a path; objects on the way are made."""
    name, _, rest = path.removeprefix("$.").partition(".")
    inner = data.get(name)
    return {**data, name: put(f"$.{rest}", inner if isinstance(inner, Mapping) else {}, value) if rest else value}


class Told(Model):
    """The operation of another API that says where a resource has its server: a host that this API's key may go to."""

    operation: str = Field(pattern=r"^[\w-]+\.[\w.-]+$", description="API and operation.")
    parameter: str = Field(description="The parameter, of both operations, that names the resource.")
    url: Path = Field("$.url", description="Where the reply says it.")
    without: str = Field("", description="The end of that URL with which this document's paths begin.")


class Server(Model):
    """Where the API is: a URL, which an environment variable may replace (a private installation, an emulator).

    Where each resource has a server of its own, another API tells which; the URL is then only shown.
    """

    url: str = Field(pattern=r"^https?://[^\s]+$", description="The URL before every path of the document.")
    env: str = Field("", description="An environment variable that replaces it.")
    told_by: Told | None = Field(None, description="Where each resource has its own: who says which.")


class Auth(Model):
    """How calls authenticate: the name of a secret of `config/secrets.yaml`."""

    bearer: str = Field(description="The secret that is sent as `Authorization: Bearer …`.")


class Answer(Model):
    """Recognises a reply by its status and, where that is not enough, by words of its message."""

    status: int = Field(ge=100, le=599, description="The HTTP status.")
    message: str = Field("", description="Words that the reply's message has, in any case.")

    def recognises(self, status: int, message: str) -> bool:
        """Whether a reply is this one."""
        return status == self.status and self.message.lower() in message.lower()


class Announcement(Model):
    """What one event type says of a resource. A state that is no path is a constant."""

    id: Path = Field("$.id", description="Where the event has the resource's id.")
    name: Path = Field("$.name", description="Where the event has its name.")
    state: Annotated[str, AfterValidator(_path_or_text)] = Field(
        description="Where the event has its state; or the state itself, where the type says it."
    )
    before: Path | None = Field(None, alias="from", description="Where the event has the state before, if it has.")

    @property
    def is_birth(self) -> bool:
        """Whether it says that a resource was made, in whatever state: the others are about a change, or an end."""
        return self.before is None and self.state.startswith("$")


class NextPage(Model):
    """The parameter that asks for the next page of a list, and where its value comes from: exactly one of the three."""

    parameter: str = Field(description="The parameter that asks for the page.")
    reply: Path | None = Field(None, description="Where the reply says the value; the last page says none.")
    item: Path | None = Field(None, description="Where the last item says the value; the last page has no items.")
    pages: Path | None = Field(None, description="Pages are numbered from 1; where the reply says how many there are.")

    @model_validator(mode="after")
    def _one_source(self) -> "NextPage":
        if sum(source is not None for source in (self.reply, self.item, self.pages)) != 1:
            raise ValueError("expected exactly one of `reply`, `item` and `pages`")
        return self


class Listing(Model):
    """How to list all resources of a kind."""

    operation: str = Field(description="The operation that lists.")
    parameters: dict[str, Any] = Field({}, description="Parameters of every call: the size of a page.")
    items: Path | None = Field(None, description="Where the reply has them; unsaid, the reply is the list.")
    next: NextPage | None = Field(None, description="Unsaid, one page has all.")


class Resource(Model):
    """A kind of thing with an id and a state: how to read and find it, what its states mean, what announces them."""

    read: str = Field(description="The operation that reads one by its id.")
    find: dict[str, dict[str, Path]] = Field(
        {}, max_length=1, description="Operation, and its parameters; `$.name` is the name that a create asks for."
    )
    listing: Listing | None = Field(None, alias="list", description="How to list them all.")
    by: str = Field("", description="The parameter that names one, for operations with several in their path.")
    id: Path = Field("$.id", description="Where a reply has its id.")
    name: Path = Field("$.name", description="Where a reply has its name.")
    state: Path = Field("$.state", description="Where a reply has its state.")
    labels: Path | None = Field(None, description="Where a reply has its labels, if the kind has any.")
    replaces_labels: dict[str, Path] = Field(
        {}, description="Operations that replace all labels, the reactor's too, and where their body has them."
    )
    created: Path | None = Field(None, description="When it was made, by the API's clock: a time, or milliseconds.")
    error: Path | None = Field(None, description="Why it failed.")
    settled: list[str] = Field([], description="A wait may end here.")
    failed: list[str] = Field([], description="Settled, and not as hoped.")
    terminal: list[str] = Field([], description="Nothing follows.")
    staleness: float = Field(0.0, ge=0, description="Seconds that a read may lag behind.")
    deadline: float | None = Field(None, gt=0, description="Seconds to wait for a state, where nobody says.")
    derived: dict[str, list[str]] = Field(
        {}, description="A state that a read may show early, and the states it may stand for: then it is no news."
    )
    moves: list[str] = Field([], description="Operations after which a state seen before is no evidence.")
    leads: dict[str, str] = Field({}, description="The state in which an operation leaves one, when all goes well.")
    events: dict[str, Announcement] = Field({}, description="Event types, and what each says of the resource.")


class Create(Model):
    """An operation that makes a resource, and how to find out whether it did."""

    resource: str = Field(description="The kind that it makes.")
    name: Path = Field("$.name", description="Where the request has the name.")
    labels: Path | None = Field(None, description="Where the request takes labels; ownership is written there.")
    exists: list[Answer] = Field([], description="Replies that may mean that the name is taken.")


class LongPoll(Model):
    """An operation that is answered once a resource has one of the states asked for, or that it has not yet."""

    resource: str = Field("", description="The kind that the answer is a sighting of.")
    states: Path = Field(description="Where the request says which states to wait for.")
    seconds: Path = Field(description="Where the request says how long to wait.")
    hold: float = Field(gt=0, description="Seconds that the API holds a request at most; the client waits longer.")
    still_waiting: list[int] = Field(min_length=1, description="Statuses that mean: not yet, ask again.")


class Arazzo(Model):
    """By what Arazzo documents mean this API: their source's URL or name; and operations that they call otherwise."""

    urls: list[str] = Field([], description="Patterns of URLs in lower case; `*` matches any part.")
    names: list[str] = Field([], description="Patterns of sources' names, for documents whose URLs say nothing.")
    operations: dict[str, str] = Field({}, description="Another name, and the operation it means.")


class Budgets(Model):
    """How much of an API all workers together may use; where it says nothing, the settings do."""

    creates_per_minute: int | None = Field(None, ge=0, description="Creates in a minute; 0: without limit.")


def _server(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class Provider(Model):
    """One provider file. Durations are in seconds."""

    openapi: str = Field(description="The compact OpenAPI document beside this file.")
    webhooks: str = Field("", description="A document whose `webhooks` describe the events.")
    server: Annotated[Server, BeforeValidator(_server, json_schema_input_type=str | Server)] = Field(
        description="Where the API is: a URL, or more than that."
    )
    auth: Auth | None = Field(None, description="How calls authenticate.")
    timeout: float = Field(30.0, gt=0, description="Seconds that a call may take.")
    timeouts: dict[str, float] = Field({}, description="Operations that take longer.")
    resources: dict[str, Resource] = Field({}, description="Kinds of things with an id and a state.")
    creates: dict[str, Create] = Field({}, description="Operations that make one of them.")
    repeatable: list[str] = Field([], description="POST operations that may be sent twice with one effect.")
    transient: list[Answer] = Field([], description="Refusals that pass by themselves.")
    quota: list[Answer] = Field([], description="Refusals until something is freed or paid for.")
    long_poll: dict[str, LongPoll] = Field({}, description="Operations that are answered when a state is reached.")
    arazzo: Arazzo = Field(Arazzo(), description="By what workflow documents mean this API.")
    budgets: Budgets = Field(Budgets(), description="How much of it all workers together may use.")

    @model_validator(mode="after")
    def _known_resources(self) -> "Provider":
        for operation, poll in self.long_poll.items():
            if poll.resource and poll.resource not in self.resources:
                raise ValueError(f"long_poll.{operation}.resource: {expected_one_of(poll.resource, self.resources)}")
        return self

    def kind_of(self, event_type: str) -> str | None:
        """The kind of resource that an event type is about."""
        return next((kind for kind, resource in self.resources.items() if event_type in resource.events), None)

    def sighting(self, event: Event, *, accepted: int) -> Sighting | None:
        """What an event says of a resource; None when it is about none. `accepted` dates an event without a time (ms)."""
        kind = self.kind_of(event.type)
        if kind is None:
            return None
        resource = self.resources[kind]
        announced = resource.events[event.type]
        state = _text(look(announced.state, event.data))
        at = accepted if event.time is None else min(event.time, accepted + FAST_CLOCK)
        looked = event.origin != "webhook"
        return Sighting(
            kind=kind,
            id=_text(look(announced.id, event.data)),
            name=_text(look(announced.name, event.data)),
            state=state,
            at=at,
            guarded=announced.before is not None,
            terminal=int(state in resource.terminal),
            settled=int(state in resource.settled),
            birth=announced.is_birth,
            upto=at + int(resource.staleness * 1000) + CLOCKS if looked else None,
        )


def _text(value: Any) -> str | None:
    """Ids, names and states are texts; anything else in their place says nothing."""
    return value if isinstance(value, str) and value else None
