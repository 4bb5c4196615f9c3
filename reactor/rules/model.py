"""The shape of rule files: these classes are the file format. They decide nothing and know no other file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Names stand in keys, labels and job ids."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Model(BaseModel):
    """Base of everything in a rule file: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CallAction(Model):
    """Perform one operation of an API: `call: daytona.createSandbox`."""

    call: str = Field(pattern=r"^[\w-]+\.[\w.-]+$", description="API and operation.")
    parameters: dict[str, Any] = Field({}, description="Path, query and header parameters, by name.")
    body: Any = Field(None, description="The request body; texts may hold ${…}.")
    if_exists: Literal["fail", "use"] = Field(
        "fail", description="A resource of the same name that somebody else made: fail, or use it as it is."
    )


class RunAction(Model):
    """Start a run of a workflow: `run: volume-and-sandbox` is `config/workflows/volume-and-sandbox.arazzo.yaml`."""

    run: str = Field(min_length=1, description="The document's name.")
    workflow: str = Field("", description="Which workflow of the document; not needed where there is one.")
    inputs: dict[str, Any] = Field({}, description="The workflow's inputs; texts may hold ${…}.")


class Rule(Model):
    """What follows from which event."""

    name: Name
    description: str = ""
    on: Annotated[
        list[str], BeforeValidator(_listed), Field(min_length=1, description="Event types; `*` matches any part.")
    ]
    match: dict[str, Any] = Field({}, description="Patterns over the payload's fields, all of which must hold.")
    do: list[CallAction | RunAction] = Field(min_length=1)


class RuleFile(Model):
    """One file of `config/rules/`."""

    rules: list[Rule]
