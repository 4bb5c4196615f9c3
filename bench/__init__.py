"""Programs that measure the reactor on this machine, with real processes. Tests hold their counts."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any


def command(said: str | None, measure: Callable[[int], Any], *, runs: int) -> None:
    """Run a program that measures `--runs` times something, and print what it saw: a table, or one JSON value."""
    parser = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    seen = asdict(measure(options.runs))
    width = max(map(len, seen))
    print(json.dumps(seen) if options.as_json else "\n".join(f"{name:>{width}}  {seen[name]}" for name in seen))
