"""What stock RQ's jobs do: they make one effect, counted outside of RQ, and some harm the process that performs them."""

import os
import resource
import signal
import time

from redis import Redis

EFFECTS, HIT, PEAK = "effects", "hit", "peak"
"""Keys: how often a job acted, that its fault has begun, and the most memory (KiB) of the process that performed it."""


def mark(url: str) -> bool:
    """Act once more; whether this was the first time."""
    with Redis.from_url(url) as redis:
        first = int(redis.incr(EFFECTS)) == 1
        redis.set(HIT, 1)
    return first


def acts(url: str) -> None:
    """Act."""
    mark(url)


def lasts(url: str, seconds: float) -> None:
    """Act, and go on for so long."""
    mark(url)
    time.sleep(seconds)


def dies(url: str) -> None:
    """Act; the first time its process is killed then."""
    if mark(url):
        os.kill(os.getpid(), signal.SIGKILL)


def poisons(url: str) -> None:
    """Act, and kill the process that performs it, each time."""
    mark(url)
    os.kill(os.getpid(), signal.SIGKILL)


def takes_all_along(url: str) -> None:
    """Act; the first time its process and the worker are killed then, as with their container."""
    if mark(url):
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def is_orphaned(url: str, seconds: float) -> None:
    """Act; the first time the worker is killed then. Goes on for so long without it."""
    if mark(url):
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(seconds)


def swallows(url: str, seconds: float) -> None:
    """Act, and take its timeout for any other exception."""
    mark(url)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(end - time.monotonic())
        except Exception:  # noqa: BLE001  # this is the fault
            continue


def is_deaf(url: str, seconds: float) -> None:
    """Act, and hear no timeout, as within a call of C."""
    mark(url)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(seconds)


def fails(url: str) -> None:
    """Act, and fail."""
    mark(url)
    raise RuntimeError("it can't be done")


def is_given(url: str, much: str) -> None:
    """Act, and note how much memory it took to be given its argument."""
    mark(url)
    with Redis.from_url(url) as redis:
        redis.set(PEAK, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
