"""One resource, whatever is lost on the way: find-or-create against an API that misbehaves on purpose."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from calling import KEY, answering, emulated, reply

from reactor.apis.create import Created
from reactor.emulator import EmulatorSettings
from reactor.errors import GateClosed, PermanentError, TemporaryError

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
VOLUME = {"id": "v1", "name": "data", "state": "ready", "createdAt": "2026-11-22T12:00:05.000Z", "errorReason": None}
ABSENT = reply(404, {"message": "not found"}, Date="Sun, 22 Nov 2026 12:00:05 GMT")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, EmulatorSettings().api_key)


@dataclass
class Job:
    """A claim in memory: what the ledger would answer are fields, and jobs of one `holders` share their locks."""

    id: str = "row1"
    absent_at: datetime | None = None
    holders: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> tuple[str, str]:
        return "reactor/test", self.id

    async def lock(self, name: str) -> datetime | None:
        if self.holders.setdefault(name, self.id) != self.id:
            raise TemporaryError(f"job {self.holders[name]} is creating {name} now")
        return self.absent_at

    async def note_absent(self, at: datetime) -> None:
        self.absent_at = at

    async def spend(self) -> None:
        pass


# --- made once --------------------------------------------------------------------------------------------------------


async def test_a_sandbox_is_created_once_and_carries_our_label_beside_its_own() -> None:
    async with emulated() as api:
        job = Job()

        first = await api.create("createSandbox", job, name="box", labels={"team": "a"})
        again = await api.create("createSandbox", job, name="box", labels={"team": "a"})

        [sandbox] = await api.all("sandboxes")
        assert (first.how, again.how) == ("created", "adopted")
        assert first.resource["id"] == again.resource["id"] == sandbox["id"]
        assert sandbox["labels"] == {"team": "a", "reactor/test": "row1"}
        assert (await api.calls())["createSandbox"] == 1


async def test_a_volume_is_created_once_though_it_takes_no_label() -> None:
    async with emulated() as api:
        job = Job()

        first = await api.create("createVolume", job, name="data")
        again = await api.create("createVolume", job, name="data")

        assert (first.how, again.how) == ("created", "adopted")
        assert (await api.calls())["createVolume"] == 1


@pytest.mark.parametrize(("operation", "kind"), [("createSandbox", "sandboxes"), ("createVolume", "volumes")])
async def test_a_lost_reply_ends_in_one_resource(operation: str, kind: str) -> None:
    async with emulated(lost_reply=1.0, operations=(operation,)) as api:
        created = await api.create(operation, Job(), name="it")

        [resource] = await api.all(kind)
        assert (created.how, created.resource["id"]) == ("adopted", resource["id"])
        assert (await api.calls())[operation] == 1


async def test_nothing_is_asked_for_while_nobody_can_look() -> None:
    async with emulated(lost_reply=1.0) as api:
        job = Job()

        with pytest.raises(TemporaryError, match="getVolumeByName: the reply was lost"):
            await api.create("createVolume", job, name="data")

        assert "createVolume" not in await api.calls()
        assert job.absent_at is None


async def test_two_jobs_that_create_one_volume_take_turns() -> None:
    async with emulated(name_race=0.2) as api:
        holders: dict[str, str] = {}
        jobs = [Job("row1", holders=holders), Job("row2", holders=holders)]

        results = await asyncio.gather(
            *(api.create("createVolume", job, name="data") for job in jobs), return_exceptions=True
        )

        [made, told_to_wait] = results
        assert isinstance(made, Created)
        assert isinstance(told_to_wait, TemporaryError)
        assert list(holders) == ["create:daytona:volume:data"]
        assert len(await api.all("volumes")) == 1


async def test_two_creates_of_a_volume_at_once_end_in_one_volume() -> None:
    async with emulated(name_race=0.2) as api:
        results = await asyncio.gather(*(api.create("createVolume", Job(id), name="data") for id in ("row1", "row2")))

        [volume] = await api.all("volumes")
        assert sorted(created.how for created in results) == ["adopted", "created"]
        assert {created.resource["id"] for created in results} == {volume["id"]}


async def test_a_lost_create_that_did_not_act_is_tried_again() -> None:
    async with answering(ABSENT, b"", ABSENT) as (api, asked):
        with pytest.raises(TemporaryError, match="no volume 'data' is there yet"):
            await api.create("createVolume", Job(), name="data")

        assert asked == ["GET /volumes/by-name/data", "POST /volumes", "GET /volumes/by-name/data"]


async def test_the_answer_of_a_create_is_the_apis_own_or_what_its_document_promises() -> None:
    made = VOLUME | {"createdAt": datetime.now(UTC).isoformat()}
    async with answering(ABSENT, reply(201, made, Location="/volumes/v1")) as (api, _):
        created = await api.create("createVolume", Job(), name="data")
    async with answering(reply(200, made)) as (api, _):
        adopted = await api.create("createVolume", Job(absent_at=LONG_AGO), name="data")

    assert (created.how, created.reply.status, created.reply.headers["location"]) == ("created", 201, "/volumes/v1")
    assert (adopted.how, adopted.reply.status) == ("adopted", 200)
    assert adopted.reply.headers == {"content-type": "application/json"}
    assert created.resource == adopted.resource == made


async def test_a_name_that_is_said_to_be_taken_by_nobody_is_tried_again() -> None:
    taken = reply(400, {"message": "Volume with name data already exists"})
    async with answering(ABSENT, taken, ABSENT) as (api, _):
        with pytest.raises(TemporaryError, match="already exists; no volume 'data' is there yet") as error:
            await api.create("createVolume", Job(), name="data")

        assert error.value.status == 400


# --- whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["createSandbox", "createVolume"])
async def test_what_somebody_else_made_is_refused_by_its_id_or_used_on_request(operation: str) -> None:
    async with emulated() as api:
        theirs = await api.call(operation, {"name": "it"})

        with pytest.raises(PermanentError, match=r"choose another name, or say `if_exists: use`") as refused:
            await api.create(operation, Job(), name="it")
        used = await api.create(operation, Job(), name="it", if_exists="use")

        assert theirs["id"] in str(refused.value)
        assert (used.how, used.resource["id"]) == ("used", theirs["id"])
        assert (await api.calls())[operation] == 1


async def test_a_sandbox_of_another_job_is_not_ours() -> None:
    async with emulated() as api:
        await api.create("createSandbox", Job("row1"), name="box")

        with pytest.raises(PermanentError, match="was not made by this job"):
            await api.create("createSandbox", Job("row2", absent_at=LONG_AGO), name="box")


@pytest.mark.parametrize(
    ("created", "ours"),
    [
        ("2026-11-22T12:00:05.000Z", True),
        ("2026-11-22T12:00:06.123+00:00", True),
        ("2026-11-22T12:00:04.999Z", False),
        ("2026-11-22T12:00:06", False),
        ("soon", False),
        (None, False),
        (1_795_000_000, False),
    ],
)
async def test_a_volume_is_ours_if_it_was_made_after_it_was_seen_absent(created: Any, ours: bool) -> None:
    job = Job(absent_at=datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC))
    async with answering(reply(200, VOLUME | {"createdAt": created})) as (api, _):
        result = await api.create("createVolume", job, name="data", if_exists="use")

    assert result.how == ("adopted" if ours else "used")


async def test_absence_is_dated_by_the_apis_clock_before_anything_is_asked_for() -> None:
    job = Job()
    async with answering(ABSENT, reply(400, {"message": "no"})) as (api, _):
        with pytest.raises(PermanentError, match="createVolume answered 400: no"):
            await api.create("createVolume", job, name="data")

    assert job.absent_at == datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("date", ["yesterday", "Sun, 99999999999999999999 Nov 2026 12:00:05 GMT", ""])
async def test_a_look_without_a_usable_date_is_dated_by_our_clock(date: str) -> None:
    job, before = Job(), datetime.now(UTC)
    async with answering(reply(404, Date=date), reply(200, VOLUME)) as (api, _):
        await api.create("createVolume", job, name="data")

    assert job.absent_at is not None
    assert before <= job.absent_at <= datetime.now(UTC)


@pytest.mark.parametrize("content", [b"", None, [], "text"])
async def test_a_look_that_shows_nothing_is_no_proof_of_absence(content: Any) -> None:
    async with answering(reply(200, content)) as (api, asked):
        with pytest.raises(PermanentError, match="getVolumeByName answered 200 without a resource"):
            await api.create("createVolume", Job(), name="data")

    assert len(asked) == 1


# --- what can't be made -----------------------------------------------------------------------------------------------


async def test_a_sandbox_that_failed_ends_the_job_with_its_reason() -> None:
    async with emulated(sandbox_error=1.0) as api:
        with pytest.raises(PermanentError, match="Failed to start the container"):
            await api.create("createSandbox", Job(), name="box")


async def test_a_failed_sandbox_whose_reply_was_lost_ends_the_job_with_its_reason_too() -> None:
    async with emulated(sandbox_error=1.0, lost_reply=1.0, operations=("createSandbox",)) as api:
        with pytest.raises(PermanentError, match="the sandbox 'box' is error: Failed to start the container"):
            await api.create("createSandbox", Job(), name="box")

        assert len(await api.all("sandboxes")) == 1


async def test_a_failed_resource_is_refused_once_it_is_found_and_no_other_is_made() -> None:
    failed = VOLUME | {"state": "error", "errorReason": "Failed to create the bucket"}
    async with answering(reply(200, failed)) as (api, asked):
        with pytest.raises(PermanentError, match="the volume 'data' is error: Failed to create the bucket"):
            await api.create("createVolume", Job(absent_at=LONG_AGO), name="data")

    assert asked == ["GET /volumes/by-name/data"]


async def test_a_volume_that_is_not_ready_yet_is_waited_for() -> None:
    async with emulated(time_scale=10.0) as api:
        volume = await api.call("createVolume", {"name": "data"})

        with pytest.raises(TemporaryError, match="is not in a ready state"):
            await api.create(
                "createSandbox", Job(), name="box", volumes=[{"volumeId": volume["id"], "mountPath": "/data"}]
            )

        assert await api.all("sandboxes") == []


async def test_a_request_that_is_refused_as_such_needs_no_second_look() -> None:
    async with emulated() as api:
        with pytest.raises(PermanentError, match="Cannot specify Sandbox resources when using a snapshot"):
            await api.create("createSandbox", Job(), name="box", snapshot="base", cpu=2)

        assert await api.calls() == {"getSandbox": 1, "createSandbox": 1}


async def test_a_body_that_its_schema_refuses_is_not_sent() -> None:
    async with emulated() as api:
        with pytest.raises(PermanentError, match=r"createVolume was not called: body\.name: found an integer"):
            await api.create("createVolume", Job(), name=5)

        assert "createVolume" not in await api.calls()


async def test_a_success_that_shows_no_resource_is_looked_into() -> None:
    made = {"id": "v1", "name": "data", "state": "pending_create", "createdAt": "2999-01-01T00:00:00Z"}
    absent = reply(404, {"message": "Volume 'data' not found"})
    async with answering(absent, reply(200, ["surprise"]), reply(200, made)) as (api, asked):
        created = await api.create("createVolume", Job(), name="data")

    assert (created.how, created.resource["id"]) == ("adopted", "v1")
    assert asked == ["GET /volumes/by-name/data", "POST /volumes", "GET /volumes/by-name/data"]


async def test_a_closed_gate_ends_the_attempt_without_a_second_look() -> None:
    limited = reply(429, {"message": "Too Many Requests"}, Retry_After_sandbox_create="12")
    async with answering(ABSENT, limited) as (api, asked):
        with pytest.raises(GateClosed) as closed:
            await api.create("createSandbox", Job(), name="box")

    assert closed.value.delay == 12.0
    assert asked == ["GET /sandbox/box", "POST /sandbox"]
