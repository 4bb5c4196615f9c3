"""The state table in memory says of every event what the script at the server says."""

import time

from conftest import Opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from reactor.events import Sighting
from reactor.rehearsal.table import Table
from reactor.store.resources import Observation

HOUR = 3_600_000

SIGHTINGS = st.builds(
    Sighting,
    kind=st.just("volume"),
    id=st.sampled_from(["one", "two", None]),
    name=st.sampled_from(["a", "b", None]),
    state=st.sampled_from(["creating", "ready", "error", "deleted", None]),
    at=st.sampled_from([-400 * 24 * HOUR, -3 * HOUR, -2 * HOUR, -HOUR, 0]),
    guarded=st.booleans(),
    terminal=st.just(0),
    settled=st.just(0),
    birth=st.booleans(),
)
EVENTS = st.lists(st.tuples(st.integers(0, 30), SIGHTINGS | st.none()), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
async def test_every_event_gets_the_verdict_that_the_server_gives_it(
    opened: Opened, redis: Redis, events: list[tuple[int, Sighting | None]]
) -> None:
    redis.flushall()
    now = int(time.time() * 1000)
    table = Table(int(opened.settings.dedup_window * 1000))

    for number, (meaning, said) in enumerate(events):
        sighting = said and _dated(said, now)
        [verdict] = await opened.store.resources.observe([Observation(f"{number}-0", "s", str(meaning), sighting)])

        assert table.observe("s", str(meaning), sighting, now) == verdict


def _dated(said: Sighting, now: int) -> Sighting:
    return Sighting(
        said.kind,
        said.id,
        said.name,
        said.state,
        now + said.at,
        said.guarded,
        int(said.state == "deleted"),
        int(said.state in ("ready", "error")),
        said.birth,
    )
