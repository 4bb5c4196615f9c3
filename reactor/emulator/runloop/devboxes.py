"""Devboxes: creating them, waiting for what they become, suspending, resuming and shutting them down.

`wait_for_status` holds the call: 200 only when a listed status is reached, else 408. There are no webhooks.
"""

import asyncio

from starlette.requests import Request

from reactor.emulator.api import Operation
from reactor.emulator.background import Background
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.faults import Chance
from reactor.emulator.pace import Pace, Span
from reactor.emulator.runloop.bodies import CreateDevbox, DevboxStatus, Labelled, WaitForDevbox
from reactor.emulator.runloop.images import Images
from reactor.emulator.runloop.resources import Devbox, View, asked_for, milliseconds, page

HOLD, LONGEST_HOLD = 10, 30
"""How long `wait_for_status` holds a call by default and at most, in seconds before scaling."""

BOOT: tuple[tuple[DevboxStatus, Span], ...] = (("provisioning", (0.05, 0.3)), ("initializing", (1, 4)))
RUN: Span = (0.5, 2)
PASSING: Span = (1, 4)
"""How long suspending and resuming last."""


class Devboxes:
    """Every devbox there ever was since the last reset, by id, in the order of creation."""

    def __init__(
        self, by_id: dict[str, Devbox], images: Images, chance: Chance, background: Background, pace: Pace
    ) -> None:
        self.by_id = by_id
        self._images = images
        self._chance = chance
        self._background = background
        self._pace = pace

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on devboxes."""
        return (
            Operation("GET", "/v1/devboxes", "listDevboxes", self.list_all),
            Operation("POST", "/v1/devboxes", "createDevbox", self.create),
            Operation("GET", "/v1/devboxes/{id}", "getDevbox", self.get),
            Operation("POST", "/v1/devboxes/{id}", "updateDevbox", self.update),
            Operation("POST", "/v1/devboxes/{id}/wait_for_status", "waitForDevboxStatus", self.wait),
            Operation("POST", "/v1/devboxes/{id}/suspend", "suspendDevbox", self.suspend),
            Operation("POST", "/v1/devboxes/{id}/resume", "resumeDevbox", self.resume),
            Operation("POST", "/v1/devboxes/{id}/shutdown", "shutdownDevbox", self.shutdown),
            Operation("POST", "/v1/devboxes/{id}/keep_alive", "keepAliveDevbox", self.keep_alive),
        )

    async def list_all(self, request: Request) -> object:
        """List the devboxes, newest first, in the query's `status` if it names one."""
        status = request.query_params.get("status")
        return page(request, "devboxes", (show(d) for d in self.by_id.values() if status in (None, d.status)))

    async def create(self, request: Request) -> object:
        """Create a devbox and set it booting. Its name need not be unique."""
        spec = parse(CreateDevbox, await request.body())
        self._images.refuse_unusable(spec)
        devbox = Devbox(spec=spec)
        await devbox.move("queued")
        self.by_id[devbox.id] = devbox
        answer = show(devbox)
        fails = self._chance.hits(self._chance.faults.devbox_error)
        devbox.journey = self._background.spawn(self._boot(devbox, fails))
        await asyncio.sleep(self._chance.faults.create_delay)
        return answer

    async def _boot(self, devbox: Devbox, fails: bool) -> None:
        for status, after in BOOT:
            await self._pace.stay(after)
            await devbox.move(status)
            if status == "provisioning":
                await asyncio.sleep(self._chance.faults.devbox_boot)
        await self._pace.stay(RUN)
        if fails:
            await devbox.move("failure", "health_check_failed")
        else:
            await devbox.move("running")

    async def get(self, request: Request) -> object:
        """Show a devbox."""
        return show(self._asked_for(request))

    async def update(self, request: Request) -> object:
        """Replace a devbox's name and metadata."""
        devbox = self._asked_for(request)
        labels = parse(Labelled, await request.body())
        devbox.spec = devbox.spec.model_copy(update={"name": labels.name, "metadata": labels.metadata})
        return show(devbox)

    async def wait(self, request: Request) -> object:
        """Hold the call until the devbox has one of the statuses; 408 if that takes too long."""
        devbox = self._asked_for(request)
        asked = parse(WaitForDevbox, await request.body())
        hold = min(HOLD if asked.timeout_seconds is None else asked.timeout_seconds, LONGEST_HOLD)
        reached = self._reach(devbox, asked.statuses, hold * self._pace.time_scale)
        if (answer := await self._background.hold(reached)) is None:
            raise Refused(408, "Timeout waiting for status")
        return answer

    async def _reach(self, devbox: Devbox, statuses: tuple[DevboxStatus, ...], seconds: float) -> View | None:
        """Show the devbox as soon as it has one of the statuses; None if that is not within so many real seconds."""
        try:
            async with asyncio.timeout(seconds), devbox.changed:
                await devbox.changed.wait_for(lambda: devbox.status in statuses)
                return show(devbox)
        except TimeoutError:
            return None

    async def suspend(self, request: Request) -> object:
        """Suspend a running devbox."""
        return await self._pass(request, "running", ("suspending", "suspended"))

    async def resume(self, request: Request) -> object:
        """Resume a suspended devbox."""
        return await self._pass(request, "suspended", ("resuming", "running"))

    async def _pass(self, request: Request, start: DevboxStatus, way: tuple[DevboxStatus, DevboxStatus]) -> View:
        devbox = self._asked_for(request)
        if devbox.status != start:
            raise Refused(400, f"Devbox is not {start}. Current status: {devbox.status}")
        passing, end = way
        await devbox.move(passing)

        async def arrive() -> None:
            await self._pace.stay(PASSING)
            await devbox.move(end)

        devbox.journey = self._background.spawn(arrive())
        return show(devbox)

    async def shutdown(self, request: Request) -> object:
        """Shut a devbox down at once, whatever it is doing; not while its disk is copied, unless forced."""
        devbox = self._asked_for(request)
        if self._images.is_copying(devbox.id) and request.query_params.get("force") != "true":
            raise Refused(409, "Devbox has in-progress snapshots and cannot be shut down at this time")
        if devbox.journey:
            devbox.journey.cancel()
        if devbox.status not in ("shutdown", "failure"):
            await devbox.move("shutdown")
        return show(devbox)

    async def keep_alive(self, request: Request) -> object:
        """Take note that a devbox is in use."""
        self._asked_for(request)
        return {}

    def _asked_for(self, request: Request) -> Devbox:
        return asked_for(request, Devbox, self.by_id)


def show(devbox: Devbox) -> View:
    """Show a devbox as the API does (DevboxView)."""
    spec, last = devbox.spec, devbox.transitions[-1]
    is_over = last.status in ("failure", "shutdown")
    optional: View = {
        "name": spec.name,
        "blueprint_id": spec.blueprint_id,
        "snapshot_id": spec.snapshot_id,
        "failure_reason": last.failure_reason,
        "shutdown_reason": "api_shutdown" if last.status == "shutdown" else None,
        "end_time_ms": milliseconds(last.at) if is_over else None,
    }
    return {
        "id": devbox.id,
        "status": last.status,
        "create_time_ms": milliseconds(devbox.created_at),
        "capabilities": [],
        "launch_parameters": spec.launch_parameters or {},
        "metadata": spec.metadata or {},
        "state_transitions": [
            {"status": step.status, "transition_time_ms": milliseconds(step.at)}
            | ({"failure_reason": step.failure_reason} if step.failure_reason else {})
            for step in devbox.transitions
        ],
        **{name: value for name, value in optional.items() if value is not None},
    }
