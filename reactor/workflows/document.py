"""What an Arazzo document says, as frozen values with the place of each step. Made by load.py; holds no behaviour."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from reactor.errors import Problem
from reactor.workflows.criteria import Criterion
from reactor.workflows.expressions import Reference, Template
from reactor.yaml12 import Place

DEFAULT_RETRIES: Final = 1
"""`retryLimit` when it is not given (Arazzo 1.1, Failure Action Object)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source description: the URL is a name for an API, and is never fetched."""

    name: str
    url: str
    type: str


@dataclass(frozen=True, slots=True)
class OperationRef:
    """Which operation is meant: an operationId, or a path of the description and a method. `source` may be unknown."""

    source: str | None
    id: str = ""
    path: str = ""
    method: str = ""
    channel: str = ""

    def __str__(self) -> str:
        return self.id or self.channel or f"{self.method.upper()} {self.path}".lstrip()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter with its value; `where` is empty for the inputs of a workflow, `inherited` says whose it is."""

    name: str
    where: str
    value: Template
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A request body. Replacements are put at JSON Pointers, in order, into the payload as it was rendered."""

    content_type: str
    payload: Template
    replacements: tuple[tuple[tuple[str, ...], Template], ...] = ()

    def references(self) -> Iterator[Reference]:
        """Every expression in it."""
        yield from self.payload.references()
        for _, value in self.replacements:
            yield from value.references()


@dataclass(frozen=True, slots=True)
class Action:
    """What follows: `end`, `goto` a step or workflow, or `retry` after seconds, at most `limit` times.

    `patient` says that the document itself gives a limit and an interval.
    """

    name: str
    kind: Literal["end", "goto", "retry"]
    criteria: tuple[Criterion, ...] = ()
    step: str | None = None
    workflow: str | None = None
    after: float = 0.0
    limit: int = DEFAULT_RETRIES
    patient: bool = False
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. It has an operation, or is a call of `workflow`; `mode` is `send` or `receive` for messages."""

    id: str
    place: Place
    operation: OperationRef | None = None
    workflow: str | None = None
    mode: Literal["send", "receive"] | None = None
    correlation: Template | None = None
    timeout: float | None = None
    """Seconds."""
    depends_on: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    criteria: tuple[Criterion, ...] = ()
    on_success: tuple[Action, ...] = ()
    on_failure: tuple[Action, ...] = ()
    outputs: Mapping[str, Template] = field(default_factory=dict)
    description: str = ""

    @property
    def actions(self) -> tuple[Action, ...]:
        """What may follow, however it ended."""
        return self.on_success + self.on_failure


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow. `inputs` is a JSON Schema (2020-12); `depends_on` are workflows that run first."""

    id: str
    place: Place
    steps: tuple[Step, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    outputs: Mapping[str, Template] = field(default_factory=dict)
    summary: str = ""

    def step(self, step_id: str) -> Step:
        """A step by its id. Raises KeyError."""
        return self.steps[self.position(step_id)]

    def position(self, step_id: str) -> int:
        """Where a step stands. Raises KeyError."""
        for number, step in enumerate(self.steps):
            if step.id == step_id:
                return number
        raise KeyError(step_id)

    def after(self, step_id: str) -> str | None:
        """The next sequential step, None after the last."""
        following = self.position(step_id) + 1
        return self.steps[following].id if following < len(self.steps) else None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document. `warnings` name every liberty it takes, with the standard form."""

    file: str
    title: str
    version: str
    sources: Mapping[str, Source]
    workflows: Mapping[str, Workflow]
    components: Mapping[str, Any] = field(default_factory=dict)
    self_url: str | None = None
    warnings: tuple[Problem, ...] = ()

    def with_steps(self, changed: Callable[[Workflow, Step], Step]) -> "Document":
        """The same document with each step as `changed` gives it."""
        workflows = {
            name: replace(workflow, steps=tuple(changed(workflow, step) for step in workflow.steps))
            for name, workflow in self.workflows.items()
        }
        return replace(self, workflows=workflows)
