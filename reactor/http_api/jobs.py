"""Routes of jobs: they read what is asked, and `reactor.operator` does it."""

from reactor.errors import RequestRejected
from reactor.http_api.api import Answer, Asked
from reactor.http_api.asking import limit_of, number_of
from reactor.http_api.parts import Parts
from reactor.operator.jobs import cancel_job, job_detail, job_found, job_value, retry_job
from reactor.store.jobs import FINISHED, OPEN, Wanted

STATES = (*FINISHED, *OPEN)


async def ls(parts: Parts, asked: Asked) -> Answer:
    """Jobs by state, rule, API, queue and time."""
    given = asked.query.get("state")
    states = tuple(state for state in STATES if given in (None, state))
    if not states:
        raise RequestRejected(
            400, "bad_parameter", f"state: found {str(given)[:20]!r}, expected one of {', '.join(STATES)}"
        )
    query = asked.query
    wanted = Wanted(states, query.get("rule"), query.get("api"), number_of(asked, "since"), query.get("queue"))
    return Answer([job_value(job) for job in await parts.store.jobs.find(wanted, count=limit_of(asked))])


async def show(parts: Parts, asked: Asked) -> Answer:
    """One job, with all that is known of it."""
    return Answer(await job_detail(parts.store, await job_found(parts.store, asked.path["job"])))


async def retry(parts: Parts, asked: Asked) -> Answer:
    """Make a dead or unknown job due again."""
    job = await job_found(parts.store, asked.path["job"])
    return Answer(job_value(await retry_job(parts.store, job, asked.by)))


async def cancel(parts: Parts, asked: Asked) -> Answer:
    """Cancel a job for good."""
    job = await job_found(parts.store, asked.path["job"])
    return Answer(job_value(await cancel_job(parts.store, job, asked.by)))
