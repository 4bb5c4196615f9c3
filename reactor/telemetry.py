"""Logs: one JSON object a line, or for people on a terminal. Owns the format; what is logged is each module's.

Every line carries ids (event, rule, job) and none carries a payload, a header or a secret.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from reactor.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send all logs to standard error in the chosen format; libraries' own logs come the same way, from warnings up."""
    human = settings.log_format == "human" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(sort_keys=True)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *([_printable] if human else []), renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("reactor").setLevel(level)


def _printable(logger: Any, method: str, line: EventDict) -> EventDict:
    """Escape what would end a line or steer a terminal: names and errors are whatever somebody chose to send. As JSON does."""
    return {
        name: escaped(value) if isinstance(value, str) and name not in ("exception", "level") else value
        for name, value in line.items()
    }


def escaped(text: str) -> str:
    """The text with every character that is not printable written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
