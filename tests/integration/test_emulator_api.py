"""What the emulator's API answers, over real HTTP, and the faults that need no webhook to be seen."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from reactor.emulator import EmulatorSettings, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    settings = EmulatorSettings(time_scale=0.01)
    key = {"authorization": f"Bearer {settings.api_key}"}
    async with running(settings) as url, httpx2.AsyncClient(base_url=url, headers=key) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="module")
async def http(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Give a client with a good key, and an emulator that starts over."""
    (await client.post("/emulator/reset")).raise_for_status()
    return client


async def test_a_sandbox_that_fails_answers_400_and_exists(http: httpx2.AsyncClient) -> None:
    await http.put("/emulator/faults", json={"sandbox_error": 1})

    answer = await http.post("/api/sandbox", json={"name": "box"})

    sandbox = (await http.get("/api/sandbox/box")).json()
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        f"Sandbox failed to start: {sandbox['errorReason']}",
    )
    assert sandbox["state"] == "error"


async def test_a_name_that_is_taken_is_refused_in_daytonas_words(http: httpx2.AsyncClient) -> None:
    await http.post("/api/volumes", json={"name": "data"})
    await http.post("/api/sandbox", json={"name": "box"})

    volume = await http.post("/api/volumes", json={"name": "data"})
    sandbox = await http.post("/api/sandbox", json={"name": "box"})

    assert volume.status_code == 400
    assert list(volume.json()) == ["path", "timestamp", "statusCode", "error", "message"]
    assert volume.json()["message"] == "Volume with name data already exists"
    assert (sandbox.status_code, sandbox.json()["message"]) == (409, "Sandbox with name box already exists")


async def test_who_loses_the_race_for_a_volumes_name_is_answered_500(http: httpx2.AsyncClient) -> None:
    await http.put("/emulator/faults", json={"name_race": 0.3})

    answers = await asyncio.gather(*(http.post("/api/volumes", json={"name": "data"}) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 500, 500]
    assert "An unexpected error occurred." in [answer.json().get("message") for answer in answers]
    assert len((await http.get("/api/volumes")).json()) == 1


async def test_lists_filter_by_label_and_come_in_pages(http: httpx2.AsyncClient) -> None:
    for name, team in (("one", "a"), ("two", "b"), ("three", "a")):
        await http.post("/api/sandbox", json={"name": name, "labels": {"team": team, "x": "y"}})

    team_a = {"labels": '{"team": "a"}', "limit": "1"}
    first = (await http.get("/api/sandbox", params=team_a)).json()
    second = (await http.get("/api/sandbox", params={**team_a, "cursor": first["nextCursor"]})).json()
    numbered = (await http.get("/api/sandbox/paginated", params={"limit": "2", "page": "2"})).json()

    assert [item["name"] for item in first["items"]] == ["one"]
    assert [item["name"] for item in second["items"]] == ["three"]
    assert second["nextCursor"] is None
    assert "env" not in first["items"][0]
    assert (numbered["total"], numbered["totalPages"], len(numbered["items"])) == (3, 2, 1)


async def test_labels_are_replaced(http: httpx2.AsyncClient) -> None:
    await http.post("/api/sandbox", json={"name": "box", "labels": {"old": "1"}})

    answer = await http.put("/api/sandbox/box/labels", json={"labels": {"new": "2"}})

    assert answer.json() == {"labels": {"new": "2"}}
    assert (await http.get("/api/sandbox/box")).json()["labels"] == {"new": "2"}


async def test_a_call_without_a_good_key_is_refused_and_counted(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/api/volumes", headers={"authorization": "Bearer wrong"})

    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")
    calls = (await http.get("/emulator/calls")).json()
    assert calls["calls"] == {"listVolumes": 1}


async def test_unknown_paths_are_404_inside_the_api_and_the_dashboard_outside(http: httpx2.AsyncClient) -> None:
    inside = await http.patch("/api/volumes?x=1")
    outside = await http.get("/volumes")

    assert (inside.status_code, inside.json()["message"]) == (404, "Cannot PATCH /api/volumes?x=1")
    assert (outside.status_code, outside.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_a_wrong_body_is_refused_with_every_complaint(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/api/sandbox", json={"cpu": "two", "volumes": [{"volumeId": "data"}]})

    assert answer.status_code == 400
    assert answer.json()["message"] == "cpu must be a number, volumes.0.mountPath should not be empty"


async def test_an_injected_error_answers_503_and_does_nothing(http: httpx2.AsyncClient) -> None:
    await http.put("/emulator/faults", json={"api_error": 1, "operations": ["createVolume"]})

    answer = await http.post("/api/volumes", json={"name": "data"})

    assert answer.status_code == 503
    assert (await http.get("/api/volumes")).json() == []


async def test_a_lost_reply_acts_and_is_counted(http: httpx2.AsyncClient) -> None:
    await http.put("/emulator/faults", json={"lost_reply": 1, "operations": ["createVolume"]})

    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post("/api/volumes", json={"name": "data"})

    assert (await http.get("/api/volumes/by-name/data")).status_code == 200
    calls = (await http.get("/emulator/calls")).json()
    assert calls["calls"] == {"createVolume": 1, "getVolumeByName": 1}
    assert [call["status"] for call in calls["log"]] == [0, 200]


async def test_wrong_faults_and_endpoints_are_refused_and_change_nothing(http: httpx2.AsyncClient) -> None:
    before = (await http.get("/emulator/faults")).json()

    faults = await http.put("/emulator/faults", json={"drop": 2, "dorp": 1})
    endpoints = await http.put("/emulator/endpoints", json=[{"url": "http://x", "secret": "?"}])

    assert [problem["loc"] for problem in faults.json()["errors"]] == [["drop"], ["dorp"]]
    assert (faults.status_code, endpoints.status_code) == (400, 400)
    assert (await http.get("/emulator/faults")).json() == before
