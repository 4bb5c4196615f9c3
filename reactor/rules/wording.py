"""What a row asks for, in the words of rule files. Pure.

Owns which part of a row says what it is about, for logs, tables, tests of rules and backtests alike.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from reactor.rules.actions import KINDS
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


def subject(row: Asking) -> str:
    """What a row is about, in a word: the operation, the document, the target; its action where it says no more.

    Whoever looks at rows sees also those that somebody else wrote, whatever stands in them.
    """
    if row.operation:
        return f"{row.api}.{row.operation}"
    kind, what = KINDS.get(row.action), row.what if isinstance(row.what, Mapping) else {}
    return str((kind and what.get(kind.about)) or row.action)


def summary(row: Asking) -> str:
    """What a row asks for, as in `daytona.createVolume`, `run provision`, `notify ops`."""
    about = subject(row)
    return about if row.operation or about == row.action else f"{row.action} {about}"


def as_written(row: Asking) -> dict[str, Any]:
    """The action of a row that a rule asks for, as a rule file would say it, without what it need not say.

    What only an earlier action's result can fill in is an `Open` text.
    """
    kind, what = KINDS[row.action], unfilled(row.what)
    parts = {part: what[part] for part in (*kind.plain, *kind.rendered) if part in what}
    return {row.action: subject(row)} | {part: said for part, said in parts.items() if not kind.is_default(part, said)}
