"""Performs the action `run`: begins a run of a workflow, once however often it is performed.

Owns nothing of what the run does then: its steps are rows of their own.
"""

from reactor.errors import ConfigError
from reactor.handlers.context import Context
from reactor.store.ledger import Ending, Row


async def run(row: Row, context: Context) -> Ending:
    """Begin the run a row asks for. Its id is the row's, so that a second attempt finds what the first began."""
    name = row.what["document"]
    file = context.config.workflows.get(name)
    if file is None:
        return Ending(
            "dead",
            error=f"workflow {name!r} is not configured any more; `config/workflows/` had it when this was planned",
        )
    try:
        fresh = await context.runs.start(row.id, file.text, file.chosen(row.what["workflow"]), row.what["inputs"])
    except ConfigError as error:
        return Ending("dead", error=str(error))
    return Ending("done", result={"how": "started" if fresh else "had been started", "run": row.id})
