"""`reactor emulator`: Daytona on this machine, with its webhooks and its faults."""

import asyncio

import click

from reactor.emulator import EmulatorSettings, Endpoint, serve
from reactor.emulator.faults import Faults


@click.command(
    epilog="""\b
Examples:
  reactor emulator --port 8788 --webhook http://127.0.0.1:8787/webhooks/daytona --secret whsec_…
  curl -X PUT localhost:8788/emulator/faults -d '{"drop": 0.3, "reorder": 0.2}'
  curl localhost:8788/emulator/calls          # every API call it got, counted by operation
"""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8788, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--webhook", metavar="URL", help="Where to deliver events.")
@click.option("--secret", metavar="WHSEC", help="The endpoint's signing secret.")
@click.option("--api-key", default=EmulatorSettings().api_key, show_default=True, help="The key calls must bring.")
@click.option("--organization", default=EmulatorSettings().organization_id, show_default=True, help="The organization.")
@click.option("--time-scale", default=1.0, show_default=True, help="How long states last; 1 is about Daytona's pace.")
@click.option("--retry-scale", default=1.0, show_default=True, help="Pauses between delivery attempts; 1 is Svix's.")
@click.option("--drop", default=0.0, show_default=True, help="Share of events that are never delivered.")
@click.option("--duplicate", default=0.0, show_default=True, help="Share of deliveries made again.")
@click.option("--reorder", default=0.0, show_default=True, help="Seconds within which deliveries are shuffled.")
@click.option("--event-before-commit", default=0.0, show_default=True, help="Seconds an event is ahead of the API.")
@click.option("--seed", default=0, show_default=True, help="Makes the faults' dice repeatable.")
def emulator(
    host: str,
    port: int,
    webhook: str | None,
    secret: str | None,
    api_key: str,
    organization: str,
    time_scale: float,
    retry_scale: float,
    drop: float,
    duplicate: float,
    reorder: float,
    event_before_commit: float,
    seed: int,
) -> None:
    """Emulate Daytona's volumes and sandboxes and their Svix-signed webhooks, for trying and testing.

    All faults, also those without a flag here, are read and set at /emulator/faults.
    """
    if webhook and not secret:
        raise click.UsageError("--webhook needs --secret: deliveries are signed")
    settings = EmulatorSettings(
        api_key=api_key,
        organization_id=organization,
        endpoints=(Endpoint(webhook, secret),) if webhook and secret else (),
        time_scale=time_scale,
        retry_scale=retry_scale,
        faults=Faults(drop=drop, duplicate=duplicate, reorder=reorder, event_before_commit=event_before_commit),
        seed=seed,
    )
    asyncio.run(serve(settings, host, port, lambda url: click.echo(f"emulator listens on {url}")))
