"""`reactor jobs`: look at jobs, retry what is dead or unknown, cancel what nobody wants. Performs nothing itself."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reactor.cli.batch import each_of
from reactor.cli.catalog import complete_api, complete_queue, complete_rule, config_option, json_option
from reactor.cli.looking import completing, looked
from reactor.cli.shown import (
    MOST,
    agreed,
    clock,
    json_of,
    limit_option,
    operator,
    print_json,
    print_lines,
    print_table,
    short,
    since_option,
    together,
    yes_option,
)
from reactor.operator.jobs import (
    cancel_job,
    job_detail,
    job_found,
    job_value,
    retry_job,
    why_no_cancel,
    why_no_retry,
)
from reactor.rules.wording import summary
from reactor.store.jobs import FINISHED, OPEN, Job, Wanted
from reactor.store.ledger import Row, State
from reactor.store.store import Store

EXAMPLES = """\b
Examples:
  reactor jobs ls --dead --since 1h
  reactor jobs show 3f2a9c…
  reactor jobs retry --unknown --rule sandbox-for-ready-volume --dry-run
  reactor jobs retry --dead --api daytona --yes
  reactor jobs cancel 3f2a9c…
"""


@dataclass(frozen=True)
class Mending:
    """One thing that is done to jobs, and why a row is none of those it can be done to (empty: it is one)."""

    do: Callable[[Store, Job, str], Awaitable[Job]]
    why_not: Callable[[Row], str]


RETRY = Mending(retry_job, why_no_retry)
CANCEL = Mending(cancel_job, why_no_cancel)


_wanted = together(
    click.option("--dead", is_flag=True, help="Those that failed for good."),
    click.option("--unknown", is_flag=True, help="Those whose effect nobody knows."),
    click.option("--due", is_flag=True, help="Those that are to be performed."),
    click.option("--running", is_flag=True, help="Those that are being performed."),
    click.option("--waiting", is_flag=True, help="Those that wait for an event."),
    click.option("--rule", metavar="RULE", shell_complete=complete_rule, help="Those of this rule."),
    click.option("--api", metavar="API", shell_complete=complete_api, help="Those that call this API."),
    click.option("--queue", metavar="QUEUE", shell_complete=complete_queue, help="Those of this queue."),
    since_option("Those planned, or ended, within this time: 90s, 10m, 1h30m, 7d."),
)
"""The filters, the same for every command that takes several jobs."""


def _wanted_of(default: tuple[State, ...], **given: Any) -> Wanted:
    states: tuple[State, ...] = tuple(state for state in (*FINISHED, *OPEN) if given[state])
    since = int((time.time() - given["since"]) * 1000) if given["since"] is not None else None
    return Wanted(states or default, given["rule"], given["api"], since, given["queue"])


async def _ids(store: Store) -> list[str]:
    return [job.row.id for job in await store.jobs.find(Wanted(), count=MOST)]


complete_job = completing(_ids)


@click.group(short_help="Look at jobs, retry and cancel them.", epilog=EXAMPLES)
def jobs() -> None:
    """Jobs: the rows of the ledger. `dead` and `unknown` ones wait for a person."""


@jobs.command(epilog=EXAMPLES)
@_wanted
@limit_option
@config_option
@json_option
def ls(config: Path | None, as_json: bool, limit: int, **given: Any) -> None:
    """List jobs: first those that ended dead or unknown, the last one first; then those with a time, the next first.

    Done and cancelled jobs are not listed: `reactor explain EVENT` names all jobs of an event, and `reactor jobs show JOB`
    knows them as long as they are kept.
    """
    wanted = _wanted_of(FINISHED + OPEN, **given)
    found = looked(config, lambda store: store.jobs.find(wanted, count=limit))
    _print(found, as_json=as_json)
    if not found and not as_json:
        click.echo(_none(wanted), err=True)
    if len(found) == limit:
        click.echo(f"there may be more: --limit {limit} shows no further", err=True)


def _none(wanted: Wanted) -> str:
    """What an empty list says, and what it does not say."""
    named = (("of rule", wanted.rule), ("for API", wanted.api), ("of queue", wanted.queue))
    filters = "".join(f" {word} {value}" for word, value in named if value)
    since = " since then" if wanted.since is not None else ""
    return (
        f"no job{filters} is {', '.join(wanted.states[:-1])}{' or ' if wanted.states[:-1] else ''}{wanted.states[-1]}{since}; "
        "done and cancelled ones are not listed: `reactor explain EVENT` names the jobs of an event"
    )


HEADING = ("JOB", "STATE", "TRIES", "NEXT OR ENDED", "RULE OR RUN", "WHAT", "ERROR")


def _line(job: Job) -> tuple[str, ...]:
    row = job.row
    return (
        row.id,
        row.state,
        str(row.attempts),
        clock(row.ended or job.due),
        row.rule or f"run {row.event}",
        summary(row),
        short(row.error),
    )


@jobs.command(epilog=EXAMPLES)
@click.argument("job", metavar="JOB", shell_complete=complete_job)
@config_option
@json_option
def show(job: str, config: Path | None, as_json: bool) -> None:
    """Show a job: what it asks for and why, how it went, what people did to it, and what to do now."""

    async def look(store: Store) -> dict[str, Any]:
        return await job_detail(store, await job_found(store, job))

    detail = looked(config, look)
    if as_json:
        print_json(detail)
        return
    times = ("created", "due", "ended", "accepted")
    audit = [f"{clock(each['at'])} {each['by']}: {each['did']} (was {each['was']})" for each in detail.pop("audit")]
    shown = {
        name: clock(value) if name in times else value for name, value in detail.items() if value not in (None, {}, [])
    }
    rows = [(name, value if isinstance(value, str) else json_of(value)) for name, value in shown.items()]
    print_lines([*rows, *(("audit", line) for line in audit)])


_mending = together(
    click.argument("ids", nargs=-1, metavar="[JOB]...", shell_complete=complete_job),
    _wanted,
    click.option("--dry-run", is_flag=True, help="Only show which jobs it would be."),
    yes_option,
    config_option,
    json_option,
)


@jobs.command(epilog=EXAMPLES)
@_mending
def retry(ids: tuple[str, ...], config: Path | None, dry_run: bool, yes: bool, as_json: bool, **given: Any) -> None:
    """Make dead or unknown jobs due again, with all their attempts: those named, or those of the filters.

    What is found by filters is shown first, and done once you agree. Who did it and when is kept with the job.
    """
    wanted = _wanted_of(FINISHED, **given) if any(given.values()) else None
    looked(config, _Mend(ids, wanted, RETRY, dry_run, yes, as_json))


@jobs.command(epilog=EXAMPLES)
@_mending
def cancel(ids: tuple[str, ...], config: Path | None, dry_run: bool, yes: bool, as_json: bool, **given: Any) -> None:
    """Cancel jobs for good: those named, or those of the filters.

    What is found by filters is shown first, and done once you agree. What a call that is under way does stands.
    """
    wanted = _wanted_of(FINISHED + OPEN, **given) if any(given.values()) else None
    looked(config, _Mend(ids, wanted, CANCEL, dry_run, yes, as_json))


@dataclass(frozen=True)
class _Mend:
    """One mending, as it was asked for: jobs by their ids, or those that are `wanted`."""

    ids: Sequence[str]
    wanted: Wanted | None
    mending: Mending
    dry_run: bool
    yes: bool
    as_json: bool

    def __post_init__(self) -> None:
        if bool(self.ids) == (self.wanted is not None):
            raise click.UsageError("name jobs, or give filters such as --dead: one of the two")

    async def __call__(self, store: Store) -> None:
        """Show what is meant, ask, and do it."""
        found = await self._chosen(store)
        asks = self.wanted is not None and not self.yes
        if self.dry_run or asks:
            _print(found, as_json=self.as_json)
        if self.dry_run:
            return
        if asks:
            agreed(f"These {len(found)} jobs?")
        mended = await each_of(found, lambda job: self.mending.do(store, job, operator()))
        mended.tell(job_value, lambda job: f"{job.row.id} is {job.row.state}", as_json=self.as_json)

    async def _chosen(self, store: Store) -> list[Job]:
        """The jobs that are named; or those of the filters to which it can be done."""
        if self.wanted is None:
            return [await job_found(store, each) for each in self.ids]
        found = await store.jobs.find(self.wanted, count=MOST)
        return [job for job in found if not self.mending.why_not(job.row)]


def _print(found: Sequence[Job], *, as_json: bool) -> None:
    if as_json:
        print_json([job_value(job) for job in found])
    elif found:
        print_table(HEADING, map(_line, found))
