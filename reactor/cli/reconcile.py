"""`reactor reconcile`: compare the APIs with what their events told, now. Shows; compares nothing itself."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from reactor.apis.client import ApiClient
from reactor.cli.catalog import complete_api, config_option, json_option, settings_of
from reactor.cli.processes import opened
from reactor.cli.shown import print_json
from reactor.errors import ReactorError
from reactor.reconcile.comparison import Difference, Report, reconciled_apis
from reactor.reconcile.reconciler import Reconciler
from reactor.reload import Live
from reactor.telemetry import configure_logs
from reactor.yaml12 import expected_one_of

EXAMPLES = """\b
Examples:
  reactor reconcile --dry-run          what differs, and which events seem to be missing
  reactor reconcile --api daytona      make the missing events of one API now
  reactor reconcile --json
"""


@click.command(short_help="Find what no webhook told.", epilog=EXAMPLES)
@click.option("--api", metavar="API", shell_complete=complete_api, help="One API only.")
@click.option("--dry-run", is_flag=True, help="Ask once, show what differs, and change nothing.")
@config_option
@json_option
def reconcile(api: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:
    """Compare what each API lists with what its events told, and make the events that are missing.

    `reactor work` does so by itself, at its start and every REACTOR_RECONCILE seconds. What differs is asked again after a
    while, so that webhooks on their way come first. The first time, everything is taken as it is.
    """
    reports = asyncio.run(_reconciled(api, dry_run, config))
    if as_json:
        print_json([asdict(report) for report in reports])
        return
    for report in reports:
        for line in _lines(report, dry_run):
            click.echo(line)


async def _reconciled(api: str | None, dry_run: bool, config: Path | None) -> list[Report]:
    settings = settings_of(config)
    configure_logs(settings.model_copy(update={"log_level": "warning"}))
    live = Live.load(settings.config)
    names = reconciled_apis(live.config)
    if api and api not in names:
        raise ReactorError(f"{expected_one_of(api, names)}: an API with a key, and kinds of resources that it lists")
    if not names:
        keys = [api.key.name for api in live.config.apis.values() if api.key]
        raise ReactorError(
            "no API can be compared: none has both its key here and kinds that it lists; "
            f"set one of {', '.join(keys)}, as config/secrets.yaml says"
        )
    client = ApiClient(connections=8, private=settings.private)
    try:
        async with opened(settings) as (store, _):
            reconciler = Reconciler(store, live, client, settings)
            return [await _one(reconciler, name, dry_run) for name in ([api] if api else names)]
    finally:
        await client.close()


async def _one(reconciler: Reconciler, name: str, dry_run: bool) -> Report:
    report = await reconciler.reconcile(name, dry=dry_run)
    if report is None:
        raise ReactorError(f"{name} is being reconciled by another process now; try again in a minute")
    return report


def _lines(report: Report, dry_run: bool) -> list[str]:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.resources.items()))
    said = [f"{report.api}: {counts or 'nothing to list'}"]
    if report.baseline:
        would = "would be" if dry_run else "are"
        said.append(f"  the first time, or long ago: they {would} taken as they are, and no event is made")
    said += [f"  {_line(each, dry_run)}" for each in report.differences]
    if not report.differences and not report.baseline:
        said.append("  nothing differs")
    return said


def _line(difference: Difference, dry_run: bool) -> str:
    moved = f"{difference.known or 'unknown'} -> {difference.shown}"
    told = "would be asked again" if dry_run else f"told as {', '.join(difference.told)}"
    return f"{difference.kind} {difference.id}  {difference.why}: {moved}; {told}"
