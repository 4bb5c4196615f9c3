"""The provider file: paths into JSON, recognised answers, and what an event says of a resource."""

from typing import Any

import pytest
from pydantic import ValidationError

from reactor.apis.provider import FAST_CLOCK, Answer, Provider, look, put
from reactor.events import Event, Sighting

ACCEPTED = 1_795_000_000_000
PROVIDER: dict[str, Any] = {
    "openapi": "x.json",
    "server": "https://api.example.com",
    "resources": {
        "volume": {
            "read": "getVolume",
            "settled": ["ready", "error"],
            "failed": ["error"],
            "terminal": ["deleted"],
            "events": {
                "volume.created": {"state": "$.state"},
                "volume.state.updated": {"state": "$.newState", "from": "$.oldState"},
                "volume.removed": {"state": "deleted", "id": "$.volume.id"},
            },
        }
    },
}


def sighting(type: str, data: dict[str, Any], time: int | None = None) -> Sighting | None:
    event = Event("msg_1", "daytona", type, "org", data, time=time, received=None)
    return Provider.model_validate(PROVIDER).sighting(event, accepted=ACCEPTED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.id", 1),
        ("$.labels.team", "a"),
        ("$.labels.reactor/x", "row"),
        ("$.gone", None),
        ("$.id.deeper", None),
        ("$.labels.gone.deeper", None),
        ("constant", "constant"),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, value: Any) -> None:
    assert look(path, {"id": 1, "labels": {"team": "a", "reactor/x": "row"}}) == value


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_nothing_is_found_in_what_is_no_object(data: Any) -> None:
    assert look("$.id", data) is None


def test_a_value_is_put_into_a_copy_and_its_neighbours_stay() -> None:
    body = {"name": "x", "labels": {"team": "a"}}

    changed = put("$.labels.reactor/x", body, "row")

    assert changed == {"name": "x", "labels": {"team": "a", "reactor/x": "row"}}
    assert body == {"name": "x", "labels": {"team": "a"}}


@pytest.mark.parametrize("present", [None, "text", []])
def test_objects_on_the_way_are_made(present: Any) -> None:
    assert put("$.a.b", {"a": present}, 1) == {"a": {"b": 1}}
    assert put("$.a.b", {}, 1) == {"a": {"b": 1}}


@pytest.mark.parametrize("path", ["$", "$.", "$..a", "$.a.", "$a", "id", "", ".id"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    wrong = {**PROVIDER, "resources": {"volume": {"read": "getVolume", "id": path}}}

    with pytest.raises(ValidationError, match="expected a path like"):
        Provider.model_validate(wrong)


@pytest.mark.parametrize("state", ["$state", "$.", "$"])
def test_a_state_that_looks_like_a_path_must_be_one(state: str) -> None:
    wrong = {**PROVIDER, "resources": {"volume": {"read": "getVolume", "events": {"e": {"state": state}}}}}

    with pytest.raises(ValidationError, match="expected a path like"):
        Provider.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "ftp://api.example.com"},
        {"server": "api.example.com"},
        {"timeout": 0},
        {"tiemout": 5},
        {"transient": [{"status": 42}]},
        {"resources": {"volume": {"read": "r", "find": {"a": {}, "b": {}}}}},
    ],
)
def test_a_provider_file_of_the_wrong_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Provider.model_validate({**PROVIDER, **wrong})


def test_an_answer_is_recognised_by_status_and_words_in_any_case() -> None:
    taken = Answer(status=409, message="Already exists")

    assert taken.recognises(409, "Volume x already EXISTS")
    assert not taken.recognises(400, "Volume x already exists")
    assert not taken.recognises(409, "in use")
    assert Answer(status=500).recognises(500, "anything")


def test_an_event_says_what_its_file_announces() -> None:
    data = {"id": "v1", "name": "data", "oldState": "creating", "newState": "ready"}

    seen = sighting("volume.state.updated", data, time=5)

    assert seen == Sighting("volume", "v1", "data", "ready", at=5, guarded=True, terminal=0, settled=1)


def test_a_time_from_the_future_counts_as_a_little_ahead() -> None:
    data = {"id": "t-1", "name": "n", "newState": "on", "oldState": "off"}

    seen = sighting("volume.state.updated", data, time=ACCEPTED + 86_400_000)

    assert seen is not None
    assert seen.at == ACCEPTED + FAST_CLOCK


def test_a_constant_state_and_an_id_elsewhere_are_announced_too() -> None:
    seen = sighting("volume.removed", {"volume": {"id": "v1"}})

    assert seen == Sighting("volume", "v1", None, "deleted", at=ACCEPTED, guarded=False, terminal=1, settled=0)


@pytest.mark.parametrize("odd", [None, 5, "", [], {"a": 1}])
def test_an_id_a_name_or_a_state_that_is_no_text_says_nothing(odd: Any) -> None:
    seen = sighting("volume.created", {"id": odd, "name": odd, "state": odd})

    assert seen == Sighting("volume", None, None, None, at=ACCEPTED, guarded=False, terminal=0, settled=0, birth=True)


def test_an_event_that_nobody_announced_is_about_no_resource() -> None:
    assert sighting("volume.renamed", {"id": "v1"}) is None
    assert sighting("", {"id": "v1"}) is None
