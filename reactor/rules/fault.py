"""What is wrong in a rule, as every check says it. Knows no file: whoever has its document finds the line and column."""

from dataclasses import dataclass

from reactor.errors import Severity


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a rule: the path to the value, or with `key` to its key, and what is wrong there."""

    path: tuple[str | int, ...]
    message: str
    key: bool = False
    severity: Severity = "error"
