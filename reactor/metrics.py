"""The figures of `/metrics`. Owns their names; counts in this process, and reads what all processes share from Redis.

Reading changes no key.
"""

import time
from collections import Counter as Counted
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from reactor.queue import JobQueue, Standing
from reactor.store.figures import Figures, read_figures
from reactor.store.histogram import HISTOGRAM
from reactor.store.reconciles import Mark
from reactor.store.revisions import Process
from reactor.store.store import Store
from reactor.workflows.figures import REASONS

PROCESS = CollectorRegistry()
COUNTED = Counter(
    "reactor_deliveries",
    "Webhook deliveries, by source and what became of them.",
    ["source", "outcome"],
    registry=PROCESS,
)


class Deliveries:
    """What became of the deliveries that a process got: how many of each outcome, and when the last one came."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, tuple[int, int]]] = {}

    def count(self, source: str, outcome: str) -> None:
        """One came. The names of sources are those that are configured: strangers think up names without end."""
        COUNTED.labels(source, outcome).inc()
        outcomes = self._told.setdefault(source, {})
        count, _ = outcomes.get(outcome, (0, 0))
        outcomes[outcome] = count + 1, int(time.time() * 1000)

    def told(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """By source and outcome: how many, and when the last one came (ms since the epoch)."""
        return self._told


async def render_metrics(store: Store, queue: JobQueue) -> bytes:
    """All figures in Prometheus' text format. Raises StoreUnavailable."""
    shared = CollectorRegistry()
    shared.register(_Shared(await read_figures(store), await queue.standings()))
    return generate_latest(shared) + generate_latest(PROCESS)


def render_process_metrics() -> bytes:
    """The figures of this process alone, for when Redis can't be asked."""
    return generate_latest(PROCESS)


class _Shared(Collector):
    """One reading of what all processes share."""

    def __init__(self, figures: Figures, standings: Sequence[Standing]) -> None:
        self._figures = figures
        self._standings = standings

    def collect(self) -> Iterator[Metric]:
        """Name each figure."""
        figures, now = self._figures, time.time() * 1000
        for name, text, value in (
            (
                "reactor_oldest_unacknowledged_event_seconds",
                "Age of the oldest event nobody has decided on.",
                _age(figures.oldest_event, now),
            ),
            ("reactor_oldest_due_seconds", "How late the latest due row is.", _age(figures.oldest_due, now)),
            ("reactor_log_events", "Events in the event log.", figures.log_length),
            ("reactor_watches", "Resources that are long-polled.", figures.watches),
            ("reactor_events_set_aside", "Events nobody could decide on, which wait for a person.", figures.aside),
            ("reactor_due_rows", "Rows that are not finished.", figures.due_length),
            ("reactor_queue_jobs", "Jobs in all RQ queues.", sum(each.jobs for each in self._standings)),
            ("reactor_dead_rows", "Rows that are dead and wait for a person.", figures.dead),
            ("reactor_unknown_rows", "Rows whose effect nobody knows.", figures.unknown),
            (
                "reactor_redis_memory_ratio",
                "Memory the server uses, of its maxmemory; 0 if unlimited.",
                figures.memory.ratio,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        yield from _queues(self._standings)
        yield from _processes(figures.processes)
        yield from _jobs(figures)
        yield from _reconciled(figures.reconciled)
        yield from _braked(figures)
        yield from _runs(figures)
        yield from _times(figures)


def _jobs(figures: Figures) -> Iterator[Metric]:
    """What rules asked for, how that ended, and what of it is kept no longer."""
    planned = CounterMetricFamily(
        "reactor_jobs_planned", "Rows that rules asked for.", value=figures.count("jobs_planned")
    )
    yield planned
    ended = CounterMetricFamily("reactor_attempts", "Attempts, by how they ended.", labels=["outcome"])
    for outcome in ("done", "retried", "dead", "unknown"):
        ended.add_metric([outcome], figures.count(f"attempts_{outcome}"))
    yield ended
    forgotten = CounterMetricFamily(
        "reactor_failed_forgotten", "Failed jobs and events set aside, beyond how many are kept.", labels=["what"]
    )
    for what in ("dead", "unknown", "aside"):
        forgotten.add_metric([what], figures.count(f"forgotten_{what}"))
    yield forgotten


def _times(figures: Figures) -> Iterator[Metric]:
    """How long it takes from what happens to what follows."""
    for counter, name, text in (
        (
            "event_done",
            "reactor_event_done_seconds",
            "From an event's acceptance to the end of a job it caused.",
        ),
        ("run_woken", "reactor_run_wake_to_call_seconds", "From the waking of a run to its next call."),
    ):
        yield _histogram(figures, counter, name, text)


def _queues(standings: Sequence[Standing]) -> Iterator[Metric]:
    """How long each queue is, and who serves it."""
    length = GaugeMetricFamily("reactor_queue_length", "Jobs in one RQ queue.", labels=["queue"])
    workers = GaugeMetricFamily("reactor_queue_workers", "Workers of one RQ queue.", labels=["queue"])
    for standing in standings:
        length.add_metric([standing.queue], standing.jobs)
        workers.add_metric([standing.queue], standing.workers)
    yield from (length, workers)


def _processes(processes: Sequence[Process]) -> Iterator[Metric]:
    """Who runs which revision, and who refuses what is on disk."""
    running = GaugeMetricFamily(
        "reactor_processes", "Processes, by the revision of the configuration they run.", labels=["role", "revision"]
    )
    for (role, revision), number in Counted((each.role, each.revision) for each in processes).items():
        running.add_metric([role, revision], number)
    yield running
    refusing = Counted(each.role for each in processes if each.refused)
    reloaded = GaugeMetricFamily(
        "reactor_config_last_reload_successful",
        "1 if all processes of a role run what is in their directory, 0 if one refuses it.",
        labels=["role"],
    )
    loaded = GaugeMetricFamily(
        "reactor_config_last_reload_success_timestamp_seconds",
        "When the longest standing process of a role last brought a configuration into force.",
        labels=["role"],
    )
    for role in sorted({each.role for each in processes}):
        reloaded.add_metric([role], 0 if refusing[role] else 1)
        loaded.add_metric([role], min(each.loaded for each in processes if each.role == role))
    yield reloaded
    yield loaded


def _braked(figures: Figures) -> Iterator[Metric]:
    """What is paused, and how far the budgets reach."""
    paused = GaugeMetricFamily("reactor_paused", "1 for what is paused.", labels=["scope"])
    held = GaugeMetricFamily("reactor_held_rows", "Rows that a pause holds.", labels=["scope"])
    for pause in figures.pauses:
        paused.add_metric([str(pause.scope)], 1)
        held.add_metric([str(pause.scope)], pause.held)
    yield from (paused, held)
    for name, text, prefix in (
        ("reactor_creates", "Creates that an API was asked for.", "creates:"),
        ("reactor_creates_refused", "Creates that waited because a budget was spent.", "creates_refused:"),
    ):
        family = CounterMetricFamily(name, text, labels=["api"])
        for api, count in figures.counts_by(prefix).items():
            family.add_metric([api], count)
        yield family


def _reconciled(marks: Mapping[str, Mark]) -> Iterator[Metric]:
    """How far each API is reconciled, and what that found."""
    missed = CounterMetricFamily("reactor_events_missed", "Events that no webhook told and a read did.", labels=["api"])
    silent = GaugeMetricFamily(
        "reactor_webhooks_silent", "1 while resources of an API change and no webhook comes.", labels=["api"]
    )
    ended = GaugeMetricFamily(
        "reactor_reconciled_timestamp_seconds", "When an API was last compared with the state table.", labels=["api"]
    )
    for api, mark in marks.items():
        missed.add_metric([api], mark.told)
        silent.add_metric([api], int(mark.silent))
        ended.add_metric([api], mark.ended / 1000)
    yield from (missed, silent, ended)


def _runs(figures: Figures) -> Iterator[Metric]:
    """Runs of workflows: how many live and ended, what they read, and what they would have read without events."""
    living = GaugeMetricFamily("reactor_runs", "Runs that are not over, by status.", labels=["status"])
    for status in ("running", "waiting"):
        living.add_metric([status], figures.count(f"runs_{status}"))
    yield living
    ended = CounterMetricFamily("reactor_runs_ended", "Runs that are over, by how they ended.", labels=["status"])
    for status in ("succeeded", "failed", "cancelled"):
        ended.add_metric([status], figures.count(f"runs_{status}"))
    yield ended
    reads = CounterMetricFamily("reactor_run_reads", "Reads by steps that poll, by why.", labels=["why"])
    for why in REASONS:
        reads.add_metric([why], figures.count(f"run_reads_{why}"))
    yield reads
    yield CounterMetricFamily(
        "reactor_run_reads_saved",
        "Reads that the documents' own intervals would have made during waits, less those made.",
        value=figures.count("run_reads_saved"),
    )


def _histogram(figures: Figures, counter: str, name: str, text: str) -> HistogramMetricFamily:
    """A histogram whose measurements all processes count together."""
    total, buckets = 0, []
    for bound in HISTOGRAM:
        total += figures.count(f"{counter}_{bound}")
        buckets.append((str(bound / 1000), float(total)))
    buckets.append(("+Inf", float(figures.count(f"{counter}_count"))))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=figures.count(f"{counter}_sum") / 1000)


def _age(since: int | None, now: float) -> float:
    return max(0.0, (now - since) / 1000) if since is not None else 0.0
