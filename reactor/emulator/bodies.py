"""The request bodies of the API and what is wrong with them. Knows no HTTP and changes nothing.

Field names follow Daytona's OpenAPI document v0.205.1, the complaints its validators.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class Refused(Exception):
    """The API says no, with this HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class _Body(BaseModel):
    """A request body: strict about types, indifferent to fields it does not know."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True)


class CreateVolume(_Body):
    """The body of createVolume."""

    name: str


class SandboxVolume(_Body):
    """A volume to mount; `volume_id` may also be a name."""

    volume_id: str
    mount_path: str
    subpath: str | None = None


class CreateSandbox(_Body):
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
    auto_archive_interval: int = 10080
    auto_delete_interval: int = -1
    volumes: tuple[SandboxVolume, ...] = ()


class SandboxLabels(_Body):
    """The body of replaceLabels."""

    labels: dict[str, str]


_COMPLAINTS = {
    "missing": "should not be empty",
    "string_type": "must be a string",
    "int_type": "must be a number",
    "bool_type": "must be a boolean value",
    "dict_type": "must be an object",
    "tuple_type": "must be an array",
}


_B = TypeVar("_B", bound=_Body)


def parse(model: type[_B], body: bytes) -> _B:
    """Read a request body. Raises Refused (400) with every complaint, joined as Daytona joins them."""
    try:
        return model.model_validate_json(body)
    except ValidationError as invalid:
        complaints = (
            f"{'.'.join(map(str, error['loc']))} {_COMPLAINTS.get(error['type'], error['msg'])}".strip()
            for error in invalid.errors(include_url=False)
        )
        raise Refused(400, ", ".join(complaints)) from invalid


_SYSTEM_PATH = re.compile(r"/(proc|sys|dev|boot|etc|s?bin|lib(64)?)(/|$)")
_MOUNT_RULES: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda path: not path.startswith("/"), "must be absolute"),
    (lambda path: path in ("/", "//"), "cannot mount to the root directory"),
    (lambda path: re.search(r"/\.\.?(/|$)", path), "cannot contain relative path components"),
    (lambda path: "//" in path[1:], "cannot contain consecutive slashes"),
    (_SYSTEM_PATH.match, "cannot mount to system directory"),
)


def check_sandbox(sandbox: CreateSandbox) -> None:
    """Raise Refused (400) for what types can't say: bad mount paths, or resources beside a snapshot."""
    complaints = [
        f"Invalid mount path {volume.mount_path} ({complaint})"
        for volume in sandbox.volumes
        if (complaint := next((words for broken, words in _MOUNT_RULES if broken(volume.mount_path)), None))
    ]
    if complaints:
        raise Refused(400, ", ".join(complaints))
    if sandbox.snapshot and any((sandbox.cpu, sandbox.gpu, sandbox.memory, sandbox.disk)):
        raise Refused(400, "Cannot specify Sandbox resources when using a snapshot")
