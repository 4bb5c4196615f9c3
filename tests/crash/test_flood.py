"""Too much at once: what can't be taken is answered 503; what was taken is done, while all are replaced."""

from pathlib import Path

from crash.flood import flood


async def test_a_flood_is_shed_and_loses_nothing_while_all_processes_are_replaced(tmp_path: Path) -> None:
    seen = await flood(tmp_path, 3.0, work=2)

    assert seen.findings == [], seen
    assert seen.statuses[503] > seen.statuses[0], f"what can't be taken is said to be so: {seen}"
    assert seen.accepted
