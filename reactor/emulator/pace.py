"""How long things last in the emulator: thrown by the dice, and scaled."""

import asyncio
from dataclasses import dataclass

from reactor.emulator.faults import Chance

Span = tuple[float, float]
"""The shortest and the longest time, in seconds before scaling."""

SHORTEST_STAY = 0.002
"""Two events of a resource never share a millisecond at Daytona, so they don't at any time scale either."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one emulator: 1.0 is about that of the real services."""

    chance: Chance
    time_scale: float

    async def stay(self, span: Span) -> None:
        """Let time go by."""
        await asyncio.sleep(max(SHORTEST_STAY, self.chance.seconds(span) * self.time_scale))
