"""Changes of state that no resource makes, or that its provider does not always announce."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from reactor.apis.provider import Provider, Resource
from reactor.rules.fault import Fault


def transition_faults(globs: Iterable[str], patterns: Mapping[str, Any], providers: Iterable[Provider]) -> list[Fault]:
    """What is odd about the states that a `match` asks for, before and after."""
    globs = list(globs)
    return [
        fault
        for provider in providers
        for resource in provider.resources.values()
        for event, announced in resource.events.items()
        if announced.before and any(fnmatchcase(event, glob) for glob in globs)
        for fault in _odd(patterns, _field(announced.before), _field(announced.state), resource)
    ]


def _field(path: str) -> str:
    return path.removeprefix("$.")


def _odd(patterns: Mapping[str, Any], before: str, after: str, resource: Resource) -> Iterator[Fault]:
    left, reached = _exact(patterns.get(before)), _exact(patterns.get(after))
    final = left.intersection(resource.terminal)
    if left and left == final:
        names = ", ".join(sorted(final))
        yield Fault(
            ("match", before), f"found {names}, after which nothing follows: the rule never fires", severity="warning"
        )
    elif left and left == reached and len(left) == 1:
        message = f"found {', '.join(left)} in {before} and in {after}: events tell changes of state"
        yield Fault(("match", after), message, severity="warning")
    elif len(left) == 1 and reached and not left.intersection(resource.settled):
        message = (
            f"found {', '.join(left)}, a state that is passed through: providers skip such states, and then {before} is "
            f"another one; match {after} alone unless this very step is meant"
        )
        yield Fault(("match", before), message, severity="warning")


def _exact(pattern: Any) -> set[str]:
    """The values that a pattern names, if it names nothing else."""
    items = pattern if isinstance(pattern, list) else [pattern]
    return set(items) if all(isinstance(item, str) for item in items) else set()
