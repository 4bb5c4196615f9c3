"""What rules cost: putting an event to a thousand of them, with and without the index, planning, and loading ten thousand.

    python -m bench.rules

Prints medians and ratios of one run on this machine; judges nothing. docs/rules.md quotes them.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reactor.cli import collect_seldom
from reactor.config import inspect
from reactor.config.model import Config
from reactor.events import Event
from reactor.planning import Occasion, plan_event
from reactor.store.log import Entry
from reactor.store.resources import Verdict

CONFIG = Path(__file__).parents[1] / "config"
PER_FILE = 200
REPEATS = 2000

RULE = """\
  - name: team-{n}
    on: volume.state.updated
    match: {{newState: ready, name: {{prefix: team-{n}-}}}}
    do:
      - call: daytona.createSandbox
        body:
          name: sandbox-{n}-for-${{event.name}}
          snapshot: base
          volumes: [{{volumeId: "${{event.id}}", mountPath: /data}}]
"""


def directory(within: Path, rules: int) -> Path:
    """The shipped configuration with so many rules instead of its own."""
    made = within / str(rules)
    shutil.copytree(CONFIG, made, ignore=shutil.ignore_patterns("rules"))
    (made / "rules").mkdir()
    for first in range(0, rules, PER_FILE):
        text = "".join(RULE.format(n=n) for n in range(first, min(first + PER_FILE, rules)))
        (made / "rules" / f"{first:05}.yaml").write_text(f"rules:\n{text}", "utf-8")
    return made


def event(name: str, state: str = "ready") -> Event:
    """A volume has come to be in a state."""
    payload = {
        "event": "volume.state.updated",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "id": "vol-1",
        "name": name,
        "organizationId": "org-1",
        "oldState": "creating",
        "newState": state,
    }
    body = json.dumps(payload).encode()
    return Event.from_payload(id="msg_1", source="daytona", organization="org-1", body=body)


def median(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Microseconds of a call in the median."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter_ns()
        call()
        took.append(time.perf_counter_ns() - began)
    return statistics.median(took) / 1000


def matching(config: Config) -> Iterator[str]:
    """A line for each event: with the index, without, and how many times faster."""
    rules = config.rules
    for title, happened in (
        ("no rule fires", event("other-1")),
        ("no rule fires, another state", event("team-7-1", "error")),
        ("one rule fires", event("team-7-1")),
    ):
        indexed = median(lambda happened=happened: rules.fired(happened))  # type: ignore[misc]
        plain = median(lambda happened=happened: [d for r in rules.rules if (d := r.fire(happened))], 50)  # type: ignore[misc]
        yield f"{title:<30}{indexed:>9.1f} µs {plain:>10.0f} µs {plain / indexed:>8.0f} x"


def planning(config: Config) -> str:
    """A line for the plan of an event on which one rule fires."""
    happened = event("team-7-1")
    entry = Entry("1767225600000-0", "daytona", happened.id, happened.organization, b"{}")
    sighting = config.apis["daytona"].provider.sighting(happened, accepted=entry.accepted)
    verdict = Verdict("fresh", "volume", "vol-1", "creating", "ready", 1, 1)
    occasion = Occasion(entry, happened, sighting, "daytona", verdict)
    fired = config.rules.fired(happened)
    took = median(lambda: plan_event(occasion, fired, config.rules, config.revision))
    return f"{'its plan, arguments rendered':<30}{took:>9.1f} µs"


def main() -> None:
    """Measure and print."""
    collect_seldom()
    with tempfile.TemporaryDirectory() as within:
        few = inspect(directory(Path(within), 1000)).config
        assert few
        print("1,000 rules, one event           indexed      one by one")
        print("\n".join(matching(few)))
        print(planning(few))
        many = directory(Path(within), 10_000)
        took = []
        for _ in range(3):
            began = time.process_time()
            found = inspect(many)
            took.append(time.process_time() - began)
            assert found.config
        print(
            f"10,000 rules read, checked, compiled: CPU {min(took):.2f} s (best of 3: {', '.join(f'{t:.2f}' for t in took)})"
        )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
