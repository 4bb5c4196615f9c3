"""Which fault comes when: drawn from a seed, before anything runs, so that a run can be repeated.

Pure. What a fault does is the nemesis'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from crash.fleet import MEMBERS, SERVER

KILLS_PER_SECOND = 1.0
OTHERS_PER_KILL = 0.5

PAUSE = (2.5, 4.5)
"""Seconds that a process is stopped: longer than its lease."""

SWALLOW = (0.5, 7.0)
"""Seconds that a network says nothing: also longer than the clients wait for Redis."""

SLOW = (0.02, 0.2)
SKEW = (-90.0, 90.0)

NETWORKS = ("redis", "api", "webhooks")

WEATHER: tuple[Mapping[str, Any], ...] = (
    {},
    {"duplicate": 0.3, "copies": 4},
    {"twin": 0.3, "delay": (0.0, 1.0)},
    {"reorder": 0.5, "duplicate": 0.1},
    {"event_before_commit": 0.3},
    {"drop": 0.3},
    {"lost_reply": 0.2},
    {"api_error": 0.2},
    {"create_delay": 1.0, "name_race": 0.1},
    {"lost_reply": 0.1, "api_error": 0.1, "twin": 0.1, "reorder": 0.2, "delay": (0.0, 0.5), "drop": 0.1},
    {"read_cache": 2.0, "list_lag": 2.0, "event_before_commit": 0.2},
)
"""What is wrong with Daytona and Svix for a while."""


@dataclass(frozen=True)
class Fault:
    """One fault: seconds after the begin, what, whom it hits, how long or how much, and a seed for its own dice."""

    at: float
    kind: str
    target: str = ""
    amount: float = 0.0
    seed: int = 0

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.target, f"{self.amount:.2f}" if self.amount else "")))


def schedule(seed: int, kills: int) -> list[Fault]:
    """The faults of a run with so many kills."""
    dice = Random(seed)
    faults: list[Fault] = []
    at, left = 1.0, kills
    while left > 0:
        at += dice.expovariate(KILLS_PER_SECOND * (1 + OTHERS_PER_KILL))
        if dice.random() < 1 / (1 + OTHERS_PER_KILL):
            drawn = _kills(dice, at)[:left]
            left -= len(drawn)
            faults += drawn
        else:
            faults.append(_other(dice, at))
    return faults


def _kills(dice: Random, at: float) -> list[Fault]:
    """One kill; now and then of all that do the same, or of everything, as when a machine fails."""
    chance = dice.random()
    if chance < 0.02:
        victims: tuple[str, ...] = (*MEMBERS, SERVER)
    elif chance < 0.10:
        role = dice.choice(MEMBERS).partition("-")[0]
        victims = tuple(name for name in MEMBERS if name.startswith(role))
    elif chance < 0.17:
        return [Fault(at, "skew", dice.choice(MEMBERS), dice.uniform(*SKEW))]
    else:
        victims = (dice.choice((*MEMBERS, SERVER)),)
    return [Fault(at, "kill", victim) for victim in victims]


def _other(dice: Random, at: float) -> Fault:
    kind = dice.choices(
        ("pause", "pause server", "stop", "cut", "lose replies", "swallow", "slow", "weather"),
        (5, 1, 2, 4, 5, 2, 2, 4),
    )[0]
    seed = dice.randrange(2**32)
    match kind:
        case "pause":
            return Fault(at, "pause", dice.choice(MEMBERS), dice.uniform(*PAUSE))
        case "pause server":
            return Fault(at, "pause", SERVER, dice.uniform(*PAUSE))
        case "stop":
            return Fault(at, "stop", dice.choice(MEMBERS))
        case "swallow":
            return Fault(at, kind, dice.choice(NETWORKS), dice.uniform(*SWALLOW))
        case "slow":
            return Fault(at, kind, dice.choice(NETWORKS), dice.uniform(*SLOW))
        case "weather":
            return Fault(at, kind, "daytona", float(dice.randrange(len(WEATHER))), seed)
        case _:
            return Fault(at, kind, dice.choice(NETWORKS), dice.uniform(0.2, 1.0), seed)
