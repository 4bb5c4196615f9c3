"""The one histogram of times that all processes share: its bounds, and which counters a measurement raises. No I/O."""

HISTOGRAM = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 3600000)
"""Upper bounds of its buckets, in milliseconds."""


def measured(name: str, milliseconds: int) -> dict[str, int]:
    """The shared counters that one more measurement raises, and by how much: of its bucket, of all, and their sum."""
    bucket = next((bound for bound in HISTOGRAM if milliseconds <= bound), None)
    within = {f"{name}_{bucket}": 1} if bucket else {}
    return {f"{name}_count": 1, f"{name}_sum": milliseconds, **within}
