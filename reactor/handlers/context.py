"""What a handler gets and what it answers. Owns no behaviour of any action."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from reactor.apis.client import ApiClient
from reactor.config import Config
from reactor.errors import ReactorError
from reactor.reload import Live
from reactor.runs.runner import Runner
from reactor.settings import Settings
from reactor.store.brakes import Brakes
from reactor.store.ledger import Ending, Ledger, Row
from reactor.store.log import EventLog


class LeaseLost(ReactorError):
    """Somebody else has the row now: whatever this attempt does from here on counts for nothing."""


@dataclass(frozen=True)
class Context:
    """The parts of a worker process that handlers may use; `config` is of one revision for all of an attempt."""

    settings: Settings
    config: Config
    log: EventLog
    ledger: Ledger
    brakes: Brakes
    client: ApiClient
    runs: Runner
    live: Live

    def now(self) -> "Context":
        """The same parts with the configuration that is in force now."""
        config = self.live.config
        if config is self.config:
            return self
        return replace(self, config=config, runs=self.runs.with_config(config))


Handler = Callable[[Row, Context], Awaitable[Ending]]
"""Performs one attempt of a row and says how it ends. Raises LeaseLost, and nothing for what an API answers."""
