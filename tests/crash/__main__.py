"""`python -m crash`, which is `make crash`."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from crash.nemesis import Asked, torment
from reactor.embedded import Fsync


@click.command()
@click.option("--kills", default=200, show_default=True, help="How often a process is killed.")
@click.option("--seed", default=0, show_default=True, help="Draws the faults; the same seed, the same faults.")
@click.option("--events", default=0, help="At least so many webhooks. [ten for each kill]")
@click.option("--runs", default=0, help="At least so many runs of workflows. [one for each two kills]")
@click.option("--fsync", type=click.Choice(["always", "everysec"]), default="always", show_default=True)
def main(kills: int, seed: int, events: int, runs: int, fsync: Fsync) -> None:
    """Harm a working reactor, and say what that did to what is promised."""
    asked = Asked(kills, events or 10 * kills, runs or kills // 2, seed, fsync)
    directory = Path(tempfile.mkdtemp(prefix="reactor-crash-"))
    outcome = asyncio.run(torment(directory, asked))
    for name, value in outcome.facts.items():
        click.echo(f"{name}: {value}")
    if outcome.good:
        shutil.rmtree(directory)
    click.echo(str(outcome))
    sys.exit(0 if outcome.good else 1)


main()
