"""Completes a row whose action mentions what actions before it came to.

Owns reading their rows; rendering is done in `rules.late`.
"""

from collections.abc import Mapping
from dataclasses import replace

from reactor.rules.late import LATE, filled
from reactor.store.ledger import Ledger, Row


async def completed(row: Row, ledger: Ledger) -> Row:
    """The row with nothing left to render. Raises Unknown for what an earlier action did not come to, StoreUnavailable."""
    if LATE not in row.what:
        return row
    results: dict[str, Mapping[str, object]] = {}
    for name, earlier in row.what[LATE]["rows"].items():
        found = await ledger.get(earlier)
        results[name] = found.result if found and isinstance(found.result, Mapping) else {}
    return replace(row, what=filled(row.what, results))
