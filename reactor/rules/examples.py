"""The shape of `*.test.yaml`: events in their order, time that passes between them, and the jobs that must come of it.

These classes are the file format. They decide nothing.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reactor.rules.durations import Duration, Moment
from reactor.rules.model import Model


class Step(BaseModel):
    """An event's payload as it would be delivered; or time that passes: `{after: 10m}`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    after: Duration | None = Field(None, description="Time that passes before; it may stand alone.")
    event: str = Field("", description="The event's type. The payload's other fields stand beside it.")

    @model_validator(mode="after")
    def _says_something(self) -> "Step":
        if not self.event and (self.after is None or self.model_extra):
            raise ValueError("found no `event`, expected it: the type of the event")
        return self

    @property
    def payload(self) -> dict[str, Any]:
        """What would be delivered; empty where only time passes."""
        return {"event": self.event, **(self.model_extra or {})} if self.event else {}


class Expected(BaseModel):
    """A job that must come of it: its rule, and the action as a rule would write it, with its values.

    What is written is compared whole; what is left out may be anything.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    rule: str = Field(description="The rule's name. The action's own fields stand beside it.")
    after: Moment | None = Field(None, description="How long after the test began the job was asked for.")

    @property
    def action(self) -> dict[str, Any]:
        """The action: `call`, `body` and so on."""
        return dict(self.model_extra or {})


Results = dict[str, dict[str, dict[str, Any]]]
"""By rule and by the `as` of an action: what that action comes to, as later actions of the rule see it."""


class Example(Model):
    """One test."""

    name: str = Field(min_length=1, description="What must happen, in words.")
    events: list[Step] = Field(min_length=1, description="What comes, in its order.")
    results: Results = Field(
        {},
        description="What actions with `as` come to, by rule and name: `{my-rule: {box: {id: s-1}}}` for `${box.id}`.",
    )
    expect: list[Expected] = Field(description="All jobs, in any order; an empty list says that nothing follows.")


class ExampleFile(Model):
    """One file `config/rules/*.test.yaml`."""

    tests: Annotated[list[Example], Field(min_length=1, description="The tests, each from nothing.")]
