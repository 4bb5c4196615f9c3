"""How many files this process may have open. Each connection is one. Owns the system's limit; opens nothing."""

import resource

OTHER_FILES = 200
"""Files that a process needs besides connections of senders and to APIs: those to Redis, logs, listeners."""


def open_files(wanted: int) -> int:
    """How many files may be open, after asking the system for so many; fewer where its limit (`ulimit -Hn`) is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
