"""The shape of Arazzo files (1.0.x and 1.1): these classes are the file format. They decide nothing.

Source: the OAI's Arazzo Specification 1.0.1 and 1.1.0. Fields whose names begin with `x-` are extensions and ignored.
"""

from typing import Annotated, Any, Literal

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


class Versioned(Model):
    """A type of condition or selector, with its version."""

    type: Literal["jsonpath", "jsonpointer", "xpath"]
    version: Literal[
        "rfc9535", "rfc6901", "draft-goessner-dispatch-jsonpath-00", "xpath-10", "xpath-20", "xpath-30", "xpath-31"
    ]


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


Dependencies = Annotated[list[str], Field(min_length=1), AfterValidator(_unique)]


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
    target_selector_type: Any = Field(None, alias="targetSelectorType")
    value: Any


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
    self_url: str | None = Field(None, alias="$self")
    info: Info
    source_descriptions: list[Source] = Field(alias="sourceDescriptions", min_length=1)
    workflows: list[Workflow] = Field(min_length=1)
    components: Components = Components()
