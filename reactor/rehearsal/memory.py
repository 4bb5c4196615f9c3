"""What rules remember between events, and the timers they set, as a value in memory. Pure.

Owns the same decisions as `plan.lua` and `ripen.lua`, which a test holds it against. It forgets nothing and knows no clock:
the caller says when an event is planned and up to when timers ripen. Times are in milliseconds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reactor.planning import finding
from reactor.rehearsal.table import Table
from reactor.store.plans import Bound, Decided, NewRow, NewTimer, Plan

Finding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule that fired: planned, shadow, withheld, faulty, or waiting for a timer.

    `at` is when; `rows` are the jobs that exist now.
    """

    rule: str
    entry: str
    outcome: str
    findings: tuple[Finding, ...]
    at: int
    rows: tuple[NewRow, ...] = ()


@dataclass
class _Timer:
    decided: Decided
    spec: NewTimer
    entry: str
    at: int
    last: int
    events: int = 0
    ripe: bool = False


@dataclass
class Memory:
    """What was planned so far, and what waits."""

    table: Table
    _times: dict[str, dict[str, int]] = field(default_factory=dict)
    _timers: dict[str, _Timer] = field(default_factory=dict)
    _bursts: dict[str, tuple[str, int]] = field(default_factory=dict)

    def plan(self, plan: Plan, now: int) -> list[Outcome]:
        """Take in the plan of one event."""
        at = min(plan.time, now)
        for flow, _ in plan.called_off:
            self._times.setdefault(f"unless:{flow}", {})[plan.entry] = at
        return [self._decide(decided, plan.entry, at, now) for decided in plan.decided]

    def ripen(self, until: int) -> Iterator[Outcome]:
        """Let every timer act whose time has come by then, in the order of their times."""
        while due := [timer for timer in self._timers.items() if not timer[1].ripe and timer[1].at <= until]:
            name, timer = min(due, key=lambda each: each[1].at)
            timer.ripe = True
            held, saw = _CHECKS[timer.spec.control](self, timer)
            findings = [finding(timer.spec.control, timer.spec.asked, saw, held=held)]
            member = f"timer/{name}"
            if held:
                yield self._act(timer.decided, timer.entry, member, timer.at, timer.at, findings)
            else:
                yield Outcome(timer.decided.rule, timer.entry, "withheld", tuple(findings), timer.at)

    def _decide(self, decided: Decided, entry: str, at: int, now: int) -> Outcome:
        findings = list(decided.findings)
        if decided.outcome != "planned":
            return Outcome(decided.rule, entry, decided.outcome, tuple(findings), at)
        if decided.count and not self._counted(decided, decided.count, entry, at, findings):
            return Outcome(decided.rule, entry, "withheld", tuple(findings), at)
        if decided.timer is None:
            return self._act(decided, entry, entry, at, now, findings)
        set_timer = self._debounce if decided.timer.control == "debounce" else self._hold
        timer = set_timer(decided, decided.timer, entry, at)
        seen = {"over" if timer.ripe else "until": timer.at}
        findings.append(finding(decided.timer.control, decided.timer.asked, seen, held=False))
        return Outcome(decided.rule, entry, "withheld" if timer.ripe else "waiting", tuple(findings), at)

    def _hold(self, decided: Decided, spec: NewTimer, entry: str, at: int) -> _Timer:
        return self._timers.setdefault(spec.id, _Timer(decided, spec, entry, at + spec.delay, at))

    def _debounce(self, decided: Decided, spec: NewTimer, entry: str, at: int) -> _Timer:
        """One timer for each burst: it carries the last event, by time, and is over when none came for long enough.

        An event that is too old for the newest burst is one of its own.
        """
        name, first = self._bursts.get(decided.flow, (spec.id, at))
        timer = self._timers.get(name)
        older = timer is not None and not timer.ripe and at < first - spec.delay
        if timer and not timer.ripe and not older and at <= timer.at:
            first, last = min(first, at), timer.last
            timer.at = min(max(last, at) + spec.delay, first + spec.at_most)
            if at >= last:
                timer.entry, timer.decided, timer.last = entry, decided, at
        else:
            name, first = spec.id, at
            timer = self._timers[name] = _Timer(decided, spec, entry, at + spec.delay, at)
        timer.events += 1
        if not older:
            self._bursts[decided.flow] = (name, first)
        return timer

    def _counted(self, decided: Decided, count: Bound, member: str, at: int, findings: list[Finding]) -> bool:
        times = self._times.setdefault(f"count:{decided.flow}", {})
        seen = _crowd(times, at, count, member)
        times[member] = at
        findings.append(finding("count", count.asked, seen, held=seen >= count.number))
        return seen >= count.number

    def _act(self, decided: Decided, entry: str, member: str, at: int, now: int, findings: list[Finding]) -> Outcome:
        """The rule would act: all its limits are asked before any remembers."""
        held = now - at <= decided.max_age
        if not held:
            findings.append(finding("max_age", decided.max_age_asked, f"{(now - at) // 1000} s", held=False))
        for limit in decided.limits:
            others = _crowd(self._times_of(limit, decided), at, limit, member) - 1
            findings.append(finding(limit.control, limit.asked, others, held=others < limit.number))
            held = held and others < limit.number
        if not held:
            return Outcome(decided.rule, entry, "withheld", tuple(findings), at)
        for limit in decided.limits:
            self._times_of(limit, decided)[member] = at
        if decided.shadow:
            findings.append(finding("enforce", "on", "shadow", held=False))
            return Outcome(decided.rule, entry, "shadow", tuple(findings), at)
        return Outcome(decided.rule, entry, "planned", tuple(findings), at, decided.rows)

    def _times_of(self, limit: Bound, decided: Decided) -> dict[str, int]:
        return self._times.setdefault(f"{limit.control}:{decided.flow}", {})

    def stayed(self, timer: _Timer) -> tuple[bool, Any]:
        """`for`: whether the resource has been in no other state since."""
        seen = self.table.resources.get(timer.spec.resource) if timer.spec.resource else None
        if seen is None or seen.state is None:
            return False, "unknown"
        return seen.entered == timer.spec.entered, seen.state

    def met(self, timer: _Timer) -> tuple[bool, Any]:
        """`unless`: whether none of the events came that call it off."""
        times = self._times.get(f"unless:{timer.decided.flow}", {})
        near = [at for entry, at in times.items() if entry != timer.entry]
        count = len([at for at in near if timer.at - timer.spec.delay <= at <= timer.at])
        return count == 0, count


_CHECKS: Final[Mapping[str, Callable[[Memory, _Timer], tuple[bool, Any]]]] = {
    "for": Memory.stayed,
    "unless": Memory.met,
    "debounce": lambda memory, timer: (True, timer.events),
}
"""Whether what a timer waited for has come about, and what it saw."""


def _crowd(times: Mapping[str, int], at: int, limit: Bound, member: str) -> int:
    """How many times lie within one half-open window with `at`, itself included, not counted far beyond the limit."""
    ordered = sorted({**times, member: at}.items(), key=lambda each: (each[1], each[0]))
    rank = next(place for place, (name, _) in enumerate(ordered) if name == member)
    start = max(0, rank - limit.number)
    near = [moment for _, moment in ordered[start : rank + limit.number + 1]]
    own = rank - start
    return max(
        len([moment for moment in near[first:] if moment - near[first] < limit.within])
        for first in range(own + 1)
        if near[own] - near[first] < limit.within
    )
