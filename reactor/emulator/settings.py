"""How an emulator is set up. Values only; the faults have a module of their own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pydantic.dataclasses
from pydantic import ConfigDict, Field

from reactor.emulator.faults import Faults
from reactor.emulator.limits import Limit, Throttler


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Endpoint:
    """A webhook endpoint: where to, the `whsec_` secret to sign with, and the event types wanted (empty: all)."""

    url: Annotated[str, Field(pattern="^https?://")]
    secret: Annotated[str, Field(pattern=r"^(whsec_)?([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2,3}=*)?$")]
    events: tuple[str, ...] = ()

    def takes(self, event_type: str) -> bool:
        """Tell whether events of this type go to this endpoint."""
        return not self.events or event_type in self.events


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """One emulated organization.

    `time_scale` multiplies how long states last (1.0 is about Daytona's pace); `retry_scale` multiplies the
    pauses between the attempts of a delivery (1.0 is Svix's schedule of 27 hours), none longer than `retry_limit` seconds.
    `apis` is where the APIs' documents are: with them, what is not emulated is answered by an example, else by 404.
    """

    api_key: str = "dtn_emulator"
    runloop_api_key: str = "ak_emulator"
    organization_id: str = "11111111-2222-4333-8444-555555555555"
    endpoints: tuple[Endpoint, ...] = ()
    time_scale: float = 1.0
    retry_scale: float = 1.0
    retry_limit: float = math.inf
    faults: Faults = field(default_factory=Faults)
    limits: Mapping[Throttler, Limit] = field(default_factory=dict)
    seed: int = 0
    apis: Path | None = None

    def keys(self) -> dict[str, str]:
        """Return the keys that calls must bring, by the name of the API."""
        return {"daytona": self.api_key, "runloop": self.runloop_api_key}
