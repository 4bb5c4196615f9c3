"""The configuration: one checked, immutable snapshot of everything that ops teams write, with a revision.

Owns reading it whole and checking what only shows when its files are seen together. Knows no Redis key and acts on
nothing.
"""

from reactor.config.files import Directory, fingerprint, fingerprint_of
from reactor.config.loader import ARAZZO, Inspection, inspect, load_config, load_kept
from reactor.config.model import Config, SourceEntry, WorkflowFile
from reactor.config.reading import TESTS
from reactor.config.schema import FILES, file_schema

__all__ = [
    "ARAZZO",
    "FILES",
    "TESTS",
    "Config",
    "Directory",
    "Inspection",
    "SourceEntry",
    "WorkflowFile",
    "file_schema",
    "fingerprint",
    "fingerprint_of",
    "inspect",
    "load_config",
    "load_kept",
]
