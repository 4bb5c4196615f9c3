"""One emulated organization put together: what it has, the log of calls, the deliveries, and how it starts over."""

from collections.abc import Callable

import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from reactor.emulator import daytona, runloop
from reactor.emulator.api import Api, Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused
from reactor.emulator.calls import CallLog
from reactor.emulator.daytona.journeys import Journeys
from reactor.emulator.daytona.resources import Resource, Snapshot
from reactor.emulator.daytona.views import created_payload, removed_payload, state_payload
from reactor.emulator.delivery import Svix
from reactor.emulator.examples import Examples
from reactor.emulator.faults import Chance
from reactor.emulator.limits import Limits, Throttler
from reactor.emulator.pace import Pace
from reactor.emulator.settings import EmulatorSettings


class Announcer:
    """Turns what happens at Daytona into webhooks."""

    def __init__(self, svix: Svix, organization_id: str) -> None:
        self._svix = svix
        self._organization_id = organization_id

    def created(self, resource: Resource) -> None:
        """Send *.created."""
        self._svix.emit(created_payload(resource, self._organization_id))

    def moving(self, resource: Resource, new_state: str, updated_at: float) -> None:
        """Send *.state.updated."""
        self._svix.emit(state_payload(resource, new_state, updated_at, self._organization_id))

    def removed(self, snapshot: Snapshot) -> None:
        """Send snapshot.removed."""
        self._svix.emit(removed_payload(snapshot, self._organization_id))


class Organization:
    """Everything an emulator keeps."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.client = httpx2.AsyncClient(trust_env=False)
        self.background = Background()
        self.chance = Chance(settings.faults, settings.seed)
        self.calls = CallLog()
        self.limits = Limits(settings.limits)
        self.keys = settings.keys()
        self.svix = Svix(
            self.client,
            self.background,
            self.chance,
            settings.endpoints,
            settings.retry_scale,
            settings.retry_limit,
        )
        announcer = Announcer(self.svix, settings.organization_id)
        pace = Pace(self.chance, settings.time_scale)
        journeys = Journeys(announcer, self.chance, self.background, pace)
        self.daytona = daytona.Daytona(journeys, self.svix, settings.organization_id)
        self.runloop = runloop.Runloop(self.chance, self.background, pace)

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the emulated APIs."""
        api = self._api("daytona", daytona.refusal, throttlers=("authenticated",)).routes(
            self._with_examples("daytona", self.daytona.operations())
        )
        toolbox = self._api("daytona", daytona.refusal, prefix="toolbox.").routes(
            self._with_examples("daytona-toolbox", self.daytona.toolbox.operations(), "/toolbox/{sandboxId}")
        )
        devboxes = self._api("runloop", runloop.refusal, prefix="runloop.").routes(
            self._with_examples("runloop", self.runloop.operations())
        )
        return [
            # Older clients reach the toolbox through the API.
            Mount("/api/toolbox/{sandbox}/toolbox", routes=toolbox),
            Mount("/api", routes=api),
            Mount("/toolbox/{sandbox}", routes=toolbox),
            Mount("/runloop", routes=[*self.runloop.storage_routes(), *devboxes]),
        ]

    def _with_examples(
        self, document: str, operations: tuple[Operation, ...], below: str = ""
    ) -> tuple[Operation, ...]:
        """A table, and what else the API's document has where it is known."""
        path = self.settings.apis / f"{document}.openapi.json" if self.settings.apis else None
        if path is None or not path.is_file():
            return operations
        return *operations, *Examples.of(path, below).operations({row.id for row in operations})

    def _api(
        self,
        name: str,
        refusal: Callable[[Request, Refused], Response],
        *,
        prefix: str = "",
        throttlers: tuple[Throttler, ...] = (),
    ) -> Api:
        return Api(name, refusal, self.keys, self.calls, self.chance, self.limits, prefix, throttlers)

    async def reset(self) -> None:
        """Stop whatever is under way and be as at the start."""
        await self.background.stop()
        self.daytona.clear()
        self.runloop.clear()
        self.calls.clear()
        self.svix.clear()
        self.svix.endpoints = self.settings.endpoints
        self.chance.put(self.settings.faults)
        self.limits.put(self.settings.limits)
        self.keys.update(self.settings.keys())

    async def close(self) -> None:
        """Stop whatever is under way, for good."""
        await self.background.stop()
        await self.client.aclose()
