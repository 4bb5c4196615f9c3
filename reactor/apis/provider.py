"""The provider file: what an API's OpenAPI document does not say, as data. Pure.

Owns the format of `config/apis/<name>.yaml` and how an event is read as a sighting of a resource. No module is named
after a provider, and nothing here knows one: a new API is an OpenAPI document and one such file.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from reactor.events import Event, Sighting


class Model(BaseModel):
    """Base of everything in a provider file: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _path(text: str) -> str:
    if text != "$" and not text.startswith("$."):
        raise ValueError("expected a path like $.id or $.labels.team")
    return text


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


class Server(Model):
    """Where the API is: a URL, which an environment variable may replace (a private installation, an emulator)."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    env: str = ""


class Auth(Model):
    """How calls authenticate: the name of a secret of `config/secrets.yaml`."""

    bearer: str


class Answer(Model):
    """Recognises a reply by its status and, where that is not enough, by words of its message."""

    status: int = Field(ge=100, le=599)
    message: str = ""

    def recognises(self, status: int, message: str) -> bool:
        """Whether a reply is this one."""
        return status == self.status and self.message.lower() in message.lower()


class Announcement(Model):
    """What one event type says of a resource. A value that is no path is a constant."""

    id: Path = "$.id"
    name: Path = "$.name"
    state: str
    before: Path | None = Field(None, alias="from")


class Resource(Model):
    """A kind of thing with an id and a state: how to read and find it, what its states mean, what announces them."""

    read: str
    find: dict[str, dict[str, Path]] = Field(
        {}, max_length=1, description="Operation, and its parameters from the create's body."
    )
    id: Path = "$.id"
    name: Path = "$.name"
    state: Path = "$.state"
    labels: Path | None = None
    created: Path | None = Field(None, description="When it was made, by the API's clock.")
    error: Path | None = Field(None, description="Why it failed.")
    settled: list[str] = Field([], description="A wait may end here.")
    failed: list[str] = Field([], description="Settled, and not as hoped.")
    terminal: list[str] = Field([], description="Nothing follows.")
    events: dict[str, Announcement] = {}


class Create(Model):
    """An operation that makes a resource, and how to find out whether it did."""

    resource: str
    name: Path = "$.name"
    labels: Path | None = Field(None, description="Where the request takes labels; ownership is written there.")
    exists: list[Answer] = Field([], description="Replies that may mean that the name is taken.")


def _server(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class Provider(Model):
    """One provider file. Durations are in seconds."""

    openapi: str = Field(description="The compact OpenAPI document beside this file.")
    webhooks: str = Field("", description="A document whose `webhooks` describe the events.")
    server: Annotated[Server, BeforeValidator(_server)]
    auth: Auth | None = None
    timeout: float = Field(30.0, gt=0)
    timeouts: dict[str, float] = Field({}, description="Operations that take longer.")
    resources: dict[str, Resource] = {}
    creates: dict[str, Create] = {}
    repeatable: list[str] = Field([], description="POST operations that may be sent twice with one effect.")
    transient: list[Answer] = Field([], description="Refusals that pass by themselves.")

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
        return Sighting(
            kind=kind,
            id=_text(look(announced.id, event.data)),
            name=_text(look(announced.name, event.data)),
            state=state,
            at=event.time if event.time is not None else accepted,
            guarded=announced.before is not None,
            terminal=int(state in resource.terminal),
            settled=int(state in resource.settled),
        )


def _text(value: Any) -> str | None:
    """Ids, names and states are texts; anything else in their place says nothing."""
    return value if isinstance(value, str) and value else None
