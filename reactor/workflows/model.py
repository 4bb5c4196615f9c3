"""The shape of Arazzo files (1.0.x and 1.1): these classes are the file format, and all that its JSON Schema says.

What a document means (whether an expression can be read, whether a step is there) is load.py's.

Source: the OAI's Arazzo Specification 1.0.1 and 1.1.0. Fields whose names begin with `x-` are extensions and ignored.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Base of everything in an Arazzo file: unknown fields are mistakes, extensions are passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not name.startswith("x-")}


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
"""What stands in runtime expressions; it may not hold dots."""


VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "jsonpath": ("rfc9535", "draft-goessner-dispatch-jsonpath-00"),
    "jsonpointer": ("rfc6901",),
    "xpath": ("xpath-10", "xpath-20", "xpath-30", "xpath-31"),
}


class Versioned(Model):
    """A type of condition or selector, with its version."""

    type: Literal["jsonpath", "jsonpointer", "xpath"]
    version: str

    @model_validator(mode="after")
    def _of_its_type(self) -> Self:
        if self.version not in VERSIONS[self.type]:
            raise ValueError(
                f"found version {self.version!r} of {self.type}, expected {' or '.join(VERSIONS[self.type])}"
            )
        return self


class Selector(Model):
    """A value picked out of what an expression gives (1.1)."""

    context: str
    selector: str
    type: Literal["jsonpath", "jsonpointer", "xpath"] | Versioned


Outputs = dict[Annotated[str, Field(pattern=r"^[a-zA-Z0-9.\-_]+$")], str | Selector]


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError(f"found {', '.join(values)}, expected each once")
    return values


def _not_an_expression(values: list[str]) -> list[str]:
    for value in values:
        if value.startswith("$steps."):
            raise ValueError(f"found {value!r}, expected {value.removeprefix('$steps.')!r}")
    return values


Dependencies = Annotated[list[str], Field(min_length=1), AfterValidator(_unique), AfterValidator(_not_an_expression)]


class Source(Model):
    """A description that a document draws on."""

    name: Name
    url: str
    type: Literal["openapi", "arazzo", "asyncapi"] = "openapi"


class Reusable(Model):
    """An object of `components`, by reference."""

    reference: str
    value: Any = None


class Parameter(Model):
    """A parameter of an operation or, without `in`, an input of a workflow."""

    name: str
    in_: Literal["path", "query", "querystring", "header", "cookie"] | None = Field(None, alias="in")
    value: Any


class Replacement(Model):
    """One place of a payload, and what is put there."""

    target: str
    target_selector_type: Literal["jsonpath", "jsonpointer", "xpath"] | Versioned | None = Field(
        None, alias="targetSelectorType"
    )
    value: Any

    @property
    def kind(self) -> str:
        """The type of the target, without its version."""
        found = self.target_selector_type
        return found.type if isinstance(found, Versioned) else found or "jsonpointer"


class RequestBody(Model):
    """What is sent."""

    content_type: str | None = Field(None, alias="contentType")
    payload: Any = None
    replacements: list[Replacement] = []


class Criterion(Model):
    """One condition."""

    context: str | None = None
    condition: Annotated[str, BeforeValidator(lambda value: "true" if value is True else value)]
    type: str | Versioned = "simple"

    @property
    def kind(self) -> str:
        """The type without its version."""
        return self.type if isinstance(self.type, str) else self.type.type

    @model_validator(mode="after")
    def _with_its_context(self) -> Self:
        if self.kind in ("jsonpath", "regex", "xpath") and self.context is None:
            raise ValueError(
                f"found no context, expected it: a {self.kind} criterion looks at $response.body or the like"
            )
        return self


class Action(Model):
    """What follows when a step succeeded or failed."""

    name: str
    type: Literal["end", "goto", "retry"]
    workflow_id: str | None = Field(None, alias="workflowId")
    step_id: str | None = Field(None, alias="stepId")
    retry_after: float | None = Field(None, alias="retryAfter", ge=0, description="Seconds.", strict=False)
    retry_limit: int | None = Field(None, alias="retryLimit", ge=0)
    criteria: list[Criterion] = []
    parameters: list[Reusable | Parameter] = []


class Step(Model):
    """One step: an operation, a channel or another workflow, and what follows."""

    step_id: Name = Field(alias="stepId")
    description: str = ""
    operation_id: str | None = Field(None, alias="operationId")
    operation_path: str | None = Field(None, alias="operationPath")
    channel_path: str | None = Field(None, alias="channelPath")
    workflow_id: str | None = Field(None, alias="workflowId")
    action: Literal["send", "receive"] | None = None
    correlation_id: Any = Field(None, alias="correlationId")
    timeout: int | None = Field(None, ge=0, description="Milliseconds.")
    depends_on: Dependencies = Field([], alias="dependsOn")
    parameters: list[Reusable | Parameter] = []
    request_body: RequestBody | None = Field(None, alias="requestBody")
    success_criteria: list[Criterion] = Field([], alias="successCriteria", min_length=1)
    on_success: list[Reusable | Action] = Field([], alias="onSuccess")
    on_failure: list[Reusable | Action] = Field([], alias="onFailure")
    outputs: Outputs = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        faults = [*self._target_faults(), *self._parameter_faults()]
        if self.correlation_id is not None and self.action != "receive":
            faults.append("found correlationId, expected it only with action: receive")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _target_faults(self) -> Iterator[str]:
        named = {
            "operationId": self.operation_id,
            "operationPath": self.operation_path,
            "channelPath": self.channel_path,
            "workflowId": self.workflow_id,
        }
        given = [name for name, text in named.items() if text]
        if len(given) != 1:
            yield f"found {' and '.join(given) or 'nothing'} to perform, expected one of {', '.join(named)}"
        if self.channel_path and self.action is None:
            yield "found channelPath, expected with it an action"
        if self.workflow_id and self.action:
            yield "found an action with workflowId, expected it only with an operation or a channel"

    def _parameter_faults(self) -> Iterator[str]:
        own = [(each.name, each.in_) for each in self.parameters if isinstance(each, Parameter)]
        if not self.workflow_id:
            yield from (
                f'found no "in" of {name!r}, expected path, query, header or cookie' for name, w in own if not w
            )
        yield from (
            f"found parameter {name!r} again, expected it once" for (name, _), n in Counter(own).items() if n > 1
        )


class Workflow(Model):
    """One workflow."""

    workflow_id: Name = Field(alias="workflowId")
    summary: str = ""
    description: str = ""
    inputs: dict[str, Any] = {}
    depends_on: Dependencies = Field([], alias="dependsOn")
    steps: list[Step] = Field(min_length=1)
    success_actions: list[Reusable | Action] = Field([], alias="successActions")
    failure_actions: list[Reusable | Action] = Field([], alias="failureActions")
    parameters: list[Reusable | Parameter] = []
    outputs: Outputs = {}


class Components(Model):
    """What several workflows share."""

    inputs: dict[str, Any] = {}
    parameters: dict[str, Parameter] = {}
    success_actions: dict[str, Action] = Field({}, alias="successActions")
    failure_actions: dict[str, Action] = Field({}, alias="failureActions")


class Info(Model):
    """About the document."""

    title: str
    version: str | float
    summary: str = ""
    description: str = ""


class ArazzoFile(Model):
    """A whole document."""

    arazzo: str = Field(pattern=r"^1\.[01]\.\d+(-.+)?$", description="1.0.x or 1.1.x")
    self_url: str | None = Field(None, alias="$self", pattern=r"^[^#]*$", description="a URI without a fragment")
    info: Info
    source_descriptions: list[Source] = Field(alias="sourceDescriptions", min_length=1)
    workflows: list[Workflow] = Field(min_length=1)
    components: Components = Components()
