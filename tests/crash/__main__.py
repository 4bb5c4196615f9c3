"""`python -m crash`, which is `make crash`: all trials, or with any option the nemesis alone."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from crash.nemesis import Asked, Outcome, torment
from crash.recovery import PROMISED, percentile, recoveries, report
from crash.sweep import CASES, sweep_all
from reactor.embedded import Fsync

KILLS = 200
SAMPLES = 108


@click.command()
@click.option("--kills", type=click.IntRange(1), help=f"How often a process is killed. [{KILLS}]")
@click.option("--seed", type=int, help="Draws the faults; the same seed, the same faults. [0]")
@click.option("--events", type=int, help="At least so many webhooks. [ten for each kill]")
@click.option("--runs", type=int, help="At least so many runs of workflows. [one for each two kills]")
@click.option("--fsync", type=click.Choice(["always", "everysec"]), help="Of the server. [always]")
def main(kills: int | None, seed: int | None, events: int | None, runs: int | None, fsync: Fsync | None) -> None:
    """Harm a working reactor, and say what that did to what is promised."""
    chosen = any(option is not None for option in (kills, seed, events, runs, fsync))
    kills = kills or KILLS
    asked = Asked(kills, events or 10 * kills, runs or kills // 2, seed or 0, fsync or "always")
    directory = Path(tempfile.mkdtemp(prefix="reactor-crash-"))
    good = chosen or asyncio.run(trials(directory))
    outcome = asyncio.run(nemesis(directory, asked))
    if good and outcome.good:
        shutil.rmtree(directory)
    click.echo(str(outcome))
    sys.exit(0 if good and outcome.good else 1)


async def trials(directory: Path) -> bool:
    """Everything but the nemesis; whether all of it held."""
    wrong = await sweep_all(directory / "sweep")
    click.echo(f"failpoints: {len(CASES)} cases swept, {len(wrong)} wrong {' '.join(wrong)}")
    took = await recoveries(directory / "recovery", SAMPLES)
    click.echo(report(took))
    return not wrong and percentile(took, 99) < PROMISED


async def nemesis(directory: Path, asked: Asked) -> Outcome:
    """The nemesis, with what is good to know besides."""
    outcome = await torment(directory / "nemesis", asked)
    for name, value in outcome.facts.items():
        click.echo(f"{name}: {value}")
    return outcome


main()
