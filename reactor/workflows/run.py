"""A run of a workflow as one frozen value that is plain JSON, what can happen to it, and what it can ask for.

Times are seconds since 1970 and come from outside. A run holds no secret: secret inputs never enter it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from reactor.workflows.document import OperationRef

Purpose = Literal["main", "step", "depends", "retry"]
"""Why a workflow runs: it was started, a step calls it, another depends on it, or a retry runs it before."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One workflow of a run. `outputs` are those of the steps that completed, `spent` counts each retry action's uses.

    `detour` is the step to come back to when a retry performs another step first.
    """

    workflow: str
    purpose: Purpose
    inputs: dict[str, Any]
    step: str = ""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    detour: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiting run knows: since when, and of the resource its id, its last state and how often a read disagreed.

    `reading` says that a read is due before the wait goes on or ends, `reads` counts those made since the wait began.
    Sightings up to `after` are no evidence.
    """

    since: float
    resource: str | None = None
    state: str | None = None
    after: float = 0.0
    doubts: int = 0
    reading: bool = False
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run between two happenings. `generation` rises with each; `steps` counts steps begun.

    `finished` has the inputs, outputs, steps and status of workflows that ended, `replied` is the last status, `moved` says
    when each resource ("kind/id") was last moved by this run: what was seen of it before is no evidence. `ids` has the
    ids of resources that were called by their names ("kind/name"): events tell only ids.
    """

    frames: tuple[Frame, ...]
    generation: int = 0
    steps: int = 0
    status: Literal["running", "succeeded", "failed"] = "running"
    because: str = ""
    not_before: float = 0.0
    waiting: Waiting | None = None
    replied: int | None = None
    moved: dict[str, float] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def top(self) -> Frame:
        """The workflow that is running now."""
        return self.frames[-1]

    @property
    def waits(self) -> bool:
        """Whether it waits; else a call is due, or nothing any more."""
        return self.waiting is not None and not self.waiting.reading

    @property
    def place(self) -> str:
        """Where it is: its step, after the workflow of it where that is not the one that was started."""
        return f"{self.top.workflow}/{self.top.step}" if len(self.frames) > 1 else self.top.step

    def with_top(self, frame: Frame) -> "Run":
        """The run with another top frame."""
        return replace(self, frames=(*self.frames[:-1], frame))

    def to_json(self) -> bytes:
        """The run as JSON."""
        return _RUNS.dump_json(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> "Run":
        """The run that was written by `to_json`. Raises pydantic's ValidationError for anything else."""
        return _RUNS.validate_json(data)


_RUNS: Final = TypeAdapter(Run)


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins."""

    at: float


@dataclass(frozen=True, slots=True)
class Replied:
    """A call was answered. `asked` is when the request was sent; it defaults to `at`."""

    at: float
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    asked: float | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The awaited resource was seen in a state, by an event or a probe; or the awaited message came (`body`).

    `body` is the resource as a read shows it, None when only its state is known. A resource's sighting must be newer
    than the wait's `after`.
    """

    at: float
    state: str | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline of the wait or of the call passed."""

    at: float


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The call got no answer, and none will come. `passing`: nothing is said against making it again later.

    `unknown`: it may have acted, and must not be made again unless a person says so.
    """

    at: float
    reason: str
    passing: bool = False
    unknown: bool = False


Happened = Started | Replied | Observed | TimedOut | CallFailed


@dataclass(frozen=True, slots=True)
class Call:
    """Perform an operation, not before a time (0: now). Parameters that authenticate are left out.

    `parameters` are by place and name. Without `content_type` there is no body. `timeout` is in seconds.
    """

    step: str
    operation: OperationRef
    parameters: Mapping[str, Mapping[str, Any]]
    content_type: str = ""
    body: Any = None
    not_before: float = 0.0
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a resource is seen in another state, or (no `kind`) for a message with this `correlation`.

    `resource` is its id, or the name where `may_be_name`; sightings up to `after` are no evidence; `state` is the last
    one known. `probe` is the call that looks, first after `probe_in` seconds where that is given, else sparsely.
    """

    step: str
    deadline: float
    kind: str = ""
    api: str = ""
    resource: str | None = None
    may_be_name: bool = False
    events: tuple[str, ...] = ()
    state: str | None = None
    after: float = 0.0
    probe: Call | None = None
    probe_in: float | None = None
    operation: OperationRef | None = None
    correlation: Any = None


@dataclass(frozen=True, slots=True)
class End:
    """The run is over."""

    status: Literal["succeeded", "failed"]
    outputs: Mapping[str, Any]
    because: str


Command = Call | Wait | End
