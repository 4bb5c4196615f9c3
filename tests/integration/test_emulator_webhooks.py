"""What arrives at a webhook endpoint of the emulator, over real HTTP, and what the API shows meanwhile."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from svix.webhooks import Webhook

from reactor.emulator import EmulatorSettings, Endpoint, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VOLUME_CREATED = ["event", "timestamp", "id", "name", "organizationId", "state", "createdAt"]
VOLUME_UPDATED = ["event", "timestamp", "id", "name", "organizationId", "oldState", "newState", "updatedAt"]
SANDBOX_CREATED = ["event", "timestamp", "id", "organizationId", "state", "sandboxClass", "createdAt"]
SANDBOX_UPDATED = ["event", "timestamp", "id", "organizationId", "oldState", "newState", "updatedAt"]


@dataclass
class Receiver:
    """A webhook endpoint that keeps what arrives and answers 204, or first what `answers` says."""

    url: str
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        self.deliveries.append((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)

    @property
    def events(self) -> list[dict[str, str]]:
        return [json.loads(body) for _, body in self.deliveries]

    @property
    def ids(self) -> list[str]:
        return [headers["svix-id"] for headers, _ in self.deliveries]

    def seen(self, state: str) -> bool:
        return any(event.get("newState") == state for event in self.events)


@dataclass
class Stage:
    """An emulator, an endpoint that it delivers to, and a client with a good key."""

    url: str
    receiver: Receiver
    http: httpx2.AsyncClient

    async def put_faults(self, **faults: object) -> None:
        (await self.http.put(f"{self.url}/emulator/faults", json=faults)).raise_for_status()

    async def show(self, what: str) -> dict[str, object]:
        shown: dict[str, object] = (await self.http.get(f"{self.url}/emulator/{what}")).json()
        return shown

    async def quiet(self) -> None:
        """Wait until no delivery is under way."""

        async def is_quiet() -> bool:
            return not (await self.show("deliveries"))["underWay"]

        await eventually(is_quiet)

    async def create_volume(self, name: str) -> dict[str, str]:
        created: dict[str, str] = (await self.http.post("/volumes", json={"name": name})).raise_for_status().json()
        return created

    async def ready_volume(self, name: str) -> str:
        volume = await self.create_volume(name)
        await self.reached(f"/volumes/{volume['id']}", "ready")
        return volume["id"]

    async def reached(self, path: str, state: str) -> None:
        async def is_reached() -> bool:
            return bool((await self.http.get(path)).json()["state"] == state)

        await eventually(is_reached)


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Ask again and again, for five seconds at most."""
    deadline = time.monotonic() + 5
    while not (await held if isinstance(held := condition(), Awaitable) else held):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks")
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = Starlette(routes=[Route("/webhooks", receiver.receive, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield receiver
        server.should_exit = True
        await serving


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def servers() -> AsyncIterator[Stage]:
    async with receiving() as receiver:
        settings = EmulatorSettings(
            endpoints=(Endpoint(receiver.url, SECRET),),
            time_scale=0.01,
            retry_scale=0.22,  # the first retry comes after 1.1 s, in another second
            seed=7,
        )
        key = {"authorization": f"Bearer {settings.api_key}"}
        async with running(settings) as url, httpx2.AsyncClient(base_url=f"{url}/api", headers=key) as http:
            yield Stage(url, receiver, http)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(servers: Stage) -> Stage:
    (await servers.http.post(f"{servers.url}/emulator/reset")).raise_for_status()
    servers.receiver.deliveries.clear()
    servers.receiver.answers.clear()
    return servers


async def test_a_volume_becomes_ready_and_announces_every_state_with_daytonas_fields(stage: Stage) -> None:
    volume = await stage.create_volume("data")

    await eventually(lambda: stage.receiver.seen("ready"))

    events = sorted(stage.receiver.events, key=lambda event: event["timestamp"])
    assert volume["state"] == "pending_create"
    assert [list(event) for event in events] == [VOLUME_CREATED, VOLUME_UPDATED, VOLUME_UPDATED]
    assert [event.get("oldState") for event in events] == [None, "pending_create", "creating"]
    assert [event.get("newState", event.get("state")) for event in events] == ["pending_create", "creating", "ready"]
    assert {event["id"] for event in events} == {volume["id"]}
    assert events[2]["updatedAt"] == volume["createdAt"] < events[1]["updatedAt"]


async def test_a_delivery_verifies_with_svix(stage: Stage) -> None:
    await stage.create_volume("data")

    await eventually(lambda: bool(stage.receiver.deliveries))

    headers, body = stage.receiver.deliveries[0]
    Webhook(SECRET).verify(body, headers)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Svix-Webhooks/")


async def test_a_refused_delivery_comes_again_under_the_same_id_with_a_new_signature(stage: Stage) -> None:
    stage.receiver.answers.append(500)

    await stage.http.post(f"{stage.url}/emulator/events", json={"payload": {"event": "volume.created"}, "id": "msg_1"})
    await eventually(lambda: len(stage.receiver.deliveries) == 2)

    await stage.quiet()
    assert stage.receiver.ids == ["msg_1"] * 2
    for headers, body in stage.receiver.deliveries:
        Webhook(SECRET).verify(body, headers)
    assert stage.receiver.deliveries[0][0]["svix-timestamp"] < stage.receiver.deliveries[1][0]["svix-timestamp"]
    attempts = (await stage.show("deliveries"))["deliveries"]
    assert isinstance(attempts, list)
    assert [(attempt["attempt"], attempt["status"]) for attempt in attempts] == [(1, 500), (2, 204)]


async def test_creating_a_sandbox_answers_creating_although_it_has_started(stage: Stage) -> None:
    answer = await stage.http.post("/sandbox", json={"name": "box", "labels": {"team": "a"}})

    await eventually(lambda: stage.receiver.seen("started"))
    events = sorted(stage.receiver.events, key=lambda event: event["timestamp"])
    assert answer.json()["state"] == "creating"
    assert (await stage.http.get("/sandbox/box")).json()["state"] == "started"
    assert [list(event) for event in events] == [SANDBOX_CREATED, SANDBOX_UPDATED, SANDBOX_UPDATED]
    assert [event.get("newState", event.get("state")) for event in events] == ["unknown", "creating", "started"]


async def test_a_volume_that_fails_ends_in_error_with_a_reason(stage: Stage) -> None:
    await stage.put_faults(volume_error=1)

    volume = await stage.create_volume("data")

    await stage.reached(f"/volumes/{volume['id']}", "error")
    assert (await stage.http.get(f"/volumes/{volume['id']}")).json()["errorReason"]
    await eventually(lambda: stage.receiver.seen("error"))


async def test_a_volume_is_not_ready_yet_right_after_its_ready_event(stage: Stage) -> None:
    await stage.put_faults(event_before_commit=0.4)
    volume = await stage.create_volume("data")
    await eventually(lambda: stage.receiver.seen("ready"))

    answer = await stage.http.post("/sandbox", json={"volumes": [{"volumeId": volume["id"], "mountPath": "/data"}]})

    assert answer.status_code == 400
    assert answer.json()["message"] == "Volume 'data' is not in a ready state. Current state: creating"
    await stage.reached(f"/volumes/{volume['id']}", "ready")


async def test_a_volume_in_use_is_kept_and_a_deleted_one_frees_its_name(stage: Stage) -> None:
    volume_id = await stage.ready_volume("data")
    mounts = [{"volumeId": "data", "mountPath": "/data"}]
    sandbox = (await stage.http.post("/sandbox", json={"name": "box", "volumes": mounts})).json()

    in_use = await stage.http.delete(f"/volumes/{volume_id}")
    await stage.http.delete("/sandbox/box")
    deleted = await stage.http.delete(f"/volumes/{volume_id}")

    assert sandbox["volumes"] == [{"volumeId": volume_id, "mountPath": "/data"}]
    assert (in_use.status_code, deleted.status_code, deleted.content) == (409, 200, b"")
    await stage.reached(f"/volumes/{volume_id}", "deleted")
    assert (await stage.http.get(f"/volumes/{volume_id}")).json()["name"] == "data-deleted"
    assert (await stage.http.get("/volumes/by-name/data")).status_code == 404
    assert (await stage.create_volume("data"))["id"] != volume_id


async def test_a_destroyed_sandbox_frees_its_name_and_stays_countable(stage: Stage) -> None:
    first = (await stage.http.post("/sandbox", json={"name": "box"})).json()

    destroying = await stage.http.delete("/sandbox/box")
    second = await stage.http.post("/sandbox", json={"name": "box"})

    await eventually(lambda: stage.receiver.seen("destroyed"))
    assert destroying.json()["state"] == "destroying"
    assert second.status_code == 200
    assert (await stage.http.get(f"/sandbox/{first['id']}")).status_code == 404
    sandboxes = (await stage.show("state"))["sandboxes"]
    assert isinstance(sandboxes, list)
    assert [sandbox["state"] for sandbox in sandboxes] == ["destroyed", "started"]
    assert sandboxes[0]["name"].startswith("DESTROYED_box_")


async def test_a_sandbox_stops_is_archived_and_starts_again(stage: Stage) -> None:
    await stage.http.post("/sandbox", json={"name": "box"})
    await stage.put_faults(event_before_commit=0.2)

    stopping = await stage.http.post("/sandbox/box/stop")
    too_soon = await stage.http.post("/sandbox/box/start")
    await stage.put_faults()
    await stage.reached("/sandbox/box", "stopped")
    await stage.http.post("/sandbox/box/archive")
    await stage.reached("/sandbox/box", "archived")
    await stage.http.post("/sandbox/box/start")
    await stage.reached("/sandbox/box", "started")

    assert stopping.json()["state"] == "stopping"
    assert (too_soon.status_code, too_soon.json()["message"]) == (409, "Sandbox state change in progress")
    assert (await stage.http.post("/sandbox/box/start")).status_code == 200
    assert (await stage.http.post("/sandbox/box/archive")).status_code == 400


async def test_a_sandbox_from_the_warm_pool_announces_only_a_step_to_itself(stage: Stage) -> None:
    await stage.put_faults(warm_pool=True)

    answer = await stage.http.post("/sandbox", json={})

    await stage.quiet()
    assert answer.json()["state"] == "started"
    assert answer.json()["name"] == answer.json()["id"]
    assert [(event["oldState"], event["newState"]) for event in stage.receiver.events] == [("started", "started")]


async def test_a_duplicated_message_comes_several_times_under_one_id_and_a_twin_under_another(stage: Stage) -> None:
    await stage.put_faults(duplicate=1, copies=3, twin=1, warm_pool=True)

    await stage.http.post("/sandbox", json={})

    await eventually(lambda: len(stage.receiver.deliveries) == 6)
    await stage.quiet()
    ids = stage.receiver.ids
    assert sorted(ids.count(message_id) for message_id in set(ids)) == [3, 3]


async def test_a_dropped_event_is_never_delivered(stage: Stage) -> None:
    await stage.put_faults(drop=1)

    await stage.ready_volume("data")

    deliveries = await stage.show("deliveries")
    assert stage.receiver.deliveries == []
    assert (deliveries["underWay"], deliveries["deliveries"]) == (0, [])
    assert isinstance(deliveries["dropped"], list)
    assert [event["event"] for event in deliveries["dropped"]] == ["volume.created", *["volume.state.updated"] * 2]


async def test_reordered_messages_all_arrive_but_not_as_they_were_sent(stage: Stage) -> None:
    await stage.put_faults(reorder=0.1)
    sent = [f"msg_{number:02}" for number in range(20)]

    for message_id in sent:
        await stage.http.post(f"{stage.url}/emulator/events", json={"payload": {}, "id": message_id})
    await eventually(lambda: len(stage.receiver.deliveries) == len(sent))

    assert sorted(stage.receiver.ids) == sent
    assert stage.receiver.ids != sent


async def test_an_endpoint_gets_only_the_event_types_it_asked_for(stage: Stage) -> None:
    endpoint = {"url": stage.receiver.url, "secret": SECRET, "events": ["volume.created"]}
    await stage.http.put(f"{stage.url}/emulator/endpoints", json=[endpoint])

    await stage.ready_volume("data")

    await stage.quiet()
    assert [event["event"] for event in stage.receiver.events] == ["volume.created"]


async def test_a_reset_forgets_everything_and_stops_what_is_under_way(stage: Stage) -> None:
    await stage.put_faults(event_before_commit=5)
    await stage.create_volume("data")
    await eventually(lambda: stage.receiver.seen("creating"))

    await stage.http.post(f"{stage.url}/emulator/reset")

    deliveries = await stage.show("deliveries")
    assert await stage.show("state") == {"volumes": [], "snapshots": [], "sandboxes": [], "devboxes": []}
    assert (await stage.show("calls"))["calls"] == {}
    assert (deliveries["deliveries"], deliveries["underWay"]) == ([], 0)
    assert (await stage.show("faults"))["event_before_commit"] == 0
