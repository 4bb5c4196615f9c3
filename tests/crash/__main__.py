"""`python -m crash`, which is `make crash`: all trials, or with any option the nemesis alone."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from crash.flood import flood
from crash.fuzz import fuzzes
from crash.nemesis import Asked, Outcome, tell, torment
from crash.recovery import PROMISED, percentile, recoveries, report
from crash.store_machine import HISTORY, StoreMachine
from crash.story import Story
from crash.sweep import CASES, sweep_all
from reactor.embedded import EmbeddedServer, Fsync

KILLS = 200
SAMPLES = 108
HISTORIES = 60
ANYTHING = 1500
FLOODED = 30.0


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
    good = chosen or (histories(directory) and anything() and asyncio.run(trials(directory)))
    outcome = asyncio.run(nemesis(directory, asked))
    if good and outcome.good:
        shutil.rmtree(directory)
    click.echo(str(outcome))
    sys.exit(0 if good and outcome.good else 1)


def histories(directory: Path) -> bool:
    """Histories of the store beside its model; a history that breaks it is shown, at its shortest, and ends this."""
    with EmbeddedServer.start(directory / "histories", fsync="no") as server:
        StoreMachine.server = server
        run_state_machine_as_test(StoreMachine, settings=settings(HISTORY, max_examples=HISTORIES, derandomize=False))
    click.echo(f"store: {HISTORIES} histories of up to {HISTORY.stateful_step_count} steps agree with the model")
    return True


def anything() -> bool:
    """What strangers may send and people may write, at random; what breaks something is shown and ends this."""
    for name, check in fuzzes(ANYTHING):
        check()
        click.echo(f"fuzz: {name.replace('_', ' ')}, {ANYTHING} examples")
    return True


async def trials(directory: Path) -> bool:
    """Everything but the nemesis; whether all of it held."""
    wrong = await sweep_all(directory / "sweep")
    click.echo(f"failpoints: {len(CASES)} cases swept, {len(wrong)} wrong {' '.join(wrong)}")
    took = await recoveries(directory / "recovery", SAMPLES)
    click.echo(report(took))
    flooded = await flood(directory / "flood", FLOODED, work=20)
    click.echo(str(flooded))
    tell(flooded.findings, Story(directory / "flood"))
    return not wrong and not flooded.findings and percentile(took, 99) < PROMISED


async def nemesis(directory: Path, asked: Asked) -> Outcome:
    """The nemesis, with what is good to know besides."""
    outcome = await torment(directory / "nemesis", asked)
    for name, value in outcome.facts.items():
        click.echo(f"{name}: {value}")
    return outcome


main()
