"""Reload: what a process runs on now, and how a changed directory comes into force.

Owns the one reference that every piece of work reads once, at its start, and keeps to. A directory is watched, loaded and
checked whole beside the work, and swapped in whole or not at all: whatever is wrong with it, the last good one stays, and
says so. Decides nothing about events.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import structlog

from reactor.config import Config, fingerprint, fingerprint_of, load_config, load_kept
from reactor.errors import ConfigError, StoreUnavailable
from reactor.patience import within
from reactor.rehearsal.suite import failures, run_tests
from reactor.store.revisions import Process
from reactor.store.store import Store
from reactor.webhook import Source

KEEP_EVERY = 3600.0
"""Seconds between two times that the revision in force is kept anew, so that it outlives every plan made with it."""

REPORT_EVERY = 5.0
"""Seconds between two signs of life."""

MOST_WORDS = 2000
"""Characters of an error that a process tells others; its log has all of it."""

CHECK = "reactor check"
"""What to type where a directory is refused."""

ACCEPT = "reactor reload --accept-shrink"
"""What to type where a sound directory is held back, if it is meant."""

Told = Mapping[str, Mapping[str, tuple[int, int]]]

log = structlog.get_logger("reactor.reload")


@dataclass(frozen=True)
class InForce:
    """What a process runs on: read it once for a piece of work. `loaded` is in seconds since the epoch.

    `refused` says why what is on disk now is not in force, and `remedy` what to type then; empty when it is.
    """

    config: Config
    sources: Mapping[str, Source]
    loaded: float
    refused: str = ""
    remedy: str = ""


class Live:
    """The configuration in force. Only `Reloader` changes it, between two turns of the event loop."""

    def __init__(self, config: Config, *, receives: bool = False, seen: str = "") -> None:
        """`receives`: the signing secrets are needed too; raises ConfigError when they are not as they must be.

        `seen` is the fingerprint of the directory when the configuration was read.
        """
        self.receives = receives
        self.seen = seen
        self.now = InForce(config, config.sources() if receives else {}, time.time())

    @classmethod
    def load(cls, directory: Path, *, receives: bool = False) -> "Live":
        """Read a directory for a process that begins. Raises ConfigError with every problem."""
        seen = fingerprint(directory)
        live = cls(passed(directory), receives=receives, seen=seen)
        _warn(live.config)
        return live

    @property
    def config(self) -> Config:
        """The configuration in force. Read it once for a piece of work, so that the work sees one revision whole."""
        return self.now.config

    def swap(self, config: Config) -> None:
        """Bring another configuration into force. Raises ConfigError, and then nothing has changed."""
        self.now = InForce(config, config.sources() if self.receives else {}, time.time())

    def refuse(self, why: str, remedy: str) -> None:
        """What is on disk is not brought into force; the remedy is what to type."""
        self.now = replace(self.now, refused=why, remedy=remedy)


async def kept_config(store: Store, revision: str) -> Config | None:
    """The configuration that decided an older event, for who asks why; None when its texts are no longer kept.

    Raises StoreUnavailable; ConfigError when today's reactor does not accept those texts.
    """
    texts = await store.revisions.texts(revision)
    return await asyncio.to_thread(load_kept, revision, texts) if texts else None


def passed(directory: Path) -> Config:
    """A directory's configuration, when it has passed all that one must pass to come into force. Raises ConfigError."""
    config = load_config(directory)
    if problems := failures(run_tests(config, directory)):
        raise ConfigError(*problems)
    return config


class Reloader:
    """Watches one directory for one process. `every` is in seconds.

    `deliveries` is what the process tells others of those that it got.
    """

    def __init__(
        self,
        live: Live,
        directory: Path,
        store: Store,
        *,
        role: str,
        every: float,
        deliveries: Callable[[], Told] = dict,
    ) -> None:
        self._deliveries = deliveries
        self._live = live
        self._directory = directory
        self._store = store
        self._role = role
        self._every = every
        self._name = f"{role}-{uuid4().hex[:12]}"
        self._judged = self._seen = live.seen
        self._smaller: Config | None = None
        self._secrets = self._secret_files()
        self._reported = self._kept = float("-inf")

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until told to stop; Redis being unable keeps nobody from reading files.

        Raises SchemaError when a newer reactor has taken the data over: nothing of ours may touch it any more.
        """
        await self._shared(self._tell)
        while not await within(stopping, self._every):
            await self._shared(self._store.readable)
            before = self._live.now
            await self.look()
            if before is not self._live.now:
                self._reported = float("-inf")
            await self._shared(self._tell)
        await self._shared(self._leave)

    async def look(self) -> None:
        """Look once. What has changed since the last look may be half written, so that the next one judges it."""
        seen = await asyncio.to_thread(fingerprint, self._directory)
        if seen != self._seen:
            self._seen = seen
        elif seen != self._judged:
            await self._judge(seen)
        elif self._smaller:
            await self._shared(self._ask_again)
        self._renew_secrets()

    async def _judge(self, seen: str) -> None:
        """Load and check what is there, beside the work; bring it into force if it is sound."""
        try:
            config = await asyncio.to_thread(passed, self._directory)
        except ConfigError as error:
            refusal = str(error)
            config = None
        except Exception as error:  # the boundary: whatever stands in a file, the last good configuration stays
            log.exception("configuration can't be read")
            refusal = f"a fault in the reactor while reading {self._directory}: {type(error).__name__}: {error}"
            config = None
        if await asyncio.to_thread(fingerprint, self._directory) != seen:
            return  # changed while it was read: the next look sees what it is now
        self._judged, self._smaller = seen, None
        if config is None:
            self._refuse(refusal)
        else:
            await self._bring(config)

    async def _bring(self, config: Config) -> None:
        """Bring a sound configuration into force, unless most of its rules are gone and nobody has said that is meant."""
        before = self._live.config
        if config.revision != before.revision and shrinks(before, config):
            self._smaller = config
            self._refuse(_shrunk(before, config), ACCEPT)
            await self._shared(self._ask_again)
            return
        self._swap(config)

    async def _ask_again(self) -> None:
        if self._smaller and await self._store.revisions.accepted(self._smaller.revision):
            config, self._smaller = self._smaller, None
            self._swap(config)

    def _swap(self, config: Config) -> None:
        before = self._live.now
        try:
            self._live.swap(config)
        except ConfigError as error:
            self._refuse(str(error))
            return
        self._secrets, self._kept = self._secret_files(), float("-inf")
        if config.revision != before.config.revision or before.refused:
            log.info("configuration in force", revision=config.revision, rules=len(config.rules.rules))
            _warn(config)

    def _refuse(self, why: str, remedy: str = CHECK) -> None:
        if why != self._live.now.refused:
            self._live.refuse(why, remedy)
            log.error("configuration refused", in_force=self._live.config.revision, error=why)

    def _renew_secrets(self) -> None:
        """Read the signing secrets again when a file of theirs has changed; what calls need is read for each call."""
        files = self._secret_files()
        if files == self._secrets or not self._live.receives:
            return
        self._secrets = files
        try:
            sources = self._live.config.sources()
        except ConfigError as error:
            log.error("signing secrets refused", error=str(error))
            return
        self._live.now = replace(self._live.now, sources=sources)
        log.info("signing secrets read anew")

    def _secret_files(self) -> dict[str, str]:
        files = (secret.file for secret in self._live.config.secrets.values() if secret.file)
        return {file: fingerprint_of(file) for file in files}

    async def _tell(self) -> None:
        """Say what this process runs, and keep the texts of it, each so often."""
        now, state = time.time(), self._live.now
        if now - self._kept >= KEEP_EVERY:
            await self._store.revisions.keep(state.config.revision, state.config.texts)
            self._kept = now
        if now - self._reported >= REPORT_EVERY:
            await self._store.revisions.report(self._self(state), now)
            self._reported = now

    def _self(self, state: InForce) -> Process:
        return Process(
            self._name,
            self._role,
            socket.gethostname(),
            state.config.revision,
            state.loaded,
            len(state.config.rules.rules),
            state.refused[:MOST_WORDS],
            state.remedy,
            self._deliveries(),
        )

    async def _leave(self) -> None:
        await self._store.revisions.leave(self._name)

    async def _shared(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do what needs Redis; while it is unable, the next look tries again."""
        try:
            await step()
        except StoreUnavailable as error:
            log.debug("not told", error=str(error))


def _warn(config: Config) -> None:
    for warning in config.warnings:
        log.warning("configuration worth a look", file=f"{warning.file}:{warning.line}", warning=warning.message)


def shrinks(before: Config, after: Config) -> bool:
    """Whether more than half of the rules would be gone: most often a mount or an editor that went wrong."""
    return 2 * len(after.rules.rules) < len(before.rules.rules)


def _shrunk(before: Config, after: Config) -> str:
    return (
        f"revision {after.revision} has {len(after.rules.rules)} rules where {before.revision} has "
        f"{len(before.rules.rules)}: if more than half of them are meant to go, say so with `{ACCEPT}`"
    )
