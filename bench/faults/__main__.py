"""The faults that lose, repeat or strand jobs: stock RQ beside the reactor, each fault caused on real processes, and counted.

    PYTHONPATH=tests python -m bench.faults
    PYTHONPATH=tests python -m bench.faults --only popped --only "two queues"

Stock RQ has the settings that recover fastest (worker_ttl 20, maintenance and monitoring every 5 s; a lost worker's key lives
60 s longer); the reactor has its defaults (lease 15 s). Each case has a server of its own; several run at once. Takes three to
six minutes on two cores. docs/reliability.md quotes the table.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from bench.faults import ours, stock
from bench.faults.table import FAULTS, NOT_CAUSED, Fault

AT_ONCE = 14
"""Cases of each side that run at once: most of their time they wait."""

LONGEST = 480.0
"""Seconds after which a case is given up, and said to be."""


async def _stock(fault: Fault, threads: ThreadPoolExecutor, *, retry: bool) -> str:
    def case() -> str:
        with stock.trial(retry=retry, fsync=fault.fsync) as trial:
            fault.stock.cause(trial)
            return fault.stock.judge(trial)

    said: str = await asyncio.get_running_loop().run_in_executor(threads, case)
    return said


async def _ours(fault: Fault, turn: asyncio.Semaphore) -> str:
    async with turn, ours.trial(fsync=fault.fsync) as trial, asyncio.timeout(LONGEST):
        await fault.ours.cause(trial)
        return await fault.ours.judge(trial)


async def _told(name: str, case: Callable[[], Awaitable[str]]) -> str:
    """What came of a case; one that could not be caused says why, and the others go on."""
    try:
        said = await case()
    except Exception as error:  # noqa: BLE001  # it is a finding, whatever it is
        said = f"NOT CAUSED: {type(error).__name__} {error}"
    print(f"{name}: {said}", file=sys.stderr, flush=True)
    return said


async def _row(fault: Fault, threads: ThreadPoolExecutor, turn: asyncio.Semaphore) -> list[str]:
    cases = [_told(f"{fault.name}, stock", lambda: _stock(fault, threads, retry=False))]
    if fault.stock.twice:
        cases.append(_told(f"{fault.name}, retry", lambda: _stock(fault, threads, retry=True)))
    cases.append(_told(f"{fault.name}, reactor", lambda: _ours(fault, turn)))
    *theirs, our = await asyncio.gather(*cases)
    return [fault.what, theirs[0], theirs[1] if len(theirs) > 1 else "–", our]


async def main(faults: list[Fault]) -> int:
    """Cause these, and print the table; 1 when one could not be caused."""
    turn = asyncio.Semaphore(AT_ONCE)
    longest_first = sorted(faults, key=lambda fault: fault.stock.twice, reverse=True)
    with ThreadPoolExecutor(2 * AT_ONCE) as threads:
        rows = dict(
            zip(
                [fault.name for fault in longest_first],
                await asyncio.gather(*(_row(fault, threads, turn) for fault in longest_first)),
                strict=True,
            )
        )
    print("| fault | stock RQ | stock RQ, Retry(max=3) | reactor |\n|---|---|---|---|")
    for fault in faults:
        print(f"| {' | '.join(rows[fault.name])} |")
    print("\nNot caused here:\n")
    for what, why in NOT_CAUSED.items():
        print(f"- {what}: {why}.")
    return int(any("NOT CAUSED" in cell for row in rows.values() for cell in row))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[fault.name for fault in FAULTS], metavar="NAME")
    chosen = parser.parse_args().only
    logging.disable(logging.WARNING)  # what RQ's readers say of what they clean up
    sys.exit(asyncio.run(main([fault for fault in FAULTS if not chosen or fault.name in chosen])))
