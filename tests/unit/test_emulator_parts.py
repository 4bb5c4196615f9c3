"""The emulator's parts that need no network: bodies, views, dice and the retry schedule."""

import pytest
from pydantic import ValidationError

from reactor.emulator import Endpoint, Faults
from reactor.emulator.bodies import Refused, parse
from reactor.emulator.commands import Outcome, run
from reactor.emulator.daytona.bodies import (
    CreateSandbox,
    CreateSnapshot,
    SandboxVolume,
    check_sandbox,
    check_snapshot,
)
from reactor.emulator.daytona.resources import Sandbox
from reactor.emulator.daytona.views import sandbox_dto, timestamp
from reactor.emulator.delivery import RETRY_PAUSES
from reactor.emulator.faults import Chance
from reactor.emulator.limits import Limit, Limits


def mounting(path: str) -> CreateSandbox:
    return CreateSandbox.model_validate({"volumes": (SandboxVolume(volumeId="data", mountPath=path),)})


@pytest.mark.parametrize("path", ["/data", "/data/", "/home/a.b/..c", "/library", "/devices/x"])
def test_a_harmless_mount_path_is_taken(path: str) -> None:
    check_sandbox(mounting(path))


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("data", "must be absolute"),
        ("", "must be absolute"),
        ("/", "cannot mount to the root directory"),
        ("//", "cannot mount to the root directory"),
        ("/data/../etc", "cannot contain relative path components"),
        ("/data/.", "cannot contain relative path components"),
        ("/data//x", "cannot contain consecutive slashes"),
        ("/etc", "cannot mount to system directory"),
        ("/lib64/x", "cannot mount to system directory"),
    ],
)
def test_a_bad_mount_path_is_refused_with_the_reason(path: str, complaint: str) -> None:
    with pytest.raises(Refused) as refused:
        check_sandbox(mounting(path))

    assert (refused.value.status, refused.value.message) == (400, f"Invalid mount path {path} ({complaint})")


def test_resources_beside_a_snapshot_are_refused() -> None:
    with pytest.raises(Refused, match="Cannot specify Sandbox resources when using a snapshot"):
        check_sandbox(parse(CreateSandbox, b'{"snapshot": "base", "cpu": 2}'))


@pytest.mark.parametrize(
    ("state", "desired_state", "shown"),
    [
        ("unknown", "started", "creating"),
        ("started", "stopped", "stopping"),
        ("stopped", "started", "starting"),
        ("stopped", "archived", "archiving"),
        ("started", "destroyed", "destroying"),
        ("started", "started", "started"),
        ("error", "destroyed", "error"),
    ],
)
def test_the_api_shows_a_state_derived_from_the_desired_one(state: str, desired_state: str, shown: str) -> None:
    sandbox = Sandbox(
        id="1",
        name="box",
        state=state,
        desired_state=desired_state,
        created_at=0,
        updated_at=0,
        spec=CreateSandbox(),
        volumes=(),
        labels={},
    )

    assert sandbox_dto(sandbox, "org", "toolbox")["state"] == shown


def test_times_look_like_javascripts() -> None:
    assert timestamp(1_800_000_000.5) == "2027-01-15T08:00:00.500Z"


def test_the_same_seed_throws_the_same_dice() -> None:
    chance = Chance(Faults(), seed=3)
    first = [chance.hits(0.5) for _ in range(50)]

    chance.put(Faults())

    assert [chance.hits(0.5) for _ in range(50)] == first
    assert {True, False} == set(first)


def test_a_fault_for_some_operations_spares_the_others() -> None:
    chance = Chance(Faults(operations=("createVolume",)), seed=0)

    assert chance.strikes("createVolume", 1)
    assert not chance.strikes("getVolume", 1)


def test_all_attempts_of_a_delivery_take_27_hours_35_minutes_and_5_seconds() -> None:
    assert len(RETRY_PAUSES) == 8
    assert sum(RETRY_PAUSES) == (27 * 60 + 35) * 60 + 5


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("", Outcome("\n", 0, 0)),
        ("echo 'a b'", Outcome("a b\n", 0, 0)),
        ("sleep 1.5 && sleep 2 && exit 7", Outcome("", 7, 3.5)),
        ("exit 1 && echo never", Outcome("", 1, 0)),
        ("sleep well", Outcome("sleep well\n", 0, 0)),
    ],
)
def test_a_command_line_has_a_foretold_outcome(line: str, outcome: Outcome) -> None:
    assert run(line) == outcome


def test_calls_over_a_limit_are_refused_and_count_for_every_throttler() -> None:
    limits = Limits({"authenticated": Limit(2), "sandbox-create": Limit(1)})
    first = limits.admit(("authenticated", "sandbox-create"))

    with pytest.raises(Refused) as refused:
        limits.admit(("authenticated", "sandbox-create"))

    assert first["X-RateLimit-Remaining-authenticated"] == "1"
    assert refused.value.headers["Retry-After-sandbox-create"] == "60"
    with pytest.raises(Refused):
        limits.admit(("authenticated",))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"name": "base"}', "Must specify either an image name or build info"),
        (b'{"name": "base", "imageName": "ubuntu:latest"}', 'Images with tag ":latest" are not allowed'),
    ],
)
def test_a_snapshot_needs_an_image_that_does_not_change(body: bytes, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        check_snapshot(parse(CreateSnapshot, body))


def test_a_sandbox_is_known_as_it_was() -> None:
    now = Sandbox(id="1", name="box", state="stopped", spec=CreateSandbox())
    then = Sandbox(id="1", name="box", state="started", spec=CreateSandbox())
    now.past = [(10.0, None), (20.0, then)]

    assert [now.as_of(at) for at in (5.0, 15.0, 25.0)] == [None, then, now]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_abcde", "not base64!"])
def test_an_endpoint_needs_a_secret_that_can_sign(secret: str) -> None:
    with pytest.raises(ValidationError):
        Endpoint("http://localhost/webhooks", secret)
