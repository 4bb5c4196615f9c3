"""The faults, as declared: what is done, how stock RQ and the reactor suffer it, and what can't be caused on one machine."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.faults import jobs, ours, stock
from bench.faults import ours_causes as our
from bench.faults import stock_causes as rq
from reactor.embedded import Fsync

FAST, LEASE = 85.0, 100.0
"""Seconds after which what has not happened never will: RQ's shortest time to live is a minute and its worker_ttl."""

DONE = ours.ended()

NEW_OWNER = 80.0
"""Seconds for which an end is watched that RQ's maintenance may undo."""


@dataclass(frozen=True)
class Stock:
    """Stock RQ's side; `twice`: without retries, and with three."""

    cause: stock.Cause
    judge: stock.Judge
    twice: bool = True


@dataclass(frozen=True)
class Ours:
    """The reactor's side."""

    cause: ours.Cause
    judge: ours.Judge = DONE


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    name: str
    what: str
    stock: Stock
    ours: Ours
    fsync: Fsync = "everysec"


def _job(cause: stock.Cause, watch: float = FAST, *, settle: float = 0.0) -> Stock:
    return Stock(cause, stock.ended(watch, settle=settle))


def _once(cause: stock.Cause, judge: stock.Judge) -> Stock:
    return Stock(cause, judge, twice=False)


FAULTS = (
    Fault(
        "horse",
        "the process that performs a job is killed after its effect",
        _job(stock.one_job(jobs.dies)),
        Ours(ours.killed("worker.after_call")),
    ),
    Fault(
        "unsaved",
        "killed after the effect, before its end is saved",
        _job(stock.one_job(victim={"twist": "unsaved"})),
        Ours(ours.killed("worker.after_call")),
    ),
    Fault(
        "prepared",
        "killed when the job is started, and still where it was taken to",
        _job(stock.one_job_struck("prepared"), settle=NEW_OWNER),
        Ours(ours.killed("worker.after_claim")),
    ),
    Fault(
        "orphan",
        "the worker alone is killed, its job lasts 3 s",
        _job(stock.one_job(jobs.is_orphaned, 3.0), settle=NEW_OWNER),
        Ours(ours.killed("worker.after_call")),
    ),
    Fault(
        "long orphan",
        "the worker alone is killed, its job lasts longer than its time to live",
        _job(stock.one_job(jobs.is_orphaned, 75.0), 160.0),
        Ours(ours.killed("worker.after_call")),
    ),
    Fault(
        "container",
        "the whole container is killed after the effect",
        _job(stock.one_job(jobs.takes_all_along)),
        Ours(ours.killed("worker.after_call")),
    ),
    Fault(
        "popped",
        "killed between taking the job and starting it",
        _job(stock.one_job_struck("popped")),
        Ours(ours.killed("worker.after_pop")),
    ),
    Fault(
        "two queues",
        "the same, worker on two queues",
        _job(stock.one_job_struck("popped", queues=2), 105.0),
        Ours(ours.killed("worker.after_pop")),
    ),
    Fault(
        "paused",
        "worker and job stand still for longer than their time to live, and go on",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.paused(75.0), heir=False), settle=10.0),
        Ours(ours.held("work-1", "worker.after_call", our.stands_still(20.0))),
    ),
    Fault(
        "no persistence",
        "the server is killed; it keeps no file",
        _once(rq.without_file(rq.server_killed), rq.lost),
        Ours(our.not_persistent, our.said),
    ),
    Fault(
        "everysec",
        "the server is killed, `appendfsync everysec`",
        _once(rq.server_killed, rq.lost),
        Ours(our.server_killed, our.said),
    ),
    Fault(
        "always",
        "the server is killed, `appendfsync always`",
        _once(rq.server_killed, rq.lost),
        Ours(our.server_killed, our.said),
        fsync="always",
    ),
    Fault(
        "down in the middle",
        "the server can't be reached for 3 s in the middle of a job",
        _job(stock.one_job(jobs.lasts, 6.0, harm=rq.down(3.0))),
        Ours(ours.in_hand(our.down(3.0), lasts=6.0)),
    ),
    Fault(
        "down at the end",
        "… for 2 s when the job ends",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.after(1.0, rq.down(2.0)))),
        Ours(ours.in_hand(our.down(3.0), lasts=2.0)),
    ),
    Fault(
        "down for long",
        "… for 20 s when the job ends",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.after(1.0, rq.down(20.0)))),
        Ours(ours.in_hand(our.down(20.0), lasts=2.0)),
    ),
    Fault(
        "save unanswered",
        "the reply that the end is saved is lost",
        _job(stock.one_job(victim={"twist": "save unanswered"}), settle=NEW_OWNER),
        Ours(ours.held("work-1", "worker.after_call", our.replies_lost)),
    ),
    Fault(
        "save cut",
        "the connection dies before the end is saved",
        _job(stock.one_job(victim={"twist": "save cut"}), settle=NEW_OWNER),
        Ours(ours.held("work-1", "worker.after_call", our.connections_cut)),
    ),
    Fault(
        "enqueue unanswered",
        "the reply to the enqueue is lost",
        _job(rq.enqueue_unanswered, settle=5.0),
        Ours(ours.held("dispatch-1", "dispatch.after_plan", our.replies_lost)),
    ),
    Fault(
        "pop unanswered",
        "the reply that brings the job is lost",
        _job(stock.one_job_struck("pop unanswered")),
        Ours(ours.held("dispatch-1", "dispatch.after_enqueue", our.replies_lost)),
    ),
    Fault(
        "frozen",
        "the server stands still for 30 s in the middle of a job",
        _job(stock.one_job(jobs.lasts, 3.0, harm=rq.frozen(30.0))),
        Ours(ours.in_hand(our.frozen(30.0), lasts=3.0)),
    ),
    Fault(
        "full",
        "the server's memory is full for 15 s when the job ends",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.setting("maxmemory", "1", "0", 15.0))),
        Ours(ours.in_hand(our.setting("maxmemory", "1", "0", 15.0), lasts=2.0)),
    ),
    Fault(
        "read-only",
        "the server takes no writes for 10 s when the job ends",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.a_replica(10.0))),
        Ours(ours.in_hand(our.a_replica(10.0), lasts=2.0)),
    ),
    Fault(
        "scripts",
        "the server forgets its scripts in the middle of a job",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.scripts_flushed)),
        Ours(ours.in_hand(our.scripts_flushed, lasts=2.0)),
    ),
    Fault(
        "everything",
        "the server forgets everything in the middle of a job",
        _job(stock.one_job(jobs.lasts, 2.0, harm=rq.all_flushed), settle=5.0),
        Ours(ours.in_hand(our.all_flushed, lasts=2.0)),
    ),
    Fault(
        "clock",
        "another worker's clock is an hour ahead",
        _job(stock.one_job(jobs.lasts, 20.0, successor={"twist": "ahead"}), settle=25.0),
        Ours(ours.in_hand(our.clock_ahead, lasts=10.0)),
    ),
    Fault(
        "told to end",
        "the worker is told to end in the middle of a job",
        _job(stock.one_job(jobs.lasts, 4.0, harm=rq.told_to_end())),
        Ours(ours.in_hand(our.told_to_end())),
    ),
    Fault(
        "told twice",
        "… is told twice",
        _job(stock.one_job(jobs.lasts, 6.0, harm=rq.told_to_end(times=2))),
        Ours(ours.in_hand(our.told_to_end(2))),
    ),
    Fault(
        "all told",
        "all its processes are told to end, as systemd does",
        _job(stock.one_job(jobs.lasts, 4.0, harm=rq.told_to_end(group=True))),
        Ours(ours.in_hand(our.told_to_end())),
    ),
    Fault(
        "too long",
        "the job takes longer than its timeout, after its effect (the reactor's: the API does not answer)",
        _job(stock.one_job(jobs.lasts, 60.0, timeout=3)),
        Ours(ours.in_hand(our.nothing, lasts=300.0)),
    ),
    Fault(
        "swallowed",
        "… and takes the timeout for any other exception",
        _job(stock.one_job(jobs.swallows, 20.0, timeout=3)),
        Ours(ours.in_hand(our.nothing, lasts=300.0)),
    ),
    Fault(
        "deaf",
        "… in a call of C",
        _job(stock.one_job(jobs.is_deaf, 100.0, timeout=3), 100.0),
        Ours(ours.in_hand(our.nothing, lasts=300.0)),
    ),
    Fault(
        "poison",
        "the job kills whoever performs it, each time",
        _job(stock.one_job(jobs.poisons)),
        Ours(our.poison),
    ),
    Fault(
        "given again",
        "the same job is given again when it was done and its result is forgotten",
        _once(rq.given_again, rq.counted),
        Ours(our.given_again),
    ),
    Fault(
        "dependent",
        "a job depends on one that fails",
        _once(rq.dependent, stock.ended(15.0)),
        Ours(our.chained),
    ),
    Fault(
        "readers",
        "eight programs look at the registry of an abandoned job at once",
        Stock(rq.read_by_many, rq.queued_and_run),
        Ours(our.looked_at, our.said),
    ),
    Fault(
        "rq info",
        "`rq info` looks at an abandoned job",
        _once(rq.looked_at, rq.changed),
        Ours(our.looked_at, our.said),
    ),
    Fault(
        "scheduler",
        "who keeps the schedule is killed before a job is due in 5 s (the reactor's: while a timer acts)",
        _once(rq.scheduler_killed, stock.ended(110.0)),
        Ours(our.timer_killed, our.said),
    ),
    Fault(
        "broken schedule",
        "an entry of the schedule has nothing in it",
        _once(rq.broken_entry, stock.ended(60.0)),
        Ours(our.broken_entries),
    ),
    Fault(
        "broken job",
        "a job before it in the queue can't be read",
        _once(rq.broken_job, rq.deaths(stock.ended(40.0))),
        Ours(our.broken_entries),
    ),
    Fault(
        "same name",
        "an idle worker is killed and started again under its name",
        _once(rq.same_name, rq.deaths(stock.ended(100.0))),
        Ours(our.idle_killed),
    ),
    Fault(
        "command",
        "somebody put a job into the queue that runs a command, as JSON",
        _once(rq.foreign(rq.COMMAND, as_json=True), rq.ran),
        Ours(our.foreign(lambda: rq.COMMAND), our.said),
    ),
    Fault(
        "pickle",
        "… as a pickle",
        _once(rq.foreign(rq.pickled(), as_json=False), rq.ran),
        Ours(our.foreign(rq.pickled), our.said),
    ),
    Fault(
        "huge",
        "a job of 200 KiB that is 200 MiB once it is unpacked",
        _once(rq.huge, rq.memory),
        Ours(our.foreign(lambda: rq.bomb("")), our.said),
    ),
)

NOT_CAUSED: Mapping[str, str] = {
    "power failing between a write and its fsync": (
        "needs the power cut, or a disk that lies; what a killed server wrote is in the kernel already. With `everysec` up to "
        "two seconds of what was acknowledged are gone then, with `always` nothing"
    ),
    "the kernel ends who takes too much memory": "it sends SIGKILL, which the rows above do",
    "a failover to a replica that has not everything": "needs a second machine to be lost; nothing is promised then",
    "a network that swallows packets between machines": "proxies do that in `make crash`",
}
