"""What happened when: the timeline of faults, and the log lines of all processes about what went wrong.

Owns the file `timeline.txt` of a run's directory.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOST_LINES = 60


@dataclass
class Story:
    """The timeline, by seconds since the run began."""

    directory: Path
    began: float = field(default_factory=time.time)

    def tell(self, what: str) -> None:
        """Write down what happens now."""
        with self.path.open("a") as timeline:
            timeline.write(f"{time.time() - self.began:8.2f}  {what}\n")

    @property
    def path(self) -> Path:
        """Where the timeline is."""
        return self.directory / "timeline.txt"

    def at(self, moment: float) -> float:
        """Seconds since the run began, of a moment since the epoch."""
        return moment - self.began

    def around(self, first: float, last: float) -> list[str]:
        """The timeline between two times in seconds since the run began."""
        lines = self.path.read_text().splitlines()
        return [line for line in lines if first <= float(line.split()[0]) <= last]

    def about(self, *words: str) -> list[str]:
        """Every log line that names one of these ids, by time as far as lines say it."""
        return sorted(self._lines(words))[-MOST_LINES:]

    def _lines(self, words: tuple[str, ...]) -> Iterator[str]:
        for path in sorted(self.directory.glob("*.log")):
            with path.open(errors="replace") as lines:
                for line in lines:
                    if any(word in line for word in words):
                        yield f"{line.rstrip()}  [{path.stem}]"
