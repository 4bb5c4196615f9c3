"""The request bodies of Daytona's API. Field names follow its OpenAPI document v0.205.1."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from reactor.emulator.bodies import Refused

AtLeastOne = Annotated[int, Field(ge=1)]


class Body(BaseModel):
    """A request body: strict about types, indifferent to fields it does not know."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True)


class CreateVolume(Body):
    """The body of createVolume."""

    name: str


class BuildInfo(Body):
    """What to build an image from."""

    dockerfile_content: str
    context_hashes: tuple[str, ...] = ()


class CreateSnapshot(Body):
    """The body of createSnapshot: the fields that the emulator keeps and shows."""

    name: str
    image_name: str | None = None
    entrypoint: tuple[str, ...] | None = None
    cpu: int | None = None
    gpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    build_info: BuildInfo | None = None
    region_id: str = "us"


class SandboxVolume(Body):
    """A volume to mount; `volume_id` may also be a name."""

    volume_id: str
    mount_path: str
    subpath: str | None = None


class CreateSandbox(Body):
    """The body of createSandbox: the fields that the emulator keeps and shows."""

    name: str | None = None
    snapshot: str | None = None
    user: str = "daytona"
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    public: bool = False
    network_block_all: bool = False
    target: str = "us"
    cpu: int | None = None
    gpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    auto_stop_interval: int = 15
    auto_pause_interval: int = 0
    auto_archive_interval: int = 10080
    auto_delete_interval: int = -1
    ttl_minutes: int = 0
    volumes: tuple[SandboxVolume, ...] = ()
    build_info: BuildInfo | None = None


class SandboxLabels(Body):
    """The body of replaceLabels."""

    labels: dict[str, str]


class CreateSandboxSnapshot(Body):
    """The body of createSandboxSnapshot."""

    name: str


class ForkSandbox(Body):
    """The body of forkSandbox."""

    name: str | None = None


class ResizeSandbox(Body):
    """The body of resizeSandbox."""

    cpu: AtLeastOne | None = None
    memory: AtLeastOne | None = None
    disk: AtLeastOne | None = None


class SendWebhook(Body):
    """The body of sendWebhook."""

    event_type: str
    payload: dict[str, object]


class ExecuteCommand(Body):
    """The body of the toolbox's ExecuteCommand; `timeout` in seconds."""

    command: str
    timeout: int = 10


class RunCode(Body):
    """The body of the toolbox's CodeRun."""

    code: str
    language: str


class CreateSession(Body):
    """The body of the toolbox's CreateSession."""

    session_id: str


class ExecuteInSession(Body):
    """The body of the toolbox's SessionExecuteCommand; clients say `runAsync`, older ones `async`."""

    command: str
    run_async: bool = False
    is_async: bool = Field(default=False, alias="async")


_SYSTEM_PATH = re.compile(r"/(proc|sys|dev|boot|etc|s?bin|lib(64)?)(/|$)")
_MOUNT_RULES: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda path: not path.startswith("/"), "must be absolute"),
    (lambda path: path in ("/", "//"), "cannot mount to the root directory"),
    (lambda path: re.search(r"/\.\.?(/|$)", path), "cannot contain relative path components"),
    (lambda path: "//" in path[1:], "cannot contain consecutive slashes"),
    (_SYSTEM_PATH.match, "cannot mount to system directory"),
)


def check_sandbox(sandbox: CreateSandbox) -> None:
    """Raise Refused (400) for what types can't say: bad mount paths, or a snapshot beside what it already decides."""
    complaints = [
        f"Invalid mount path {volume.mount_path} ({complaint})"
        for volume in sandbox.volumes
        if (complaint := next((words for broken, words in _MOUNT_RULES if broken(volume.mount_path)), None))
    ]
    if complaints:
        raise Refused(400, ", ".join(complaints))
    if sandbox.snapshot and sandbox.build_info:
        raise Refused(400, "Cannot specify a snapshot when using a build info entry")
    if sandbox.snapshot and any((sandbox.cpu, sandbox.gpu, sandbox.memory, sandbox.disk)):
        raise Refused(400, "Cannot specify Sandbox resources when using a snapshot")


def check_snapshot(snapshot: CreateSnapshot) -> None:
    """Raise Refused (400) for a snapshot without an image to make it of, or of one that may change."""
    if not snapshot.image_name and not snapshot.build_info:
        raise Refused(400, "Must specify either an image name or build info")
    if (snapshot.image_name or "").endswith(":latest"):
        raise Refused(400, 'Images with tag ":latest" are not allowed')
