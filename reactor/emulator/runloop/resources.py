"""What an account has at Runloop: devboxes, disk snapshots, blueprints, objects. Also how they are found and listed."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import dropwhile, islice
from typing import ClassVar, TypeVar

from starlette.requests import Request

from reactor.emulator.bodies import Refused, whole_number
from reactor.emulator.commands import Execution
from reactor.emulator.runloop.bodies import CreateBlueprint, CreateDevbox, CreateObject, DevboxStatus, SnapshotDisk

View = dict[str, object]

PAGE = 20
MAX_PAGE = 5_000


@dataclass(slots=True, eq=False, kw_only=True)
class Resource:
    """What all resources have in common. Names are not unique; times are seconds since the epoch."""

    noun: ClassVar[str]
    prefix: ClassVar[str]
    id: str = ""
    created_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.id = self.id or f"{self.prefix}_{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a devbox's status."""

    status: DevboxStatus
    at: float
    failure_reason: str | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Devbox(Resource):
    """A devbox: its status is that of its last transition."""

    noun: ClassVar[str] = "Devbox"
    prefix: ClassVar[str] = "dbx"
    spec: CreateDevbox
    transitions: list[Transition] = field(default_factory=list)
    executions: dict[str, Execution] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    journey: asyncio.Task[None] | None = field(default=None, repr=False)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition, repr=False)

    @property
    def status(self) -> DevboxStatus:
        """Return what the devbox is doing now."""
        return self.transitions[-1].status

    async def move(self, status: DevboxStatus, failure_reason: str | None = None) -> None:
        """Take on a status and wake whoever waits for it."""
        async with self.changed:
            self.transitions.append(Transition(status, time.time(), failure_reason))
            self.changed.notify_all()


@dataclass(slots=True, eq=False, kw_only=True)
class DiskSnapshot(Resource):
    """The disk of a devbox as it was. `status` is in_progress, complete, error or deleted."""

    noun: ClassVar[str] = "Snapshot"
    prefix: ClassVar[str] = "snp"
    spec: SnapshotDisk
    devbox_id: str
    status: str = "in_progress"


@dataclass(slots=True, eq=False, kw_only=True)
class Blueprint(Resource):
    """An image for devboxes. `status` is provisioning, building, build_complete or failed."""

    noun: ClassVar[str] = "Blueprint"
    prefix: ClassVar[str] = "bpt"
    spec: CreateBlueprint
    status: str = "provisioning"
    built_at: float | None = None
    is_deleted: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class StoredObject(Resource):
    """An object in storage. `state` is UPLOADING, READ_ONLY or DELETED."""

    noun: ClassVar[str] = "Object"
    prefix: ClassVar[str] = "obj"
    spec: CreateObject
    state: str = "UPLOADING"
    content: bytes = b""


_R = TypeVar("_R", bound=Resource)


def asked_for(request: Request, kind: type[_R], things: Mapping[str, _R], parameter: str = "id") -> _R:
    """Find the resource that the path names; otherwise raise Refused (404)."""
    thing = things.get(request.path_params[parameter])
    if thing is None:
        raise Refused(404, f"{kind.noun} not found")
    return thing


def page(request: Request, word: str, items: Iterable[View]) -> View:
    """Show one page of a list, newest first, after the id that `starting_after` names."""
    newest_first = list(items)[::-1]
    limit = whole_number(request, "limit", default=PAGE, most=MAX_PAGE)
    rest: Iterable[View] = newest_first
    if after := request.query_params.get("starting_after"):
        rest = islice(dropwhile(lambda item: item["id"] != after, newest_first), 1, None)
    unseen = list(rest)
    return {word: unseen[:limit], "has_more": len(unseen) > limit, "total_count": len(newest_first)}


def milliseconds(at: float) -> int:
    """Show a time as the API does."""
    return round(at * 1000)
