"""Reads the figures that all processes share. Changes no key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reactor.store.brakes import Pause
from reactor.store.client import Memory, available, read_memory
from reactor.store.reconciles import Mark
from reactor.store.revisions import Process
from reactor.store.store import Store


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. Times are in milliseconds since the epoch."""

    oldest_event: int | None
    oldest_due: int | None
    log_length: int
    due_length: int
    aside: int
    dead: int
    unknown: int
    memory: Memory
    counts: Mapping[str, int]
    processes: Sequence[Process]
    reconciled: Mapping[str, Mark]
    watches: int
    oldest_watch: int | None
    """When the first of the watches that nobody holds was to be taken; in the future where all are held."""
    pauses: Sequence[Pause]

    def count(self, name: str) -> int:
        """A shared counter; 0 for one that nobody has raised."""
        return self.counts.get(name, 0)

    def counts_by(self, prefix: str) -> dict[str, int]:
        """The shared counters that are kept apart by a name after a prefix."""
        return {name.removeprefix(prefix): value for name, value in self.counts.items() if name.startswith(prefix)}


async def read_figures(store: Store) -> Figures:
    """Read all figures. Raises StoreUnavailable."""
    async with available():
        counts: Any = await store.redis.hgetall(store.keys.count)
        aside = await store.redis.zcard(store.keys.aside)
        dead = await store.redis.zcard(store.keys.finished("dead"))
        unknown = await store.redis.zcard(store.keys.finished("unknown"))
    return Figures(
        oldest_event=await store.log.oldest_unacknowledged(),
        oldest_due=await store.due.next(),
        log_length=await store.log.length(),
        due_length=await store.due.length(),
        aside=int(aside),
        dead=int(dead),
        unknown=int(unknown),
        pauses=await store.brakes.pauses(),
        memory=await read_memory(store.redis),
        reconciled=await store.reconciles.marks(),
        watches=await store.watches.count(),
        oldest_watch=await store.watches.next(),
        processes=await store.revisions.processes(),
        counts={name.decode(): int(value) for name, value in counts.items()},
    )
