"""Sandboxes: creating, finding, listing them, and the settings that change no state. What moves them is `lifecycle`."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import dropwhile, islice
from uuid import uuid4

import orjson
from starlette.requests import Request

from reactor.emulator.api import Handler, Operation
from reactor.emulator.bodies import Refused, parse, whole_number
from reactor.emulator.daytona.bodies import CreateSandbox, SandboxLabels, check_sandbox
from reactor.emulator.daytona.journeys import SANDBOX_JOURNEYS, Failure, Journeys, Step
from reactor.emulator.daytona.resources import Sandbox, Volume
from reactor.emulator.daytona.snapshots import Snapshots
from reactor.emulator.daytona.views import View, sandbox_dto, sandbox_list_item, shown_state
from reactor.emulator.daytona.volumes import Volumes

START_WAIT = 30.0
"""POST /sandbox waits this long for `started` (`sandbox.controller.ts`), in seconds before scaling."""

MAX_PAGE = 200

INTERVALS = (
    ("autostop", "setAutostopInterval", "auto_stop_interval"),
    ("autopause", "setAutoPauseInterval", "auto_pause_interval"),
    ("autoarchive", "setAutoArchiveInterval", "auto_archive_interval"),
    ("autodelete", "setAutoDeleteInterval", "auto_delete_interval"),
    ("ttl", "setTtl", "ttl_minutes"),
)
"""The last part of the path, the operationId, and what is set. The emulator keeps these values, nothing acts on them."""


class Sandboxes:
    """Every sandbox there ever was since the last reset, by id, in the order of creation."""

    def __init__(self, journeys: Journeys, organization_id: str, snapshots: Snapshots) -> None:
        self.by_id: dict[str, Sandbox] = {}
        self.volumes = Volumes(journeys, organization_id, self._user_of)
        self._journeys = journeys
        self._organization_id = organization_id
        self._snapshots = snapshots
        self._read: dict[str, tuple[float, View]] = {}

    def clear(self) -> None:
        """Forget every sandbox."""
        self.by_id.clear()
        self._read.clear()

    def operations(self) -> tuple[Operation, ...]:
        """Return the table of the operations on sandboxes that change no state."""
        return (
            Operation("GET", "/sandbox", "listSandboxes", self.list_all),
            Operation("GET", "/sandbox/paginated", "listSandboxesPaginated_deprecated", self.list_pages),
            Operation("POST", "/sandbox", "createSandbox", self.create, "sandbox-create"),
            Operation("GET", "/sandbox/{id}", "getSandbox", self.get),
            Operation("PUT", "/sandbox/{id}/labels", "replaceLabels", self.replace_labels),
            Operation("POST", "/sandbox/{id}/last-activity", "updateLastActivity", self.touch),
            Operation("POST", "/sandbox/{id}/public/{value}", "updatePublicStatus", self.set_public),
            Operation("GET", "/sandbox/{id}/toolbox-proxy-url", "getToolboxProxyUrl", self.get_toolbox_url),
            *(
                Operation("POST", f"/sandbox/{{id}}/{part}/{{value}}", operation, self.sets_number(setting))
                for part, operation, setting in INTERVALS
            ),
        )

    def show(self, request: Request, sandbox: Sandbox) -> View:
        """Show a sandbox as the API does. The toolbox is where the request came to."""
        return sandbox_dto(sandbox, self._organization_id, _toolbox_url(request))

    def asked_for(self, request: Request) -> Sandbox:
        """Find the sandbox of the request by id or name, unless it is destroyed; otherwise raise Refused (404)."""
        return self.find(request.path_params["id"])

    def find(self, id_or_name: str) -> Sandbox:
        """Find a sandbox by id or name, unless it is destroyed; otherwise raise Refused (404)."""
        sandbox = self.by_id.get(id_or_name) or self._named(id_or_name)
        if sandbox is None or sandbox.state == "destroyed":
            raise Refused(404, f"Sandbox with ID or name {id_or_name} not found")
        return sandbox

    def add(self, sandbox: Sandbox) -> None:
        """Take in a sandbox. Raises Refused (409) if its name is taken."""
        if self._named(sandbox.name):
            raise Refused(409, f"Sandbox with name {sandbox.name} already exists")
        if self._journeys.chance.faults.list_lag:
            sandbox.past.append((time.time(), None))
        self.by_id[sandbox.id] = sandbox

    async def create(self, request: Request) -> object:
        """Create a sandbox and wait until it has started; the answer is what it was before the wait.

        Without a name the id becomes the name. Who has a sandbox built is not kept waiting.
        """
        spec = parse(CreateSandbox, await request.body())
        check_sandbox(spec)
        sandbox = self._new(spec)
        answer = self.show(request, sandbox)
        if sandbox.journey is not None and not spec.build_info:
            await asyncio.wait({sandbox.journey}, timeout=START_WAIT * self._journeys.pace.time_scale)
        await asyncio.sleep(self._journeys.chance.faults.create_delay)
        if sandbox.state == "error":
            raise Refused(400, f"Sandbox failed to start: {sandbox.error_reason}")
        return answer

    def _new(self, spec: CreateSandbox) -> Sandbox:
        sandbox_id = str(uuid4())
        sandbox = Sandbox(
            id=sandbox_id,
            name=spec.name or sandbox_id,
            state="pending_build" if spec.build_info else "unknown",
            spec=spec,
            volumes=tuple(self.volumes.mountable(volume) for volume in spec.volumes),
            labels=dict(spec.labels),
        )
        if spec.snapshot:
            self._snapshots.use(spec.snapshot)
        self.add(sandbox)
        for mount in sandbox.volumes:
            self.volumes.by_id[mount.volume_id].last_used_at = sandbox.created_at
        self._bring_up(sandbox)
        return sandbox

    def _bring_up(self, sandbox: Sandbox) -> None:
        chance, announce = self._journeys.chance, self._journeys.announce
        if chance.faults.warm_pool and not sandbox.volumes and not sandbox.spec.build_info:
            sandbox.state = "started"
            announce.moving(sandbox, "started", sandbox.updated_at)
            return
        announce.created(sandbox)
        fails = chance.hits(chance.faults.sandbox_error)
        sandbox.journey = self._journeys.set_out(sandbox, *_way(sandbox.spec, fails))

    async def get(self, request: Request) -> object:
        """Show a sandbox by id or name, unless it is destroyed; while reads are cached, as it was when last looked up."""
        asked, now, lasts = request.path_params["id"], time.monotonic(), self._journeys.chance.faults.read_cache
        read_at, cached = self._read.get(asked, (0.0, {}))
        if cached and now - read_at < lasts:
            return cached
        view = self.show(request, self.find(asked))
        if lasts:
            self._read[asked] = (now, view)
        return view

    async def get_toolbox_url(self, request: Request) -> object:
        """Say where the toolbox of a sandbox is."""
        self.asked_for(request)
        return {"url": _toolbox_url(request)}

    async def replace_labels(self, request: Request) -> object:
        """Replace all labels of a sandbox."""
        sandbox = self.asked_for(request)
        labels = parse(SandboxLabels, await request.body()).labels
        self._journeys.keep_past(sandbox)
        sandbox.labels = labels
        return {"labels": sandbox.labels}

    async def touch(self, request: Request) -> None:
        """Take note that a sandbox is in use."""
        self.asked_for(request)

    async def set_public(self, request: Request) -> object:
        """Make the previews of a sandbox public, or not."""
        return self._set(request, public=request.path_params["value"] == "true")

    def sets_number(self, setting: str) -> Handler:
        """Make the handler of an operation that sets a number of minutes."""

        async def handler(request: Request) -> object:
            value = request.path_params["value"]
            if not value.removeprefix("-").isdecimal():
                raise Refused(400, "Validation failed (numeric string is expected)")
            return self._set(request, **{setting: int(value)})

        return handler

    def _set(self, request: Request, **settings: object) -> View:
        sandbox = self.asked_for(request)
        sandbox.spec = sandbox.spec.model_copy(update=settings)
        return self.show(request, sandbox)

    async def list_all(self, request: Request) -> object:
        """List sandboxes that fit the filters, oldest first. A cursor is the id of the last one seen."""
        limit = whole_number(request, "limit", default=100, most=MAX_PAGE)
        chosen = self._chosen(request)
        if cursor := request.query_params.get("cursor"):
            following = islice(dropwhile(lambda s: s.id != cursor, self.by_id.values()), 1, None)
            unseen = {sandbox.id for sandbox in following}
            chosen = [sandbox for sandbox in chosen if sandbox.id in unseen]
        page = chosen[:limit]
        return {
            "items": [sandbox_list_item(item, self._organization_id, _toolbox_url(request)) for item in page],
            "nextCursor": page[-1].id if len(chosen) > limit else None,
        }

    async def list_pages(self, request: Request) -> object:
        """List sandboxes by page number, as older clients do."""
        limit = whole_number(request, "limit", default=100, most=MAX_PAGE)
        page = whole_number(request, "page", default=1)
        chosen = self._chosen(request)
        return {
            "items": [self.show(request, sandbox) for sandbox in chosen[(page - 1) * limit : page * limit]],
            "total": len(chosen),
            "page": page,
            "totalPages": -(-len(chosen) // limit),
        }

    def _chosen(self, request: Request) -> list[Sandbox]:
        """Pick the sandboxes that fit the query's `id`, `name` (prefixes), `states` and `labels`."""
        query = request.query_params
        id_prefix, name_prefix = query.get("id", "").lower(), query.get("name", "").lower()
        states = query.getlist("states")
        labels = _labels(query.get("labels", "{}")).items()
        return [
            sandbox
            for sandbox in self._listed()
            if sandbox.state != "destroyed"
            and sandbox.id.startswith(id_prefix)
            and sandbox.name.lower().startswith(name_prefix)
            and (not states or shown_state(sandbox) in states)
            and labels <= sandbox.labels.items()
        ]

    def _listed(self) -> Iterable[Sandbox]:
        """Give every sandbox as listings see it, which may be as it was some time ago."""
        if not (lag := self._journeys.chance.faults.list_lag):
            return self.by_id.values()
        versions = (sandbox.as_of(time.time() - lag) for sandbox in self.by_id.values())
        return [sandbox for sandbox in versions if sandbox is not None]

    def _named(self, name: str) -> Sandbox | None:
        return next((s for s in self.by_id.values() if s.name == name), None)

    def _user_of(self, volume: Volume) -> str | None:
        """Find the name of a sandbox that has the volume mounted and is not to be destroyed."""
        users = (s for s in self.by_id.values() if any(mount.volume_id == volume.id for mount in s.volumes))
        return next((sandbox.name for sandbox in users if sandbox.desired_state != "destroyed"), None)


def _way(spec: CreateSandbox, fails: bool) -> tuple[Sequence[Step], Failure | None]:
    """Choose the journey of a new sandbox, and how it ends if it fails."""
    steps = SANDBOX_JOURNEYS["build" if spec.build_info else "create"]
    if not fails:
        return steps, None
    if spec.build_info:
        # It ends where the image would have been ready.
        return steps[:2], Failure("Failed to build", "build_failed")
    return steps, Failure("Failed to start the container")


def _toolbox_url(request: Request) -> str:
    return f"{request.base_url}toolbox"


def _labels(text: str) -> dict[str, object]:
    try:
        labels = orjson.loads(text)
    except orjson.JSONDecodeError as invalid:
        raise Refused(400, "labels must be a valid JSON string") from invalid
    if not isinstance(labels, dict):
        raise Refused(400, "labels must be an object")
    return labels
