"""YAML files written by people: read as YAML 1.2 core, checked against a model, every mistake named with its place.

Owns the reading of hand-written YAML and the words of its error messages. It doesn't know what a rule, an API or a
workflow is, opens no file, and must not import anything that does.

Why not `yaml.safe_load`: PyYAML speaks YAML 1.1 (`on` is True, `1:30` is 90, `010` is 8), keeps the last of two equal
keys, and lets a few lines of anchors or merge keys grow without bound. Its composers take minutes for 256 KiB of `[`.
So scalars are resolved here, from the parser's events, and reading stops at the first level too deep.
"""

from reactor.yaml12.checking import ENOUGH, validate
from reactor.yaml12.reading import MAX_BYTES, MAX_DEPTH, Document, Path, Place, load
from reactor.yaml12.words import expected_one_of, quoted, shown

__all__ = [
    "ENOUGH",
    "MAX_BYTES",
    "MAX_DEPTH",
    "Document",
    "Path",
    "Place",
    "expected_one_of",
    "load",
    "quoted",
    "shown",
    "validate",
]
