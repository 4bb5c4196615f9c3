"""What an answer of the operations listener may use."""

import asyncio
from dataclasses import dataclass, field

from reactor.config import Config
from reactor.queue import JobQueue
from reactor.reload import Live
from reactor.runs.runner import Runner
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.tokens import Tokens


@dataclass
class Parts:
    """What every answer may use. `process` is the command that runs; `stopping` is set once it was told to end."""

    process: str
    settings: Settings
    store: Store
    queue: JobQueue
    live: Live
    stopping: asyncio.Event
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.settings.tokens_file)
        self._runner: tuple[Config, Runner] | None = None

    def runner(self) -> Runner:
        """What begins runs by the configuration in force; it keeps the documents that it has compiled."""
        config = self.live.config
        if self._runner is None or self._runner[0] is not config:
            self._runner = config, Runner(config, self.store, self.queue, probe=self.settings.probe)
        return self._runner[1]
