"""`reactor serve`, `reactor dispatch` and `reactor work`: the processes of a deployment."""

import os
from pathlib import Path

import click
import structlog
import uvloop

from reactor.cli.catalog import complete_queue, config_option
from reactor.cli.processes import run_dispatcher, run_web, run_worker
from reactor.settings import Settings, load_settings, unknown_variables
from reactor.store.keys import MAIN
from reactor.telemetry import configure_logs

log = structlog.get_logger("reactor")


def _settings(redis_url: str | None, config: Path | None, **others: object) -> Settings:
    given = {"redis_url": redis_url, "config": config, **others}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    configure_logs(settings)
    for warning in unknown_variables(os.environ):
        log.warning("setting unknown", warning=warning)
    return settings


redis_option = click.option("--redis", "redis_url", metavar="URL", help="Redis or Valkey. [REACTOR_REDIS_URL]")


@click.command(
    short_help="Receive webhooks and decide.",
    epilog="Example: reactor serve --redis redis://localhost:6379 --port 8787",
)
@redis_option
@config_option
@click.option("--host", help="Address to listen on. [REACTOR_HOST]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one. [REACTOR_PORT]")
@click.option("--dispatch/--no-dispatch", default=True, help="Run the dispatcher and the due poller here, too.")
def serve(redis_url: str | None, config: Path | None, host: str | None, port: int | None, dispatch: bool) -> None:
    """Receive webhooks at /webhooks/SOURCE and decide what follows.

    Prints the address once it listens; logs go to standard error. Ends after SIGTERM when open requests are answered.
    """
    settings = _settings(redis_url, config, host=host, port=port)
    uvloop.run(run_web(settings, dispatch=dispatch, on_ready=click.echo))


@click.command(
    short_help="Decide, where `serve --no-dispatch` receives.",
    epilog="Example: REACTOR_REDIS_URL=redis://localhost:6379 reactor dispatch",
)
@redis_option
@config_option
def dispatch(redis_url: str | None, config: Path | None) -> None:
    """Decide on events without receiving any: for web processes run with --no-dispatch."""
    uvloop.run(run_dispatcher(_settings(redis_url, config), on_ready=click.echo))


WORK_EXAMPLES = """\b
Examples:
  reactor work --concurrency 50       (watch it with: rq info -u URL)
  reactor work --queue heavy          (a queue that config/queues.yaml declares)
"""


@click.command(short_help="Perform jobs.", epilog=WORK_EXAMPLES)
@redis_option
@config_option
@click.option("--concurrency", type=click.IntRange(1, 5000), help="Jobs at once. [REACTOR_CONCURRENCY]")
@click.option(
    "--queue",
    default=MAIN,
    show_default=True,
    shell_complete=complete_queue,
    help="The one queue whose jobs it performs.",
)
def work(redis_url: str | None, config: Path | None, concurrency: int | None, queue: str) -> None:
    """Perform jobs of one queue, hundreds at once, until SIGTERM; then finish those in hand.

    The worker of the main queue also watches and reconciles.
    """
    uvloop.run(run_worker(_settings(redis_url, config, concurrency=concurrency), queue, on_ready=click.echo))
