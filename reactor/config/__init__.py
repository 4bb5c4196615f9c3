"""The configuration: one checked, immutable snapshot of everything that ops teams write, with a revision.

Owns reading it whole and checking what only shows when its files are seen together. Knows no Redis key and acts on
nothing.
"""

from reactor.config.files import fingerprint, fingerprint_of
from reactor.config.loader import ARAZZO, load_config, load_kept
from reactor.config.model import Config, SourceEntry, WorkflowFile

__all__ = [
    "ARAZZO",
    "Config",
    "SourceEntry",
    "WorkflowFile",
    "fingerprint",
    "fingerprint_of",
    "load_config",
    "load_kept",
]
