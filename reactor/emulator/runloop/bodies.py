"""The request bodies of Runloop's API: the fields that the emulator keeps and shows. Optional ones may be null."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DevboxStatus = Literal[
    "scheduled", "queued", "provisioning", "initializing", "running",
    "suspending", "suspended", "resuming", "failure", "shutdown",
]  # fmt: skip
ExecutionStatus = Literal["queued", "running", "completed"]


class Body(BaseModel):
    """A request body: strict about types, indifferent to fields it does not know."""

    model_config = ConfigDict(frozen=True, strict=True)


class Labelled(Body):
    """What may be named and labelled."""

    name: str | None = None
    metadata: dict[str, str] | None = None


class CreateDevbox(Labelled):
    """The body of createDevbox."""

    blueprint_id: str | None = None
    blueprint_name: str | None = None
    snapshot_id: str | None = None
    launch_parameters: dict[str, object] | None = None


class WaitForDevbox(Body):
    """The body of waitForDevboxStatus. The API holds for 30 seconds at most."""

    statuses: Annotated[tuple[DevboxStatus, ...], Field(min_length=1)]
    timeout_seconds: Annotated[int | None, Field(ge=0)] = None


class ExecuteAsync(Body):
    """The body of execAsyncCommand."""

    command: str


class Execute(Body):
    """The body of executeCommand. `command_id` (a UUIDv7) makes repeating it safe."""

    command_id: Annotated[str, Field(min_length=1)]
    command: str
    optimistic_timeout: Annotated[int | None, Field(ge=0)] = None


class WaitForExecution(Body):
    """The body of waitForCommandCompletion. The API holds for 25 seconds at most."""

    statuses: Annotated[tuple[ExecutionStatus, ...], Field(min_length=1)]
    timeout_seconds: Annotated[int | None, Field(ge=0)] = None


class FilePath(Body):
    """The body of devboxReadFileContents."""

    file_path: str


class FileContents(FilePath):
    """The body of devboxWriteFileContents."""

    contents: str


class SnapshotDisk(Labelled):
    """The body of createDiskSnapshotAsync."""

    commit_message: str | None = None


class CreateBlueprint(Labelled):
    """The body of createBlueprint."""

    name: str
    dockerfile: str | None = None
    system_setup_commands: tuple[str, ...] | None = None


class CreateObject(Labelled):
    """The body of createObject."""

    name: str
    content_type: Literal["unspecified", "text", "binary", "gzip", "tar", "tgz"]
