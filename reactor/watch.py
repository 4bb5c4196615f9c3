"""The watcher: long polls resources that nobody sends webhooks about, and makes each answer an event.

Owns the polls of one process: hundreds in one event loop, each over a connection of its own, none in a job's place. One per
resource, however many runs wait for it; a watch that its holder leaves is taken over by another when the lease ends. What is
watched is the store's, what an answer means is the runs' and the rules'.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from reactor.apis.client import Api, ApiClient
from reactor.apis.provider import look, put
from reactor.apis.sightings import Read, events_of
from reactor.catalog import states_of
from reactor.config.telling import teller_of
from reactor.errors import CallError, GateClosed, StoreUnavailable, TemporaryError
from reactor.failpoints import failpoint
from reactor.patience import cancelled, until, within
from reactor.queue import JobQueue, Ticket
from reactor.reload import Live
from reactor.runs.watching import REST, SHORTEST_HOLD
from reactor.settings import Settings
from reactor.store.store import Store
from reactor.store.watches import Held

TICK = 1.0
"""Seconds between two looks for watches that another process left, or registered."""

SOONEST, LATEST = 0.5, 30.0
"""Seconds before a poll that was not answered is made again: doubling, with jitter."""

GONE = 404

log = structlog.get_logger("reactor.watch")


@dataclass
class Polling:
    """A watch that this process holds: its task, and the states that the poll under way asks for."""

    task: "asyncio.Task[None]"
    states: frozenset[str] = frozenset()


class Watcher:
    """Holds watches; any number may run. `client` is its own: polls must not take the connections of calls."""

    def __init__(self, store: Store, queue: JobQueue, live: Live, client: ApiClient, settings: Settings) -> None:
        self._store = store
        self._queue = queue
        self._live = live
        self._client = client
        self._lease = settings.lease
        self._most = settings.watches
        self._name = f"watcher-{uuid4().hex[:12]}"
        self._held: dict[str, Polling] = {}
        self._prolonged = time.monotonic()

    async def run(self, stopping: asyncio.Event) -> None:
        """Hold watches until told to stop; those held then are taken over by others."""
        try:
            await until(stopping, self._forever())
        finally:
            await cancelled([each.task for each in self._held.values()])

    async def _forever(self) -> None:
        while True:
            self._store.watches.bell.clear()
            try:
                await self._take()
                await self._prolong()
            except StoreUnavailable as error:
                log.warning("watch paused", error=str(error))
            await within(self._store.watches.bell, TICK)

    async def _take(self) -> None:
        """Begin to poll for watches that are free; one that we hold has new waits, and is asked for them, too."""
        room = self._most - len(self._held)
        for watch in await self._store.watches.take(self._name, room) if room > 0 else ():
            failpoint("watch.after_take")
            polling = self._held.get(watch)
            if polling is None:
                self._begin(watch)
            else:
                held = await self._store.watches.held(watch, self._name)
                if held and not self._asked(held) <= polling.states:
                    polling.task.cancel()
                    self._begin(watch)

    def _begin(self, watch: str) -> None:
        polling = Polling(asyncio.create_task(self._watch(watch)))
        self._held[watch] = polling
        polling.task.add_done_callback(lambda task: self._end(watch, task))

    def _end(self, watch: str, task: "asyncio.Task[None]") -> None:
        if watch in self._held and self._held[watch].task is task:
            del self._held[watch]

    async def _prolong(self) -> None:
        """Keep what we hold; what somebody else has by now is theirs."""
        if time.monotonic() - self._prolonged < self._lease / 3:
            return
        self._prolonged = time.monotonic()
        watches = list(self._held)
        for watch, ours in zip(watches, await self._store.watches.prolong(watches, self._name), strict=True):
            if not ours and watch in self._held:
                self._held[watch].task.cancel()

    async def _watch(self, watch: str) -> None:
        """Poll for one watch until nobody needs it."""
        failures = 0
        while True:
            try:
                held = await self._store.watches.held(watch, self._name)
                if held is None:
                    return
                pause = await self._poll(watch, held)
                failures = 0
            except TemporaryError as error:
                failures += 1
                pause = _backoff(failures) if error.delay is None else error.delay
                log.warning("poll failed", watch=watch, error=str(error), seconds=round(pause, 1))
            except GateClosed as error:
                pause = error.delay
                log.warning("watch gated", watch=watch, error=str(error), seconds=round(pause, 1))
            except StoreUnavailable as error:
                pause = TICK
                log.warning("watch paused", watch=watch, error=str(error))
            except Exception:  # the boundary: what one poll does to us must not end the others
                pause = LATEST
                log.exception("watch faulty", watch=watch)
            await asyncio.sleep(pause)

    def _asked(self, held: Held) -> frozenset[str]:
        """The states to ask for: those that rows wait for; of what is watched for its own sake, all."""
        api = self._live.config.apis.get(held.spec.api)
        return held.states | states_of(api, held.spec.kind) if api and held.standing else held.states

    async def _poll(self, watch: str, held: Held) -> float:
        """Make one call, and make its answer known; returns the seconds to leave the server alone.

        Raises TemporaryError, GateClosed, StoreUnavailable.
        """
        spec, api = held.spec, self._live.config.apis.get(held.spec.api)
        if api is None or spec.operation not in api.provider.long_poll:
            raise TemporaryError(f"{spec.api}.{spec.operation} is not configured any more", LATEST)
        states = await self._states(api, held)
        self._held[watch].states = self._asked(held)
        async with self._store.brakes.heeding_gates(api.name, spec.operation):
            asked = time.time()
            answer = await self._answer(api, held, states)
            answered = _now()
        failpoint("watch.after_poll")
        if answer is None:
            return REST if answered / 1000 - asked < SHORTEST_HOLD else 0.0
        if await self._store.watches.held(watch, self._name) is None:
            return 0.0  # it is somebody else's by now, who knows better than an answer of so long ago
        told = await self._tell(watch, api, held, {**answer, "asked": asked, "woken": answered})
        return REST if answered / 1000 - asked < SHORTEST_HOLD and not told else 0.0

    async def _states(self, api: Api, held: Held) -> list[str]:
        """What to be answered for. A server answers at once for the state that is: for its own sake, all others are.

        Unless it may rest in that state: then the answer ends the watch, which whoever held it before us may not have come to.
        """
        if not held.standing:
            return sorted(held.states)
        [known] = await self._store.resources.known(api.name, held.spec.kind, [held.spec.resource])
        passing = {known.state} - _rests(api, held.spec.kind)
        return sorted(held.states | states_of(api, held.spec.kind) - passing)

    async def _answer(self, api: Api, held: Held, states: list[str]) -> dict[str, Any] | None:
        """What the API answered; None while it says "still waiting". Raises TemporaryError, GateClosed."""
        spec, poll = held.spec, api.provider.long_poll[held.spec.operation]
        body = put(poll.seconds, put(poll.states, spec.body, states), int(poll.hold))
        try:
            reply = await self._client.call(api, spec.operation, spec.parameters, body)
        except GateClosed:
            raise
        except CallError as error:
            if error.status in poll.still_waiting:
                return None
            if isinstance(error, TemporaryError):
                raise
            return {"status": error.status, "headers": dict(error.headers), "body": error.data, "error": str(error)}
        return {"status": reply.status, "headers": dict(reply.headers), "body": reply.data}

    async def _tell(self, watch: str, api: Api, held: Held, answer: Mapping[str, Any]) -> int:
        """Make an answer an event, and give it to the rows that wait for it; returns how many did.

        The rows are told in the same step, so that no event wakes them which says less: they would have to read again.
        """
        resource = api.provider.resources[held.spec.kind]
        good = 200 <= answer["status"] < 300
        state = look(resource.state, answer["body"]) if good else None
        shown = good or answer["status"] == GONE
        events = await self._events(api, held, answer["body"] if good else None, answer["woken"]) if shown else []
        rows = await self._store.watches.tell(watch, state or "", {**answer, "state": state}, events)
        failpoint("watch.after_tell")
        await self._queue.enqueue([Ticket(row) for row in rows])
        if held.standing and (not good or state in _rests(api, held.spec.kind)):
            await self._store.watches.settle(watch)
        log.info(
            "watch answered",
            watch=watch,
            resource=held.spec.resource,
            state=state,
            status=answer["status"],
            rows=len(rows),
        )
        return len(rows)

    async def _events(self, api: Api, held: Held, data: Any, at: int) -> list[Mapping[str, Any]]:
        """The events of what an answer shows, if it is of a kind that has events and the table does not know.

        It is dated when it came: a process that is paused then must not say later that things are as they were.
        """
        spec, resource = held.spec, api.provider.resources[held.spec.kind]
        resource_id = look(resource.id, data) if data is not None else spec.resource
        if not resource.events or not isinstance(resource_id, str) or not resource_id:
            return []
        [known] = await self._store.resources.known(api.name, spec.kind, [resource_id])
        read = Read(spec.kind, resource_id, at, data if isinstance(data, dict) else None)
        events = events_of(teller_of(self._live.config, api, "watch"), read, known)
        return [self._store.log.with_others(event) for event in events]


def _rests(api: Api, kind: str) -> frozenset[str | None]:
    """The states in which a resource stays by itself."""
    resource = api.provider.resources[kind]
    return frozenset({*resource.settled, *resource.failed, *resource.terminal})


def _now() -> int:
    return int(time.time() * 1000)


def _backoff(failures: int) -> float:
    longest: float = min(SOONEST * 2 ** min(failures - 1, 10), LATEST)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # so that a crowd spreads; no secret
