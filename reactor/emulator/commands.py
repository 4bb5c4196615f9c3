"""The shell of emulated machines: a tiny table of commands that run on nothing but the clock."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command leaves: its output, its exit code, and the seconds it takes before scaling."""

    output: str
    exit_code: int
    seconds: float


def run(line: str) -> Outcome:
    """Foretell what a command line does: `echo`, `sleep N`, `exit N`, `true`, `false`, joined by `&&`.

    Any other command succeeds and prints itself.
    """
    output, seconds = "", 0.0
    for command in line.split(" && "):
        outcome = _run_one(command.strip())
        output, seconds = output + outcome.output, seconds + outcome.seconds
        if outcome.exit_code:
            return Outcome(output, outcome.exit_code, seconds)
    return Outcome(output, 0, seconds)


def _run_one(command: str) -> Outcome:
    match command.split(maxsplit=1):
        case ["true"]:
            return Outcome("", 0, 0.0)
        case ["false"]:
            return Outcome("", 1, 0.0)
        case ["exit", code] if code.isdecimal():
            return Outcome("", int(code), 0.0)
        case ["sleep", seconds] if seconds.replace(".", "", 1).isdecimal():
            return Outcome("", 0, float(seconds))
        case ["echo", text]:
            return Outcome(text.strip("'\"") + "\n", 0, 0.0)
        case _:
            return Outcome(command + "\n", 0, 0.0)


@dataclass(frozen=True, slots=True)
class Execution:
    """A command under way. It ends by itself when its time is over: no task runs it."""

    id: str
    command: str
    outcome: Outcome
    time_scale: float
    started_at: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Real seconds until the command ends; 0 when it has."""
        return max(0.0, self.started_at + self.outcome.seconds * self.time_scale - time.monotonic())

    async def ends_within(self, seconds: float) -> bool:
        """Wait until the command ends, or for so many seconds before scaling, and tell whether it ended."""
        ends = self.left <= seconds * self.time_scale
        await asyncio.sleep(min(self.left, seconds * self.time_scale))
        return ends
