"""What the server must be before anything is stored, and what happens while it can't write."""

import resource
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import Opened
from e2e.process import eventually as appears
from redis import Redis
from stage import append, claimed, eventually, new_row, planned, volume
from structlog.testing import capture_logs

from reactor.due import DuePoller
from reactor.embedded import EmbeddedServer
from reactor.errors import ConfigError, SchemaError, StoreError, StoreUnavailable
from reactor.queue import JobQueue, Ticket
from reactor.settings import Settings
from reactor.store.client import connect
from reactor.store.figures import read_figures
from reactor.store.keys import SCHEMA
from reactor.store.ledger import Ending
from reactor.store.plans import NewRow
from reactor.store.resources import Observation
from reactor.store.store import Store

pytestmark = pytest.mark.every_server


@contextmanager
def configured(redis: Redis, **options: Any) -> Iterator[None]:
    """The server with other options, for as long as the context lasts."""
    before: dict[str, Any] = {name: redis.config_get(name)[name] for name in options}
    try:
        for name, value in options.items():
            redis.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            redis.config_set(name, value)


@contextmanager
def full(redis: Redis) -> Iterator[None]:
    with configured(redis, maxmemory=1):
        yield


@contextmanager
def alone(redis: Redis) -> Iterator[None]:
    """A primary that must not write without a replica, and has none."""
    with configured(redis, **{"min-replicas-to-write": 1}):
        yield


@contextmanager
def replica(redis: Redis) -> Iterator[None]:
    """A replica of a primary that can't be reached."""
    try:
        redis.replicaof("127.0.0.1", "1")
        yield
    finally:
        redis.replicaof("NO", "ONE")


@contextmanager
def unsaved(redis: Redis) -> Iterator[None]:
    """A server whose snapshots fail, and that takes no writes therefore: something is in the way of the file."""
    directory: Any = redis.config_get("dir")
    obstacle = Path(directory["dir"]) / "dump.rdb" / "in the way"
    try:
        obstacle.mkdir(parents=True)
        with configured(redis, save="3600 1"):
            saved(redis, "err")
            yield
            shutil.rmtree(obstacle.parent)
            saved(redis, "ok")
    finally:
        shutil.rmtree(obstacle.parent, ignore_errors=True)
        obstacle.parent.unlink(missing_ok=True)


def saved(redis: Redis, status: str) -> None:
    """Take a snapshot and wait until it has ended so."""
    redis.bgsave()

    def over() -> bool:
        info: Any = redis.info("persistence")
        return not info["rdb_bgsave_in_progress"] and info["rdb_last_bgsave_status"] == status

    appears(over)


Unable = Callable[[Redis], AbstractContextManager[None]]

UNABLE: dict[str, Unable] = {"full": full, "alone": alone, "replica": replica, "unsaved": unsaved}


async def test_a_fit_server_is_recognised(opened: Opened) -> None:
    found = await opened.store.ready()

    assert found.name in ("valkey", "redis")
    assert found.version >= (7, 0)
    assert (found.problems, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [("appendonly", "no", "set `appendonly yes`"), ("maxmemory-policy", "allkeys-lru", "set `noeviction`")],
)
async def test_a_server_that_forgets_is_refused_with_the_remedy(
    opened: Opened, redis: Redis, option: str, value: str, remedy: str
) -> None:
    with configured(redis, **{option: value}), pytest.raises(StoreError, match=remedy):
        await opened.store.ready()

    await opened.store.ready()


async def test_a_server_that_may_lose_the_last_second_is_warned_of(opened: Opened, redis: Redis) -> None:
    with configured(redis, appendfsync="everysec"):
        found = await opened.store.ready()

    assert found.problems == ()
    assert "set `appendfsync always`" in found.warnings[0]


async def test_a_server_that_hides_its_configuration_is_refused_until_somebody_vouches_for_it(
    settings: Settings, redis: Redis
) -> None:
    redis.acl_setuser(
        "guest", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all", "-config"]
    )
    try:
        url = settings.redis_url.replace("unix://", "unix://guest:secret@")
        checked = Store(settings.model_copy(update={"redis_url": url}))
        declared = Store(settings.model_copy(update={"redis_url": url, "redis_durability": "declared"}))

        with pytest.raises(StoreError, match="REACTOR_REDIS_DURABILITY=declared"):
            await checked.ready()
        assert (await declared.ready()).warnings == ("AOF and noeviction are declared, not checked",)

        await checked.close()
        await declared.close()
    finally:
        redis.acl_deluser("guest")


async def test_a_user_who_may_not_write_is_unable_not_faulty(settings: Settings, redis: Redis) -> None:
    redis.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@read", "+@connection"])
    try:
        store = Store(settings.model_copy(update={"redis_url": settings.redis_url.replace("//", "//reader:secret@")}))

        with pytest.raises(StoreUnavailable):
            await store.log.join()
        with pytest.raises(StoreUnavailable):
            await store.ledger.claim(["row1"], "worker")

        await store.close()
    finally:
        redis.acl_deluser("reader")


async def test_a_wrong_password_is_unable_not_faulty(settings: Settings) -> None:
    url = settings.redis_url.replace("unix://", "unix://nobody:wrong@")
    store = Store(settings.model_copy(update={"redis_url": url}))

    with pytest.raises(StoreUnavailable):
        await store.ready()

    await store.close()


@pytest.mark.parametrize("layout", [str(SCHEMA + 1), "nonsense", "\xff"])
async def test_data_of_a_newer_reactor_is_refused(opened: Opened, redis: Redis, layout: str) -> None:
    redis.set(opened.store.keys.schema, layout)

    with pytest.raises(SchemaError, match="run the newer reactor"):
        await opened.store.ready()


async def test_the_layout_is_noted_at_the_first_start(opened: Opened, redis: Redis) -> None:
    assert redis.get("reactor:schema") == str(SCHEMA).encode()


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost", "redis:/x", "sentinel://user:hidden@host"])
def test_a_url_of_another_kind_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="must start with redis://") as refused:
        connect(url)

    assert "hidden" not in str(refused.value)


async def test_a_server_that_is_not_there_is_unable(settings: Settings, tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/nobody.sock", "redis://127.0.0.1:1"):
        store = Store(settings.model_copy(update={"redis_url": url}))
        with pytest.raises(StoreUnavailable):
            await store.ready()
        await store.close()


Write = Callable[[Opened], Awaitable[object]]

WRITES: dict[str, Write] = {
    "join": lambda o: o.store.log.join("another"),
    "append": lambda o: append(o, volume("ready")),
    "observe": lambda o: o.store.resources.observe([Observation("1-1", "daytona", "meaning", None)]),
    "plan": lambda o: planned(o, NewRow("row9", "rule", "call", "daytona", {})),
    "claim": lambda o: claimed(o, "row2"),
    "enqueue": lambda o: o.queue.enqueue([Ticket("row1", 1)]),
    "pop": lambda o: o.queue.pop("worker", 1),
    "refuse": lambda o: o.queue.refuse("job"),
    "beat": lambda o: o.queue.presence(ttl=5).beat(busy=False, done=0, failed=0),
    "close_gate": lambda o: o.store.brakes.close_gate("daytona", "why", 1),
}


FREES_MEMORY = {"claim", "pop"}
"""What a full server takes all the same: jobs that are performed make room, those that stand in the queue don't."""


@pytest.mark.parametrize(
    ("unable", "write"),
    [(unable, write) for unable in UNABLE for write in WRITES if unable != "full" or write not in FREES_MEMORY],
)
async def test_what_can_not_be_written_now_is_unable_and_works_afterwards(
    opened: Opened, redis: Redis, unable: str, write: str
) -> None:
    await planned(opened, new_row("row1"), new_row("row2"))

    with UNABLE[unable](redis), pytest.raises(StoreUnavailable):
        await WRITES[write](opened)

    await WRITES[write](opened)


@pytest.mark.parametrize("unable", [alone, replica, unsaved], ids=["alone", "replica", "unsaved"])
async def test_a_job_in_hand_can_not_be_ended_where_nothing_can_be_written(
    opened: Opened, redis: Redis, unable: Unable
) -> None:
    await planned(opened)
    row = await claimed(opened)

    with unable(redis):
        with pytest.raises(StoreUnavailable):
            await opened.store.ledger.renew(row)
        with pytest.raises(StoreUnavailable):
            await opened.store.ledger.finish(row, Ending("done"))
        with pytest.raises(StoreUnavailable):
            await opened.store.due.sweep(opened.queue.key)

    assert await opened.store.ledger.finish(row, Ending("done"))


async def test_151_a_full_disk_is_unable_not_faulty_and_over_when_there_is_room(
    server: EmbeddedServer, opened: Opened, redis: Redis
) -> None:
    """The server may write no byte more to its file. With `appendfsync always` it ends itself then, without lying."""
    await append(opened, volume("ready"), "msg_1")

    async def refused() -> bool:
        try:
            await append(opened, volume("ready"), f"msg_{uuid4().hex}")
        except StoreUnavailable as error:
            return "MISCONF" in str(error)
        return False

    with configured(redis, appendfsync="everysec"):
        with no_room(server):
            assert await eventually(refused)
            assert (await read_figures(opened.store)).log_length >= 1
        await eventually(lambda: appended(opened))


@contextmanager
def no_room(server: EmbeddedServer) -> Iterator[None]:
    """The server's files may not grow."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    try:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, hard))
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))


async def appended(opened: Opened) -> bool:
    """Whether an event can be taken now."""
    try:
        await append(opened, volume("ready"), "msg_2")
    except StoreUnavailable:
        return False
    return True


async def test_a_job_in_the_queue_is_taken_and_performed_though_memory_is_full(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    await opened.queue.enqueue([Ticket("row1")])

    with full(redis):
        assert await opened.queue.wait(1)
        [job] = await opened.queue.pop("worker", 1)
        row = await claimed(opened)
        assert await opened.store.ledger.lock(row, "sandbox:build-1") == (1, "")
        assert await opened.store.ledger.finish(row, Ending("done"))
        await opened.queue.remove([job.job_id])
        assert not await opened.queue.wait(1)


async def test_a_job_in_hand_is_ended_though_memory_is_full(opened: Opened, redis: Redis) -> None:
    await planned(opened)
    row = await claimed(opened)

    with full(redis):
        assert await opened.store.ledger.renew(row)
        assert await opened.store.ledger.finish(row, Ending("done"))
        await opened.queue.remove(["row1-0"])


@pytest.mark.parametrize("unable", UNABLE.values(), ids=UNABLE)
async def test_a_server_that_can_not_write_is_not_ready(opened: Opened, redis: Redis, unable: Unable) -> None:
    with unable(redis), pytest.raises(StoreError):
        await opened.store.ready()


@pytest.mark.parametrize("unable", UNABLE.values(), ids=UNABLE)
async def test_figures_can_be_read_where_nothing_can_be_written(opened: Opened, redis: Redis, unable: Unable) -> None:
    await append(opened, volume("ready"))

    with unable(redis):
        assert (await read_figures(opened.store)).log_length == 1


async def test_a_lost_connection_is_made_again(opened: Opened, redis: Redis) -> None:
    await append(opened, volume("ready"), "msg_1")
    redis.client_kill_filter(_type="normal", skipme=True)

    assert await eventually(lambda: appended(opened))


async def test_a_queue_of_its_own_connection_says_that_the_server_is_gone(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/nobody.sock"
    redis = connect(url)
    queue = JobQueue(url, "reactor", redis)

    for question in (queue.length(), queue.wait(1), queue.enqueue([Ticket("row1")]), queue.pop("worker", 1)):
        with pytest.raises(StoreUnavailable):
            await question

    queue.close()
    await redis.aclose()


async def test_a_server_that_is_nearly_full_is_warned_of_in_time(opened: Opened, redis: Redis) -> None:
    used: Any = redis.info("memory")
    assert (await opened.store.ready()).warnings == ()

    with configured(redis, maxmemory=int(used["used_memory"] * 1.3)):
        nearly_full = await opened.store.ready()
        figures = await read_figures(opened.store)
        with capture_logs() as logs:
            poller = DuePoller(opened.store, opened.queue)
            await poller.tidy()
            await poller.tidy()

    assert nearly_full.problems == ()
    assert "of maxmemory is used" in nearly_full.warnings[0]
    assert 0.7 < figures.memory.ratio < 1
    assert [line["event"] for line in logs].count("server not fully fit") == 1
