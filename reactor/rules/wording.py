"""What a row asks for, in the words of rule files. Pure.

Owns which part of a row says what it is about, for logs, tables, tests of rules and backtests alike.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from reactor.rules.late import unfilled


class Asking(Protocol):
    """A row, planned or stored, as far as it says what is asked for."""

    @property
    def action(self) -> str:
        """The kind of action."""

    @property
    def api(self) -> str:
        """The API it calls; empty for none."""

    @property
    def operation(self) -> str:
        """The operation of that API; empty for none."""

    @property
    def what(self) -> Mapping[str, Any]:
        """The action, rendered."""


PARTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "call": ("", ("parameters", "body")),
    "run": ("document", ("workflow", "inputs")),
    "notify": ("target", ("title", "text")),
    "emit": ("type", ("data",)),
    "perform": ("handler", ("arguments",)),
}
"""For each kind of action: which part of its row says what it is about (empty: API and operation), and the other parts."""


def subject(row: Asking) -> str:
    """What a row is about, in a word: the operation, the document, the target; its action where it says no more."""
    if row.operation:
        return f"{row.api}.{row.operation}"
    part, _ = PARTS.get(row.action, ("", ()))
    return str(row.what.get(part) or row.action)


def summary(row: Asking) -> str:
    """What a row asks for, as in `daytona.createVolume`, `run provision`, `notify ops`."""
    about = subject(row)
    return about if row.operation or about == row.action else f"{row.action} {about}"


def as_written(row: Asking) -> dict[str, Any]:
    """The action of a row that a rule asks for, as a rule file would say it, without what is empty.

    What only an earlier action's result can fill in is an `Open` text.
    """
    (part, others), what = PARTS[row.action], unfilled(row.what)
    said = {row.action: what[part] if part else f"{row.api}.{row.operation}"}
    return said | {name: what[name] for name in others if what.get(name) not in (None, "", {})}
