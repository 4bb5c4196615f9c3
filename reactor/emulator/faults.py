"""What goes wrong on purpose, and the seeded dice that decide when. Nothing here acts: others ask and act."""

import random
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Faults:
    """The faults in force. The default is none. Seconds are real ones: `time_scale` does not change them."""

    drop: Probability = 0.0
    """Daytona loses the event before Svix has it: nothing is ever delivered."""
    twin: Probability = 0.0
    """Daytona gives the same event to Svix twice: two messages with two ids."""
    duplicate: Probability = 0.0
    """Svix delivers the same message `copies` times."""
    copies: Annotated[int, Field(ge=2)] = 2
    delay: tuple[Seconds, Seconds] = (0.0, 0.0)
    """The shortest and longest time between an event and its first delivery."""
    reorder: Seconds = 0.0
    """Messages that come within this window leave together, shuffled."""
    event_before_commit: Seconds = 0.0
    """The API shows the old state for this long after the event of the new one."""

    operations: tuple[str, ...] = ()
    """The operationIds that `api_error` and `lost_reply` may hit; empty means every operation."""
    api_error: Probability = 0.0
    """The call is answered 503 and does nothing."""
    lost_reply: Probability = 0.0
    """The call acts, then the connection is cut instead of an answer."""
    create_delay: Seconds = 0.0
    """The answer to a create comes this much later than it acted."""
    name_race: Seconds = 0.0
    """Time between the check of a volume's name and its insert. Who loses the race is answered 500."""

    list_lag: Seconds = 0.0
    """Sandboxes are listed as they were this long ago. Single reads are not late."""
    read_cache: Seconds = 0.0
    """Reads of one sandbox repeat the answer of the first for this long. At Daytona that can be 10 seconds."""

    volume_error: Probability = 0.0
    """A new volume ends in `error` with an errorReason."""
    sandbox_error: Probability = 0.0
    """A new sandbox ends in `error` with an errorReason, or in `build_failed` if it is to be built."""
    snapshot_error: Probability = 0.0
    """A new snapshot ends in `error` or `build_failed`; Runloop's disk snapshots too."""
    capture_error: Probability = 0.0
    """The snapshot of a sandbox is never made; the sandbox returns to its state as if it had been."""
    warm_pool: bool = False
    """Sandboxes without volumes come from the warm pool: no sandbox.created, one event from started to started."""
    known_snapshots_only: bool = False
    """A sandbox is made only from a snapshot that is there; otherwise any name will do."""

    devbox_error: Probability = 0.0
    """A new Runloop devbox ends in `failure`."""
    devbox_boot: Seconds = 0.0
    """A new Runloop devbox stays in `provisioning` for this long."""
    blueprint_error: Probability = 0.0
    """A new Runloop blueprint ends in `failed`."""


class Chance:
    """The faults in force and the dice for them. The same seed and the same calls give the same throws."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._seed = seed
        self.put(faults)

    def put(self, faults: Faults) -> None:
        """Replace the faults and start the dice again."""
        self.faults = faults
        self._dice = random.Random(self._seed)  # noqa: S311 (repeatable faults, not secrets)

    def hits(self, probability: float) -> bool:
        """Throw once; a probability of 0 never hits and 1 always does."""
        return self._dice.random() < probability

    def strikes(self, operation: str, probability: float) -> bool:
        """Like `hits`, but only for the operations that the faults are meant for."""
        meant = not self.faults.operations or operation in self.faults.operations
        return meant and self.hits(probability)

    def seconds(self, span: tuple[float, float]) -> float:
        """Return a time between the shortest and the longest."""
        return self._dice.uniform(*span)

    def shuffle(self, things: list[Any]) -> None:
        """Put the things in any order, in place."""
        self._dice.shuffle(things)
