"""One emulated organization put together: its world, the log of calls, the deliveries, and how it starts over."""

import httpx2

from reactor.emulator.background import Background
from reactor.emulator.calls import CallLog
from reactor.emulator.delivery import Svix
from reactor.emulator.faults import Chance
from reactor.emulator.settings import EmulatorSettings
from reactor.emulator.views import created_payload, state_payload
from reactor.emulator.world import Resource, World


class Webhooks:
    """Turns what happens in the world into webhooks."""

    def __init__(self, svix: Svix, organization_id: str) -> None:
        self._svix = svix
        self._organization_id = organization_id

    def created(self, resource: Resource) -> None:
        """Send volume.created or sandbox.created."""
        self._svix.emit(created_payload(resource, self._organization_id))

    def moving(self, resource: Resource, new_state: str, updated_at: float) -> None:
        """Send volume.state.updated or sandbox.state.updated."""
        self._svix.emit(state_payload(resource, new_state, updated_at, self._organization_id))


class Organization:
    """Everything an emulator keeps."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.client = httpx2.AsyncClient(trust_env=False)
        self.background = Background()
        self.chance = Chance(settings.faults, settings.seed)
        self.calls = CallLog()
        self.svix = Svix(self.client, self.background, self.chance, settings.endpoints, settings.retry_scale)
        webhooks = Webhooks(self.svix, settings.organization_id)
        self.world = World(webhooks, self.chance, self.background, settings.time_scale)

    async def reset(self) -> None:
        """Stop whatever is under way and be as at the start."""
        await self.background.stop()
        self.world.clear()
        self.calls.clear()
        self.svix.clear()
        self.svix.endpoints = self.settings.endpoints
        self.chance.put(self.settings.faults)

    async def close(self) -> None:
        """Stop whatever is under way, for good."""
        await self.background.stop()
        await self.client.aclose()
