"""What a configuration is: the shape of `secrets.yaml` and `sources.yaml`, and the checked, immutable whole.

Reads no file and checks nothing across files: that is the loader's.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reactor.apis.client import Api
from reactor.apis.recognise import recognise
from reactor.errors import ConfigError, Problem
from reactor.events import Event
from reactor.planning import Arrival
from reactor.plugins import Plugged
from reactor.rules.ruleset import Rules
from reactor.secrets import Secret
from reactor.store.keys import MAIN
from reactor.store.log import Entry
from reactor.webhook import Source
from reactor.workflows.program import Program

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]


class Model(BaseModel):
    """Base of the files below: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SecretEntry(Model):
    """Where a secret is: exactly one of `env` and `file`, and the hosts it may be sent to."""

    env: str = Field("", description="The environment variable that has it.")
    file: str = Field("", description="The file that has it, read again whenever it changes.")
    hosts: list[str] = Field([], description="The hosts it may be sent to; an API's own host needs no word.")


class SecretsFile(Model):
    """`secrets.yaml`."""

    secrets: dict[str, SecretEntry] = Field(description="Names, and where each secret is. No secret stands here.")


class Organization(Model):
    """The organization's id, or the environment variable that has it."""

    id: str = Field("", description="The id itself.")
    env: str = Field("", description="The environment variable that has it.")

    def read(self) -> str:
        """The id as it is now; empty when there is none."""
        return self.id or os.environ.get(self.env, "").strip()


def _organization(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class SourceEntry(Model):
    """A sender of webhooks: which API its events are about, its organization and its secrets by name."""

    api: str = Field(description="The API of `apis/` that its events are about.")
    organization: Annotated[Organization, BeforeValidator(_organization, json_schema_input_type=str | Organization)] = (
        Field(description="Whose events are taken: an id, or where it is.")
    )
    secrets: list[str] = Field(min_length=1, description="Names of signing secrets; several while one is replaced.")
    headers: Literal["svix", "webhook", "either"] = Field(
        "svix", description="Whose headers carry id, time and signature: `svix-…`, or `webhook-…` of Standard Webhooks."
    )


class TargetEntry(Model):
    """Where people are told things: the secret that is its URL, in Apprise's words (https://appriseit.com/services/)."""

    url: str = Field(description="The name of the secret that is its URL.")


class TargetsFile(Model):
    """`targets.yaml`."""

    targets: dict[Name, TargetEntry] = Field(description="Names that `notify` may tell, and where each is.")


class QueueEntry(Model):
    """A queue beside the main one, for handlers that burn CPU or are not trusted; it needs workers of its own."""

    description: str = Field("", description="What is performed there, and by whose workers.")


class QueuesFile(Model):
    """`queues.yaml`."""

    queues: dict[Name, QueueEntry] = Field(description="The queues by their names, which actions say: `queue: heavy`.")

    @model_validator(mode="after")
    def _main_is_there(self) -> "QueuesFile":
        if MAIN in self.queues:
            raise ValueError(
                f"found the queue {MAIN!r}, expected another name: that one is there without being declared"
            )
        return self


class SourcesFile(Model):
    """`sources.yaml`."""

    sources: dict[Name, SourceEntry] = Field(min_length=1, description="Senders: each has `/webhooks/{name}`.")


@dataclass(frozen=True)
class WorkflowFile:
    """An Arazzo document of `workflows/`: its text, which runs keep, and what it is for the configured APIs."""

    text: bytes
    program: Program

    def chosen(self, workflow_id: str) -> str:
        """The workflow that is meant; the first one when none is named."""
        return workflow_id or next(iter(self.program.document.workflows))


@dataclass(frozen=True)
class Config:
    """One revision of everything that ops teams write."""

    revision: str
    apis: Mapping[str, Api]
    rules: Rules
    source_entries: Mapping[str, SourceEntry]
    secrets: Mapping[str, Secret]
    workflows: Mapping[str, WorkflowFile]
    targets: Mapping[str, Secret]
    """Where `notify` tells things: each target's URL, which is a secret."""
    handlers: Mapping[str, Plugged]
    """The installed handlers that `perform` may name."""
    queues: Mapping[str, QueueEntry]
    """The queues beside the main one, on which `perform` may have a handler perform."""
    texts: Mapping[str, bytes]
    """The files it was made of, by their names: enough to make it again."""
    warnings: tuple[Problem, ...] = ()
    """What is worth a look."""

    def api_of(self, source: str) -> Api | None:
        """The API that a source's events are about; None for a source that is no longer configured.

        An API without webhooks is the source of what is read of it.
        """
        entry = self.source_entries.get(source)
        return self.apis[entry.api] if entry else self.apis.get(source)

    def table(self, source: str) -> str:
        """Whose state table a source's events are entered into: its API's, for all sources of the API's organization.

        An API is called for one organization, that of its first source. What is said of another's resources is kept
        apart under the source's own name: their names may be the same.
        """
        entry = self.source_entries.get(source)
        if entry is None:
            return source
        first = next(each for each in self.source_entries.values() if each.api == entry.api)
        return entry.api if entry.organization == first.organization else source

    def arrival(self, entry: Entry) -> Arrival:
        """A logged event as this configuration reads it. Raises DeliveryRejected for a body that can't be read."""
        event, api = self.recognise(entry.event()), self.api_of(entry.source)
        sighting = api.provider.sighting(event, accepted=entry.accepted) if api else None
        return Arrival(entry, event, sighting, self.table(entry.source))

    def recognise(self, event: Event) -> Event:
        """The event with its type also where the payload does not say it."""
        return recognise(event, [api.webhooks for api in self.apis.values() if api.webhooks])

    def sources(self) -> dict[str, Source]:
        """The sources with their secrets, ready to verify. Raises ConfigError: secret or organization missing or wrong."""
        built: dict[str, Source] = {}
        problems: list[Problem] = []
        for name, entry in self.source_entries.items():
            try:
                built[name] = self._source(name, entry)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)
        return built

    def _source(self, name: str, entry: SourceEntry) -> Source:
        organization = entry.organization.read()
        if not organization:
            raise ConfigError(f"source {name} has no organization: set {entry.organization.env or 'organization'}")
        values = [value for secret in entry.secrets if (value := self.secrets[secret].peek())]
        if not values:
            raise ConfigError(
                f"source {name} has no secret: set one of {', '.join(_place(self.secrets[s]) for s in entry.secrets)} "
                "to the signing secret (whsec_…) of the webhook endpoint"
            )
        return Source.build(name, organization, values, headers=entry.headers)


def _place(secret: Secret) -> str:
    return secret.env or secret.file
